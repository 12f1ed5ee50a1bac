"""From pixels to what a model takes: exact in integers up to the last step, so that every app gets the same bits."""

from collections.abc import Sequence

import numpy as np


def model_input(pixels: np.ndarray, shape: Sequence[int], mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """Crops, resamples, greys and scales one image, as docs/demo_contract.md defines it.

    Args:
        pixels: uint8 (height, width, 3), red green blue.
        shape: Of the result: (height, width, channels), with 1 or 3 channels.
        mean: One number per channel; `(pixel - mean) / std` in float64 is rounded to float32.
        std: One number per channel, greater than 0.

    Returns:
        float32 of `shape`.

    Example:
        >>> model_input(np.full((2, 4, 3), 51, np.uint8), (1, 1, 1), [0.0], [255.0])
        array([[[0.2]]], dtype=float32)
    """
    height, width, channels = shape
    target = resampled(cropped(pixels, height, width), height, width)
    if channels == 1:
        target = grey(target)[..., np.newaxis]
    scaled = (target - np.asarray(mean, np.float64)) / np.asarray(std, np.float64)
    with np.errstate(over="ignore"):  # beyond float32 lies infinity, and the model's answer shows it
        return scaled.astype(np.float32)


def cropped(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle of an image, with the proportions of `height` and `width`.

    Args:
        pixels: (height, width, channels).
        height: Of the proportions wanted, 1 or more.
        width: Of the proportions wanted, 1 or more.

    Example:
        >>> cropped(np.zeros((480, 640, 3), np.uint8), 28, 28).shape
        (480, 480, 3)
    """
    from_height, from_width = pixels.shape[:2]
    if from_width * height > from_height * width:
        crop_height, crop_width = from_height, max(1, from_height * width // height)
    else:
        crop_height, crop_width = max(1, from_width * height // width), from_width
    top, left = (from_height - crop_height) // 2, (from_width - crop_width) // 2
    return pixels[top : top + crop_height, left : left + crop_width]


def resampled(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Each pixel of the result is the mean of the area it covers, rounded to the nearest integer, a half upwards.

    Args:
        pixels: uint8 (height, width, channels).
        height: Of the result, 1 or more.
        width: Of the result, 1 or more.

    Example:
        >>> resampled(np.array([[[1], [2], [9]]], np.uint8), 1, 2)[..., 0]
        array([[1, 7]])
    """
    from_height, from_width, channels = pixels.shape
    if (from_height, from_width) == (height, width):
        return pixels.astype(np.int64)
    # float64 holds every sum exactly: none reaches 2**53, and its matrix product is the fast one.
    rows, columns = _overlaps(from_height, height), _overlaps(from_width, width)
    sums = [rows @ pixels[..., channel].astype(np.float64) @ columns.T for channel in range(channels)]
    area = from_height * from_width
    return (np.stack(sums, axis=-1).astype(np.int64) + area // 2) // area


def grey(pixels: np.ndarray) -> np.ndarray:
    """The brightness of each pixel; of a grey one its own value.

    Args:
        pixels: Integers (height, width, 3), red green blue.

    Example:
        >>> grey(np.array([[[255, 0, 0], [7, 7, 7]]]))
        array([[76,  7]])
    """
    red, green, blue = (pixels[..., channel].astype(np.int64) for channel in range(3))
    return (299 * red + 587 * green + 114 * blue + 500) // 1000


def _overlaps(source: int, target: int) -> np.ndarray:
    """How much of target pixel j source pixel i covers, (target, source), in units in which a row sums to `source`."""
    i, j = np.arange(source), np.arange(target)[:, np.newaxis]
    begin, end = np.maximum(i * target, j * source), np.minimum((i + 1) * target, (j + 1) * source)
    return np.maximum(end - begin, 0).astype(np.float64)
