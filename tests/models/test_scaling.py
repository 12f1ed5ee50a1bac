"""Which channels may be scaled: found on graphs of each shape, and checked by scaling them at random."""

import keras
import numpy as np
import pytest

from tests import zoo
from tfcompress.models.scaling import Link, scalable_channels
from tfcompress.models.surgery import copy

L = keras.layers


def _names(links: tuple[Link, ...]) -> list[str]:
    return [link.name for link in links]


def _free(model: keras.Model) -> dict[str, int]:
    """How many channels of each layer may be scaled."""
    found = scalable_channels(model)
    return {link.name: int(found.free[found.classes[link.makes]].sum()) for link in found.links}


@pytest.mark.parametrize("name", sorted(zoo.ZOO))
def test_scaled_at_random_a_model_computes_the_same(name: str) -> None:
    model = zoo.make(name)
    x = zoo.samples(model)
    before = [np.asarray(output) for output in keras.tree.flatten(model(x, training=False))]
    scaled = copy(model)
    found = scalable_channels(scaled)
    scales = np.where(found.free, np.exp2(np.random.default_rng(0).uniform(-4, 4, found.free.shape)), 1.0)
    for factor in found.factors:
        own = scales[found.classes[factor.ids]] ** factor.power
        factor.variable.assign(factor.variable.numpy() * own.astype("float32"))
    after = [np.asarray(output) for output in keras.tree.flatten(scaled(x, training=False))]
    if found.free.any():
        assert any(not np.allclose(one, other) for one, other in zip(model.weights, scaled.weights, strict=True))
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)


def test_a_batch_norm_makes_the_channels_of_the_kernel_before_it() -> None:
    image = keras.Input((8, 8, 3))
    x = L.BatchNormalization(name="norm")(L.Conv2D(4, 3, use_bias=False, name="conv")(image))
    x = L.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(L.ReLU()(x))
    model = keras.Model(image, L.Dense(2, name="head")(L.GlobalAveragePooling2D()(x)))
    found = scalable_channels(model)
    assert _names(found.links) == ["conv", "depthwise", "head"]
    assert found.links[0].batch_norm is model.get_layer("norm")
    assert _free(model) == {"conv": 4, "depthwise": 8, "head": 0}
    assert ("norm", "gamma", -1) in [(item.layer.name, item.variable.name, item.power) for item in found.factors]


@pytest.mark.parametrize(
    ("between", "free"),
    [
        (L.ReLU(), 4),
        (L.ReLU(6.0), 0),
        (L.LeakyReLU(), 4),
        (L.Activation("sigmoid"), 0),
        (L.Activation("relu"), 4),
        (L.MaxPooling2D(), 4),
        (L.Flatten(), 4),
        (L.Rescaling(2.0), 0),
        (L.LayerNormalization(), 0),
    ],
    ids=lambda value: str(getattr(value, "name", value)),
)
def test_what_lies_between_must_hand_a_scale_on(between: keras.layers.Layer, free: int) -> None:
    layers = [L.Conv2D(4, 3, name="conv"), between, L.Dense(2, name="head")]
    assert _free(keras.Sequential([keras.Input((8, 8, 3)), *layers]))["conv"] == free


def test_a_constant_in_a_sum_keeps_its_channels() -> None:
    image = keras.Input((4,))
    model = keras.Model(image, L.Dense(2, name="head")(L.Dense(3, name="first")(image) + 1.0))
    assert _free(model) == {"first": 0, "head": 0}


def test_channels_that_meet_in_a_sum_have_one_scale() -> None:
    model = zoo.make("residual_add")
    found = scalable_channels(model)
    first, second = (next(link for link in found.links if link.name == name) for name in ("first", "second"))
    assert np.array_equal(found.classes[first.makes], found.classes[second.makes])


def test_a_layer_that_is_called_twice_has_one_scale_for_both() -> None:
    left, right, shared = keras.Input((6,)), keras.Input((6,)), L.Dense(5, activation="relu", name="tower")
    head = L.Dense(2, name="head")
    model = keras.Model([left, right], head(L.Subtract()([shared(left), shared(right)])))
    assert _free(model) == {"tower": 5, "head": 0}


def test_what_is_kept_is_said_with_its_reason() -> None:
    layers = [L.Dense(4, activation="tanh", name="first"), L.Dense(2, name="head")]
    found = scalable_channels(keras.Sequential([keras.Input((3,)), *layers]))
    reasons = dict(found.kept)
    assert "does not hand a scale on" in reasons["first"]
    assert reasons["head"] == "are the model's output"


def test_an_offset_may_be_taken_only_where_no_zeros_are_padded() -> None:
    for padding, shifted in (("valid", True), ("same", False)):
        layers = [
            L.Conv2D(4, 1, name="one"),
            L.BatchNormalization(),
            L.ReLU(),
            L.Conv2D(2, 3, padding=padding, name="two"),
        ]
        found = scalable_channels(keras.Sequential([keras.Input((8, 8, 3)), *layers]))
        assert (found.links[1].shifted is found.links[0]) is shifted
