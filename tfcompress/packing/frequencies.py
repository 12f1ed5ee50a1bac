"""How often symbols come: tables whose weights are coded coarsely and scaled to a power of two, in integers only."""

import numpy as np

LARGEST_EXPONENT = 28
PRECISION = 14  # of flags; tables of values say theirs
LEAST_PRECISION = 12  # so that every symbol of the largest codebook gets a frequency


_BLOCK = 1 << 16  # symbols at a time


def counted(symbols: np.ndarray, length: int) -> np.ndarray:
    """How often each symbol below `length` comes; `np.bincount` alone would take eight bytes a symbol for it.

    Example:
        >>> counted(np.array([2, 0, 2], np.uint8), 4)
        array([1, 0, 2, 0])
    """
    total = np.zeros(length, np.int64)
    for first in range(0, len(symbols), _BLOCK):
        total += np.bincount(symbols[first : first + _BLOCK], minlength=length)
    return total


def looked_up(table: np.ndarray, places: np.ndarray) -> np.ndarray:
    """`table[places]`, without the eight bytes a place that numpy takes for it.

    Example:
        >>> looked_up(np.array([5, 7]), np.array([1, 1, 0], np.uint8))
        array([7, 7, 5])
    """
    found = np.empty(len(places), table.dtype)
    for first in range(0, len(places), _BLOCK):
        found[first : first + _BLOCK] = table[places[first : first + _BLOCK]]
    return found


def bits_of(frequencies: np.ndarray, precision: int) -> float:
    """The bits of symbols that have these frequencies of `2 ** precision`."""
    costs = np.concatenate([[0.0], precision - np.log2(np.arange(1, (1 << precision) + 1))])
    return float((counted(frequencies, len(costs)) * costs).sum())


def weights(codes: np.ndarray, mantissa: int) -> np.ndarray:
    """What coded weights mean: 0 for 0, then numbers with a mantissa of so many bits below its leading one.

    Args:
        codes: Integers >= 0.
        mantissa: Bits, 1 to 6.

    Example:
        >>> weights(np.arange(8), 2)
        array([ 0,  4,  5,  6,  7,  8, 10, 12])
    """
    steps = np.maximum(codes.astype(np.int64) - 1, 0)
    values = ((1 << mantissa) + (steps & (1 << mantissa) - 1)) << (steps >> mantissa)
    return np.where(codes > 0, values, 0)


def scaled(table: np.ndarray, precision: int) -> np.ndarray:
    """Frequencies that add up to `2 ** precision` in each row, at least 1 wherever there is a weight.

    With n weights of sum W in a row, each gets `1 + floor(weight * (2 ** precision - n) / W)`, and the first of the
    largest gets what is left.

    Args:
        table: (rows, symbols), weights; each row has one above 0 and at most `2 ** precision` of them.
        precision: Bits.

    Example:
        >>> scaled(np.array([[4, 0, 12]]), 4)
        array([[ 4,  0, 12]])
    """
    present = table > 0
    count, total = present.sum(axis=1, keepdims=True), table.sum(axis=1, keepdims=True)
    shares = np.where(present, 1 + table * ((1 << precision) - count) // total, 0)
    rows = np.arange(len(table))
    shares[rows, shares.argmax(axis=1)] += (1 << precision) - shares.sum(axis=1)
    return shares


def coded(counts: np.ndarray, mantissa: int) -> np.ndarray:
    """The codes whose weights come nearest to the counts, in each row; a count above 0 never becomes 0.

    Args:
        counts: (rows, symbols), how often each symbol came.
        mantissa: Bits of `weights`.

    Example:
        >>> coded(np.array([[1, 0, 3]]), 2)
        array([[17,  0, 23]])
    """
    total = counts.sum(axis=1, keepdims=True)
    scale = (1 << mantissa) * np.minimum(16.0, (1 << PRECISION) / np.maximum(total, 1))
    targets = np.maximum(counts * scale, 1 << mantissa)
    exponents = np.floor(np.log2(targets)).astype(np.int64) - mantissa
    steps = np.rint(targets / 2.0**exponents).astype(np.int64) - (1 << mantissa)
    codes = 1 + (exponents << mantissa) + steps
    return np.where(counts > 0, codes, 0)
