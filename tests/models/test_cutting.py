"""What is left when channels are removed computes what the whole model does with these channels at zero."""

import keras
import numpy as np
import pytest

from tests import zoo
from tests.models.masked import masked
from tfcompress.models.channels import Channels, channel_groups
from tfcompress.models.cutting import cut

L = keras.layers


def half(found: Channels, seed: int = 0) -> list[np.ndarray]:
    """About half of each group's channels, drawn."""
    generator = np.random.default_rng(seed)
    return [
        np.sort(generator.choice(group.channels, max(1, group.channels // 2), replace=False)) for group in found.groups
    ]


def shuffled(model: keras.Model) -> keras.Model:
    """The model with every weight away from zeros and ones, so that a bias or a scale that is mixed up shows."""
    generator = np.random.default_rng(1)
    for weight in model.weights:
        if "seed" not in weight.name:
            positive = "variance" in weight.name
            weight.assign(
                generator.uniform(0.5, 1.5, weight.shape) if positive else generator.normal(size=weight.shape) / 3
            )
    return model


def assert_cut_equals_masked(model: keras.Model, groups: int | None = None) -> keras.Model:
    """Removes half of each group's channels both ways; gives the smaller model."""
    shuffled(model)
    found = channel_groups(model)
    assert groups is None or len(found.groups) == groups, str(found)
    kept = half(found)
    before = model.get_weights()
    smaller = cut(model, found, kept)
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    inputs = zoo.samples(model)
    expected = keras.tree.flatten(masked(model, found, kept)(inputs, training=False))
    for one, other in zip(expected, keras.tree.flatten(smaller(inputs, training=False)), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5 * max(1.0, float(np.abs(one).max())))
    assert not found.groups or smaller.count_params() < model.count_params()
    return smaller


@pytest.mark.parametrize("name", sorted(zoo.ZOO))
def test_a_model_of_the_zoo_with_half_of_its_channels(name):
    assert_cut_equals_masked(zoo.make(name))
