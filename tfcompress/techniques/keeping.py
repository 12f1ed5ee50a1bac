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
_LEAST_SHARE_OF_INTEGERS = 2
"""The same for integers: that all weights lie on a grid is hardly chance, though int8 training alone does it too."""


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
    values = _few(kernel, _LEAST_SHARE)
    integers = _few_integers(kernel, tuple(axis for axis in range(kernel.ndim) if axis not in channels))
    # Integers times a few scales may be few floats too, and only as integers they stay few in an int8 file.
    if integers and (not values or integers < values):
        return IntegerCodebook(max(4, integers + 3), AsTheyAre())
    if values:
        return Codebook(values + 1, AsTheyAre())
    by_channel = np.moveaxis(kernel, channels, range(len(channels))).reshape(
        -1, kernel.size // _channels(kernel, channels)
    )
    counts = [_few(row, _LEAST_SHARE) for row in by_channel]
    if all(counts):
        return Codebook(max(count for count in counts if count) + 1, AsTheyAre(), per_channel=True)
    return None


def _few_integers(kernel: np.ndarray, inside: tuple[int, ...]) -> int | None:
    """How many integers the kernel consists of, times a scale per channel, where they are few; else None."""
    grid = kernel / integer_scales(kernel, inside)
    integers = np.round(grid)
    few = _few(integers, _LEAST_SHARE_OF_INTEGERS)
    return few if few and np.abs(grid - integers).max() < 1e-3 else None


def _few(values: np.ndarray, share: int) -> int | None:
    """How many distinct values there are, where each is shared by `share` entries on average; else None."""
    most = min(_MOST_VALUES, values.size // share)
    return None if most < 2 or more_values_than(most, values) else len(np.unique(values))


def _channels(kernel: np.ndarray, channels: Sequence[int]) -> int:
    return int(np.prod([kernel.shape[axis] for axis in channels]))
