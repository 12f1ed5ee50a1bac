"""A PNG that TensorFlow, which has its own decoder, reads back to the same pixels."""

import numpy as np
import pytest

from tfcompress.demo.png import png


@pytest.mark.parametrize("size", [(1, 1), (28, 28), (3, 70)])
def test_the_pixels_come_back(size: tuple[int, int]) -> None:
    import tensorflow as tf

    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    decoded = tf.io.decode_png(png(pixels), channels=0)
    assert decoded.shape == (*size, 3)
    np.testing.assert_array_equal(decoded.numpy(), pixels)
