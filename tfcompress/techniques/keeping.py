"""What earlier steps established in a kernel, measured on its values, and the transforms that keep it."""

from collections.abc import Sequence

import numpy as np

from tfcompress.techniques.technique import Property
from tfcompress.transforms.codebook import Codebook, IntegerCodebook, integer_scales
from tfcompress.transforms.codebooks import AsTheyAre, more_values_than
from tfcompress.transforms.magnitude_mask import MagnitudeMask
from tfcompress.transforms.masks import has_zeros
from tfcompress.transforms.transform import Transform

_MOST_VALUES = 64
"""Up to so many distinct values count as clusters; an integer grid of 8 bits has more."""
_LEAST_SHARE = 4
"""So many entries must share a value on average: a small kernel has few values without anybody having clustered it."""


def keeping(kernel: np.ndarray, channels: Sequence[int], establishing: frozenset[Property]) -> list[Transform]:
    """The transforms that keep what is established in a kernel, to stand before those of a technique.

    Args:
        kernel: The trained values.
        channels: The axes of its output channels.
        establishing: What the technique's own transforms see to; it needs no keeping.

    Returns:
        For zeros their mask, for clusters a codebook of the values that are there, or nothing.

    Example:
        >>> [type(item).__name__ for item in keeping(np.array([0.0, 1.5, 2.5]), (0,), frozenset())]
        ['MagnitudeMask']
    """
    codebook = None if Property.CLUSTERS in establishing else _codebook(kernel, channels)
    if codebook:
        return [codebook]  # it keeps zeros too
    if Property.SPARSITY not in establishing and Property.CLUSTERS not in establishing and has_zeros(kernel):
        return [MagnitudeMask(0.0)]
    return []


def _codebook(kernel: np.ndarray, channels: Sequence[int]) -> Transform | None:
    """The codebook that a kernel has: of integers, of floats for the whole of it or for each channel; or None."""
    most = min(_MOST_VALUES, kernel.size // _LEAST_SHARE)
    if most < 2:
        return None
    inside = tuple(axis for axis in range(kernel.ndim) if axis not in channels)
    if not more_values_than(most, kernel):
        return Codebook(len(np.unique(kernel)) + 1, AsTheyAre())
    grid = kernel / integer_scales(kernel, inside)
    integers = np.round(grid)
    if not more_values_than(most, integers) and np.abs(grid - integers).max() < 1e-3:
        return IntegerCodebook(max(4, len(np.unique(integers)) + 3), AsTheyAre())
    by_channel = np.moveaxis(kernel, channels, range(len(channels))).reshape(
        -1, kernel.size // _channels(kernel, channels)
    )
    most = min(_MOST_VALUES, by_channel.shape[1] // _LEAST_SHARE)
    if any(more_values_than(most, row) for row in by_channel):
        return None
    return Codebook(max(len(np.unique(row)) for row in by_channel) + 1, AsTheyAre(), per_channel=True)


def _channels(kernel: np.ndarray, channels: Sequence[int]) -> int:
    return int(np.prod([kernel.shape[axis] for axis in channels]))
