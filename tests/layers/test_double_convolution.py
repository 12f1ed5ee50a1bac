"""Doubly convolutional layers: numbers by hand, the definition in loops, the paper's counts of weights."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcompress.errors import UnsupportedLayerError
from tfcompress.layers import DoubleConv2D


def by_definition(
    images: np.ndarray, meta: np.ndarray, bias: np.ndarray, size: tuple[int, int], pool: int
) -> np.ndarray:
    """Each patch of the image is convolved with each meta filter, and the result pooled: one number at a time."""
    (height, width), (samples, rows, columns, _) = size, images.shape
    shifts, filters = meta.shape[0] - height + 1, meta.shape[3]
    out = np.zeros((samples, rows - height + 1, columns - width + 1, filters, shifts, shifts))
    for sample, row, column, k, down, right in np.ndindex(*out.shape):
        patch = images[sample, row : row + height, column : column + width]
        out[sample, row, column, k, down, right] = (
            patch * meta[down : down + height, right : right + width, :, k]
        ).sum()
    left = shifts // pool
    pooled = out.reshape(*out.shape[:4], left, pool, left, pool).max(axis=(5, 7))
    return (pooled + bias[:, np.newaxis, np.newaxis]).reshape(*out.shape[:3], -1)


def test_windows_of_a_meta_filter_worked_by_hand() -> None:
    layer = DoubleConv2D(1, 1, extra=1, use_bias=False)
    layer.build((None, 1, 1, 1))
    layer.set_weights([np.array([1.0, -2.0, 3.0, -4.0]).reshape(2, 2, 1, 1)])
    assert layer(np.full((1, 1, 1, 1), 10.0)).numpy().reshape(-1).tolist() == [10, -20, 30, -40]


def test_pooling_takes_the_largest_of_the_shifts() -> None:
    layer = DoubleConv2D(2, 1, extra=1, pool=2, bias_initializer="ones")
    layer.build((None, 1, 1, 1))
    meta = np.array([[1.0, -2.0, 3.0, -4.0], [5.0, 6.0, 7.0, -8.0]]).T.reshape(2, 2, 1, 2)
    layer.set_weights([meta, np.array([0.5, 100.0])])
    assert layer(np.full((1, 1, 1, 1), 10.0)).numpy().reshape(-1).tolist() == [30.5, 170.0]
    assert layer(np.full((1, 1, 1, 1), -10.0)).numpy().reshape(-1).tolist() == [40.5, 180.0]


@settings(max_examples=20, deadline=None)
@given(
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    shifts=st.sampled_from([(0, 1), (1, 1), (1, 2), (2, 3), (3, 2), (3, 1)]),
    filters=st.integers(1, 3),
)
def test_it_is_its_definition(size: tuple[int, int], shifts: tuple[int, int], filters: int) -> None:
    extra, pool = shifts
    images = np.random.default_rng(0).normal(size=(2, 4, 5, 2)).astype("float32")
    layer = DoubleConv2D(filters, size, extra=extra, pool=pool, bias_initializer="normal")
    outputs = np.asarray(layer(images))
    expected = by_definition(images, layer.kernel.numpy(), layer.bias.numpy(), size, pool)
    assert outputs.shape == expected.shape == layer.compute_output_shape(images.shape)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_without_extra_it_is_a_plain_convolution() -> None:
    images = np.random.default_rng(0).normal(size=(2, 9, 8, 3)).astype("float32")
    double = DoubleConv2D(4, 3, 2, "same", extra=0, activation="relu")
    plain = keras.layers.Conv2D(4, 3, 2, "same", activation="relu")
    double.build(images.shape)
    plain.build(images.shape)
    double.set_weights(plain.get_weights())
    np.testing.assert_allclose(double(images), plain(images), atol=1e-6)


@pytest.mark.parametrize(
    ("filters", "extra", "pool", "channels", "share"),
    [(128, 1, 2, 128, 16 / 9), (16, 3, 1, 256, 16 * 36 / (256 * 9)), (4, 7, 1, 256, 400 / 2304)],
)
def test_weights_beside_a_plain_layer_as_in_the_paper(
    filters: int, extra: int, pool: int, channels: int, share: float
) -> None:
    layer, plain = DoubleConv2D(filters, 3, extra=extra, pool=pool), keras.layers.Conv2D(channels, 3)
    layer.build((None, 8, 8, 128))
    plain.build((None, 8, 8, 128))
    assert layer.compute_output_shape((None, 8, 8, 128))[-1] == channels
    assert layer.kernel.shape[2:] == (128, filters)
    assert np.prod(layer.kernel.shape) / np.prod(plain.kernel.shape) == pytest.approx(share)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"extra": 2, "pool": 2}, r"'mine' \(DoubleConv2D\): pool 2 does not divide the 3 shifts"),
        ({"extra": -1}, "'mine'.*extra is -1"),
        ({"pool": 0}, "'mine'.*pool is 0"),
        ({"kernel_size": (1, 2, 3)}, r"'mine'.*kernel_size is \(1, 2, 3\)"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UnsupportedLayerError, match=message):
        DoubleConv2D(**{"filters": 4, "kernel_size": 3, "name": "mine", **arguments})
