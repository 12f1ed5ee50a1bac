"""What every technique promises of a model that it wraps and strips, on every model of the zoo."""

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tests import zoo
from tests.techniques.contract import CONTRACT, Row, on_the_zoo
from tfcompress.models.surgery import layers_of
from tfcompress.recipe import TECHNIQUES, Recipe
from tfcompress.techniques.kernels import Kernel, kernels_of
from tfcompress.techniques.technique import Property
from tfcompress.transforms.activation_range import FixedRange
from tfcompress.transforms.channels import channel_axes
from tfcompress.transforms.codebook import integer_scales

# Tiny kernels are left alone by some techniques, which say so.
pytestmark = pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")
TRACED = ("conv_batch_norm_relu", "gru")  # trained as a graph; the others step by step, which takes a tenth of the time
every_technique = pytest.mark.parametrize("row", CONTRACT.values(), ids=CONTRACT)


def zeros(model: keras.Model) -> float:
    """The share of zeros in all kernels of a model."""
    kernels = [kernel.variable.numpy() for kernel in kernels_of(model)]
    return sum(int((kernel == 0).sum()) for kernel in kernels) / sum(kernel.size for kernel in kernels)


def distinct_values(kernel: Kernel) -> int:
    """The fewest values that describe a kernel: its own, or per channel, or as integers times a scale per channel."""
    weights, channels = kernel.variable.numpy(), channel_axes(kernel.layer, kernel.variable)
    inside = tuple(axis for axis in range(weights.ndim) if axis not in channels)
    rows = np.moveaxis(weights, channels, range(len(channels))).reshape(
        -1, int(np.prod([weights.shape[i] for i in inside]))
    )
    grid = np.round(weights / integer_scales(weights, inside), 3)
    return min(len(np.unique(weights)), len(np.unique(grid)), max(len(np.unique(row)) for row in rows))


def outputs(model: keras.Model) -> list[np.ndarray]:
    return [np.asarray(output) for output in keras.tree.flatten(model(zoo.samples(model), training=False))]


def test_every_technique_has_a_row() -> None:
    assert {name.split("-")[0] for name in CONTRACT} == set(TECHNIQUES)


@on_the_zoo()
def test_a_technique_keeps_its_contract(name: str, row: Row) -> None:
    model = zoo.make(name)
    technique = row.on(model)
    before, answers = model.get_weights(), outputs(model)

    wrapped = technique.wrap(model)
    zoo.fit(wrapped, epochs=2, eagerly=name not in TRACED)
    plain = technique.strip(wrapped)

    # The input is untouched: its weights, its answers, its flags.
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    assert all(np.array_equal(old, new) for old, new in zip(answers, outputs(model), strict=True))
    assert not model.compiled
    # Training went through the technique, and strip leaves a plain model that computes the same.
    added = {type(layer) for layer in layers_of(plain)} - {type(layer) for layer in layers_of(model)}
    own = {kind for kind in added if kind.__module__.startswith("tfcompress")}
    assert own <= {*row.adds, *([FixedRange] if Property.RANGES in technique.establishes else [])}
    # (Keras orders weights by the depth of their layers, which ranges on one branch change.)
    shapes = sorted(tuple(item.shape) for item in plain.weights), sorted(tuple(item.shape) for item in model.weights)
    assert (shapes[0] == shapes[1]) is not row.rewrites
    for ports in ("input", "output"):
        own, new = (keras.tree.map_structure(lambda port: port.shape, getattr(one, ports)) for one in (model, plain))
        assert own == new
    for trained, stripped in zip(outputs(wrapped), outputs(plain), strict=True):
        np.testing.assert_allclose(stripped, trained, atol=0.1 if row.rounds_at_the_end else 1e-6)
    assert any(not np.array_equal(old, new) for old, new in zip(before, plain.get_weights(), strict=False))
    # What it establishes is true of the weights: each kernel has its share to within the entry that rounding decides.
    if Property.SPARSITY in technique.establishes:
        entries = sum(kernel.variable.numpy().size for kernel in kernels_of(plain))
        assert zeros(plain) >= row.sparsity - len(list(kernels_of(plain))) / entries
    if row.distinct_values:
        assert max(distinct_values(kernel) for kernel in kernels_of(plain)) <= row.distinct_values


@every_technique
def test_settings_survive_toml(row: Row) -> None:
    recipe = Recipe([row.technique])
    assert Recipe.from_toml(recipe.to_toml()) == recipe


@pytest.mark.parametrize(("name", "row"), [(name, row) for row in CONTRACT.values() for name in row.refuses])
def test_where_there_is_nothing_to_do_the_model_is_named(name: str, row: Row) -> None:
    model = zoo.make(name)
    with pytest.raises(tfc.TfCompressError, match=model.name):
        row.on(model).wrap(model)


@every_technique
def test_a_wrapped_model_is_not_wrapped_again(row: Row) -> None:
    plain = row.rewrites or not row.technique.trains
    wrapped = (tfc.MagnitudePruning() if plain else row.technique).wrap(zoo.make("dense"))
    with pytest.raises(tfc.TfCompressError, match="is wrapped already"):
        row.technique.wrap(wrapped)


@every_technique
def test_a_model_without_a_graph_is_refused_by_name(row: Row) -> None:
    class Subclassed(keras.Model):
        def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
            return inputs

    with pytest.raises(tfc.TfCompressError, match="my_model"):
        row.technique.wrap(Subclassed(name="my_model"))
