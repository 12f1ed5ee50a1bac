"""Adaptive rounding of models: on the grid, nearer to the model than the nearest integers, zeros kept."""

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.errors import RecipeError, TfCompressWarning
from tfcompress.models.surgery import copy
from tfcompress.transforms.channels import channel_axes
from tfcompress.transforms.fidelity import snr_db
from tfcompress.transforms.grids import integer_grid

L = keras.layers


def _network() -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((10, 10, 2), name="image")
    x = L.Conv2D(8, 3, activation="relu", name="first")(image)
    x = L.ReLU()(L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="second")(x)))
    x = L.Conv2D(12, 1, activation="relu", name="third")(x)
    return keras.Model(image, L.Dense(4, name="head")(L.GlobalAveragePooling2D()(x)))


def _x(count: int = 48) -> np.ndarray:
    """Smooth images, whose pixels are alike."""
    x = np.random.default_rng(0).normal(size=(count, 12, 12, 2)).astype("float32")
    return x[:, 2:, 2:] + x[:, 1:-1, 1:-1] + x[:, :-2, :-2] + 1


def _nearest(model: keras.Model, bits: int) -> keras.Model:
    rounded = copy(model)
    for layer in rounded.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(integer_grid(layer.kernel.value, bits, channel_axes(layer, layer.kernel)))
    return rounded


def test_the_outputs_are_nearer_than_by_nearest_rounding_and_kernels_lie_on_the_same_grid() -> None:
    model, x = _network(), _x()
    rounded, nearest = tfc.AdaptiveRounding(bits=3, samples=x[:32]).wrap(model), _nearest(model, 3)
    right = np.asarray(model(x[32:]))
    assert snr_db(right, np.asarray(rounded(x[32:]))) > snr_db(right, np.asarray(nearest(x[32:]))) + 3
    for name in ("first", "second", "third", "head"):
        layer, other = rounded.get_layer(name), nearest.get_layer(name)
        np.testing.assert_allclose(integer_grid(layer.kernel.value, 3, channel_axes(layer, layer.kernel)), layer.kernel)
        step = np.abs(other.kernel.numpy()).max(axis=tuple(range(layer.kernel.ndim - 1)), keepdims=True) / 3
        assert (np.abs(layer.kernel - other.kernel) <= step * 1.001).all()


def test_zeros_stay() -> None:
    model = tfc.strip(tfc.MagnitudePruning(sparsity=0.5, skip=()).wrap(_network()))
    rounded = tfc.AdaptiveRounding(bits=4, samples=_x(16), steps=50).wrap(model)
    for one, other in zip(model.weights, rounded.weights, strict=True):
        if len(one.shape) > 1:
            assert (other.numpy()[one.numpy() == 0] == 0).all()


def test_layers_without_a_rule_are_rounded_to_the_nearest_and_named() -> None:
    keras.utils.set_random_seed(0)
    layers = [L.Conv2DTranspose(3, 2, name="up"), L.Flatten(), L.Dense(2, name="head")]
    model = keras.Sequential([keras.Input((4, 4, 2)), *layers])
    with pytest.warns(TfCompressWarning, match="rounded up to the nearest"):
        rounded = tfc.AdaptiveRounding(samples=np.ones((4, 4, 4, 2)), steps=10).wrap(model)
    up = rounded.get_layer("up")
    np.testing.assert_allclose(integer_grid(up.kernel.value, 4, channel_axes(up, up.kernel)), up.kernel)


def test_settings_are_checked() -> None:
    with pytest.raises(RecipeError, match="steps must be a whole number from 1, not 0"):
        tfc.AdaptiveRounding(steps=0)
    with pytest.raises(RecipeError, match="by samples, and there are none"):
        tfc.AdaptiveRounding().wrap(_network())
