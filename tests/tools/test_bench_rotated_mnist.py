"""Turning digits: whole quarters are exact, and what is turned there and back is what it was."""

import numpy as np
import pytest

from tools.bench_rotated_mnist import rotated


def smooth(count: int = 3, size: int = 28) -> np.ndarray:
    """Blobs like digits: nothing at the border."""
    generator = np.random.default_rng(0)
    down, right = np.indices((size, size)) - (size - 1) / 2
    images = np.zeros((count, size, size))
    for image in images:
        for _ in range(4):
            y, x = generator.uniform(-5, 5, 2)
            image += np.exp(-((down - y) ** 2 + (right - x) ** 2) / 8)
    return images / images.max()


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_whole_quarters_move_pixels_only(quarters: int) -> None:
    images = smooth()
    turned = rotated(images, np.full(len(images), quarters * np.pi / 2))
    np.testing.assert_allclose(turned, np.rot90(images, quarters, axes=(1, 2)), atol=1e-5)


def test_turning_there_and_back_is_nearly_nothing() -> None:
    images, angles = smooth(), np.array([0.3, 2.0, 4.5])
    there = rotated(images, angles)
    assert np.abs(there - images).max() > 0.1
    assert np.abs(rotated(there, -angles) - images).max() < 0.02


def test_each_image_has_an_angle_of_its_own_and_stays_between_0_and_1() -> None:
    images = (np.repeat(smooth(1), 3, axis=0) > 0.5).astype("float32")
    angles = np.array([0.0, 0.5, 1.0])
    turned = rotated(images, angles)
    assert turned.dtype == np.float32
    assert turned.min() == 0
    assert turned.max() == 1
    np.testing.assert_array_equal(turned[1], rotated(images[:1], angles[1:2])[0])
