"""An image becomes the same input in every language: the arithmetic is exact, and worked by hand here."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcompress.demo.preprocessing import cropped, grey, model_input, resampled


def _by_fractions(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """The mean of the area that each target pixel covers, without any rounding before the last."""
    result = np.empty((height, width, pixels.shape[2]), np.int64)
    down, across = Fraction(pixels.shape[0], height), Fraction(pixels.shape[1], width)
    for y, x, channel in np.ndindex(*result.shape):
        total = Fraction(0)
        for v, u in np.ndindex(*pixels.shape[:2]):
            high = max(Fraction(0), min((y + 1) * down, Fraction(v + 1)) - max(y * down, Fraction(v)))
            wide = max(Fraction(0), min((x + 1) * across, Fraction(u + 1)) - max(x * across, Fraction(u)))
            total += high * wide * int(pixels[v, u, channel])
        result[y, x, channel] = int(total / (down * across) + Fraction(1, 2))  # a half goes upwards
    return result


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(1, 6)] * 4), st.integers(0, 2**32 - 1))
def test_resampling_is_the_mean_of_the_area(sizes: tuple[int, int, int, int], seed: int) -> None:
    from_height, from_width, height, width = sizes
    pixels = np.random.default_rng(seed).integers(0, 256, (from_height, from_width, 1)).astype(np.uint8)
    np.testing.assert_array_equal(resampled(pixels, height, width), _by_fractions(pixels, height, width))


@pytest.mark.parametrize(
    ("size", "wanted", "corner", "cut"),
    [
        ((480, 640), (28, 28), (0, 80), (480, 480)),
        ((640, 480), (28, 28), (80, 0), (480, 480)),
        ((10, 10), (1, 2), (2, 0), (5, 10)),
        ((3, 5), (1, 1), (0, 1), (3, 3)),
        ((1, 9), (9, 1), (0, 4), (1, 1)),
    ],
)
def test_the_crop_is_the_middle_with_the_proportions(
    size: tuple[int, int], wanted: tuple[int, int], corner: tuple[int, int], cut: tuple[int, int]
) -> None:
    places = np.stack(np.mgrid[: size[0], : size[1]], axis=-1)
    found = cropped(places, *wanted)
    assert tuple(found[0, 0]) == corner
    assert found.shape[:2] == cut


def test_grey_weighs_the_colours_and_keeps_grey() -> None:
    assert grey(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]])).tolist() == [[76, 150, 29]]
    ramp = np.repeat(np.arange(256)[np.newaxis, :, np.newaxis], 3, axis=2)
    assert grey(ramp)[0].tolist() == list(range(256))


def test_an_image_of_the_models_size_is_only_scaled() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28, 1)).astype(np.uint8)
    found = model_input(np.repeat(pixels, 3, axis=2), (28, 28, 1), [0.0], [255.0])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, pixels.astype("float32") / 255)  # what training scripts write


def test_channels_have_scalings_of_their_own() -> None:
    found = model_input(np.full((1, 1, 3), 100, np.uint8), (1, 1, 3), [0.0, 100.0, 50.0], [1.0, 2.0, 25.0])
    assert found.tolist() == [[[100.0, 0.0, 2.0]]]
