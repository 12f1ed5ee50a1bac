"""Bias correction: the mean of each output comes back, by samples or by batch norms, and kernels stay."""

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.errors import RecipeError, TfCompressWarning
from tfcompress.models.surgery import copy
from tfcompress.transforms.channels import channel_axes
from tfcompress.transforms.grids import integer_grid

L = keras.layers


def _rounded(model: keras.Model, bits: int) -> keras.Model:
    """The model as its file would have its kernels."""
    rounded = copy(model)
    for layer in rounded.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(integer_grid(layer.kernel.value, bits, channel_axes(layer, layer.kernel)))
    return rounded


def _network() -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(6, 3, use_bias=False, name="first")(image)
    x = L.ReLU()(L.BatchNormalization(name="first_norm")(x))
    x = L.ReLU()(L.BatchNormalization(name="second_norm")(L.DepthwiseConv2D(3, name="second")(x)))
    model = keras.Model(image, L.Dense(4, name="head")(L.GlobalAveragePooling2D()(x)))
    model(_x(256), training=True)
    for name in ("first_norm", "second_norm"):
        model.get_layer(name).momentum = 0.0
    model(_x(256), training=True)  # statistics that are those of the samples
    return model


def _x(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (count, 8, 8, 3)).astype("float32")


@pytest.mark.parametrize("bits", [2, 3])
def test_the_mean_of_the_outputs_comes_back(bits: int) -> None:
    model, x = _network(), _x(128)
    corrected = tfc.BiasCorrection(bits=bits, samples=x).wrap(model)
    right = np.asarray(model(x)).mean(axis=0)
    plain, mended = (np.asarray(_rounded(one, bits)(x)).mean(axis=0) for one in (model, corrected))
    np.testing.assert_allclose(mended, right, atol=1e-5)
    assert np.abs(plain - right).max() > 0.01


def test_kernels_stay_as_they_are() -> None:
    model = _network()
    corrected = tfc.BiasCorrection(bits=2, samples=_x(16)).wrap(model)
    changed = {
        f"{layer.name}/{weight.name}"
        for layer, other in zip(model.layers, corrected.layers, strict=True)
        for weight, own in zip(layer.weights, other.weights, strict=True)
        if not np.array_equal(weight, own)
    }
    assert changed == {"first_norm/moving_mean", "second/bias", "head/bias"}


def test_without_samples_batch_norms_tell_what_to_expect() -> None:
    model, x = _network(), _x(256)
    with pytest.warns(TfCompressWarning, match="left alone first: no batch norm tells"):
        corrected = tfc.BiasCorrection(bits=2).wrap(model)
    right = np.asarray(model(x)).mean(axis=0)
    exact_first = _with_exact_first_layer
    plain, mended = (np.asarray(exact_first(one, model)(x)).mean(axis=0) for one in (model, corrected))
    assert np.abs(mended - right).max() < 0.7 * np.abs(plain - right).max()


def _with_exact_first_layer(one: keras.Model, exact: keras.Model) -> keras.Model:
    """The model rounded to two bits, but for its first layer, which nobody corrected."""
    rounded = _rounded(one, 2)
    rounded.get_layer("first").set_weights(exact.get_layer("first").get_weights())
    return rounded


def test_by_hand_the_mean_of_what_rounding_adds_goes_into_the_bias() -> None:
    model = keras.Sequential([keras.Input((2,)), L.Dense(1, activation="relu", name="head")])
    model.set_weights([np.array(item) for item in [[[3.0], [1.4]], [0.5]]])
    corrected = tfc.BiasCorrection(bits=3, samples=np.array([[0.0, 1.0], [0.0, 2.0]])).wrap(model)
    np.testing.assert_allclose(corrected.get_layer("head").bias, [0.5 + 0.4 * 1.5], rtol=1e-5)


def test_the_ranges_of_a_model_are_in_place_while_it_is_corrected() -> None:
    model, x = _network(), _x(64)
    ranged = tfc.RangeSetting(samples=x, bits=3).wrap(model)
    corrected = tfc.BiasCorrection(bits=8, samples=x).wrap(ranged)
    right = np.asarray(model(x)).mean(axis=0)
    plain, mended = (np.asarray(_rounded(one, 8)(x)).mean(axis=0) for one in (ranged, corrected))
    assert np.abs(mended - right).max() < np.abs(plain - right).max()


def test_a_model_in_which_nothing_can_be_corrected_is_refused() -> None:
    bare = keras.Sequential([keras.Input((3,)), L.Dense(2, use_bias=False)], name="bare")
    with pytest.raises(RecipeError, match="'bare' has no layer with a bias"):
        tfc.BiasCorrection(samples=np.ones((2, 3))).wrap(bare)
    silent = keras.Sequential([keras.Input((3,)), L.Dense(2)], name="silent")
    with pytest.raises(RecipeError, match="'silent' has no batch norm that tells"):
        tfc.BiasCorrection().wrap(silent)
