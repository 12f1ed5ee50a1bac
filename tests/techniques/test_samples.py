import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.errors import DataError, RecipeError
from tfcompress.techniques import samples
from tfcompress.techniques.factorized import Chain
from tfcompress.techniques.samples import Fit, Squares, chunks, patches

L = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")


LAYERS = pytest.mark.parametrize(
    "layer",
    [
        L.Conv2D(4, (3, 2), padding="same", use_bias=False),
        L.Conv2D(4, (2, 3), 2, padding="same", use_bias=False),
        L.Conv2D(4, 3, 2, use_bias=False),
        L.Conv2D(4, (1, 3), dilation_rate=2, padding="same", use_bias=False),
        L.Conv1D(4, 3, padding="causal", dilation_rate=2, use_bias=False),
        L.Conv1D(4, 4, 3, padding="same", use_bias=False),
        L.Dense(4, use_bias=False),
    ],
    ids=lambda layer: layer.name,
)


@LAYERS
def test_patches_times_the_kernel_are_the_outputs_of_the_layer(layer: keras.Layer) -> None:
    shape = (2, 9, 8, 5) if isinstance(layer, L.Conv2D) else (2, 9, 5)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    expected = np.asarray(layer(x))
    found = patches(x, layer) @ layer.kernel.numpy().reshape(-1, 4)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-5)


@LAYERS
@pytest.mark.parametrize("most", [1, 1000, 3000, 10**9])
def test_patches_come_in_small_chunks(layer: keras.Layer, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "_MOST_BYTES", most)
    x = np.random.default_rng(0).normal(size=(4, 9, 8, 5) if isinstance(layer, L.Conv2D) else (4, 9, 5))
    expected, found = patches(x, layer), list(chunks(x, layer))
    np.testing.assert_array_equal(np.concatenate(found), expected)
    row = expected.nbytes // 4 // expected.reshape(4, -1, expected.shape[-1]).shape[1] * 8  # of one sample's positions
    assert max(chunk.nbytes for chunk in found) <= max(most, row)
    assert len(found) == 1 or most < expected.nbytes


def peak(see: Callable[[Any], None], x: np.ndarray) -> int:
    """The bytes that looking at an input takes at once."""
    tracemalloc.start()
    try:
        see(x)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_looking_at_large_inputs_takes_no_more_memory_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = L.Conv2D(8, 3, padding="same", name="conv")
    layer.build((None, 64, 64, 16))
    x = np.random.default_rng(0).normal(size=(4, 64, 64, 16)).astype("float32")
    whole = 8 * 4 * 64 * 64 * 9 * 16
    monkeypatch.setattr(samples, "_MOST_BYTES", whole // 40)
    assert peak(Squares(layer).see, x) < whole / 4
    first, last = L.Conv2D(4, 1, name="first"), L.Conv2D(8, 3, padding="same", use_bias=False, name="last")
    first.build((None, 64, 64, 16))
    last.build((None, 64, 64, 4))
    fits = [Fit(layer, Chain([first, last])) for _ in range(2)]
    assert peak(fits[0].see, x) < whole / 4
    monkeypatch.undo()
    fits[1].see(x)
    np.testing.assert_allclose(fits[0].reads, fits[1].reads)
    np.testing.assert_allclose(fits[0].answers, fits[1].answers)
    assert fits[0].total == pytest.approx(fits[1].total)


def on_a_plane(count: int, size: int) -> np.ndarray:
    """Inputs that vary in three directions only, so that rank three can answer all of them."""
    generator = np.random.default_rng(0)
    return (generator.normal(size=(count, 3)) @ generator.normal(size=(3, size))).astype("float32")


def test_a_dense_layer_answers_exactly_where_its_inputs_allow_it() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((20,)), L.Dense(16, activation="tanh", name="one")])
    x = on_a_plane(64, 20)
    plain, fitted = (tfc.LowRank(ranks=4, samples=samples) for samples in (None, x))
    errors = [np.abs(np.asarray(technique.wrap(model)(x)) - model(x)).max() for technique in (plain, fitted)]
    assert errors[1] < 1e-3 < 0.1 < errors[0]
    before, after = fitted.plan(model).layers[0].output_errors
    assert after < 1e-3 < before


@pytest.mark.parametrize("convolution", ["Tucker2", "SpatialSVD", "SVD", "CP"])
def test_the_fit_answers_better_than_the_best_approximation_of_the_kernel(convolution: str) -> None:
    keras.utils.set_random_seed(0)
    inner = keras.Sequential(
        [keras.Input((8, 8, 6)), L.Conv2D(12, 3, padding="same", activation="relu", name="conv")], name="inner"
    )
    image = keras.Input((8, 8, 6))
    model = keras.Model(image, inner(L.BatchNormalization()(image)))
    x = np.cumsum(np.random.default_rng(0).normal(size=(40, 8, 8, 6)), axis=-1).astype("float32")
    technique = tfc.LowRank(ranks=3, convolution=convolution, samples=x[:32])
    (layer,) = technique.plan(model).layers
    assert layer.output_errors[1] < layer.output_errors[0]
    # The figure is that of the linear outputs of the layer on the samples.
    linear = keras.models.clone_model(model)
    linear.set_weights(model.get_weights())
    linear.get_layer("inner").get_layer("conv").activation = keras.activations.linear
    smaller = technique.wrap(linear)
    error = np.linalg.norm(np.asarray(linear(x[:32])) - smaller(x[:32])) / np.linalg.norm(linear(x[:32]))
    assert error == pytest.approx(layer.output_errors[1], rel=1e-3)


def test_samples_come_from_a_file_and_survive_toml(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((20,)), L.Dense(16, name="one")])
    path = tmp_path / "batch.npz"
    np.savez(path, x=on_a_plane(64, 20))
    technique = tfc.LowRank(ranks=4, samples=path)
    assert technique.reads == (path,)
    recipe = tfc.Recipe([technique])
    assert tfc.Recipe.from_toml(recipe.to_toml()) == recipe
    (tmp_path / "cut.npz").write_bytes(path.read_bytes()[:100])
    expected = tfc.LowRank(ranks=4, samples=on_a_plane(64, 20)).wrap(model).get_weights()
    for one, other in zip(technique.wrap(model).get_weights(), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(DataError, match=r"cut.npz cannot be read"):
        tfc.LowRank(ranks=4, samples=tmp_path / "cut.npz").wrap(model)
    with pytest.raises(RecipeError, match="samples in memory, which a recipe's file cannot hold"):
        tfc.LowRank(samples=np.ones((2, 20))).to_settings()


def test_samples_that_do_not_fit_are_refused_by_input() -> None:
    left, right = keras.Input((6,), name="left"), keras.Input((5,), name="right")
    model = keras.Model([left, right], L.Dense(8, name="one")(L.Concatenate()([left, right])))
    good = [np.ones((4, 6)), np.ones((4, 5))]

    def wrap(samples: object) -> keras.Model:
        return tfc.LowRank(ranks=2, samples=samples).wrap(model)

    assert len(wrap(good).weights) == len(wrap({"right": good[1], "left": good[0]}).weights)
    with pytest.raises(DataError, match="has 2 inputs, and the samples are 1 arrays"):
        wrap(good[0])
    with pytest.raises(DataError, match="have no array 'right'; they have 'left'"):
        wrap({"left": good[0]})
    with pytest.raises(DataError, match=r"for input 'right' have the shape \(4, 6\)"):
        wrap([good[0], good[0]])
    with pytest.raises(DataError, match=r"at least one, for each input"):
        wrap([good[0], good[1][:3]])
    with pytest.raises(DataError, match="for input 'left' have values that are NaN"):
        wrap([good[0] * np.nan, good[1]])
