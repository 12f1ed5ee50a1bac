"""Finds the tables of weights that cost the fewest bits: those of the symbols under them, and their own."""

import numpy as np

from tfcompress.packing.frequencies import PRECISION, coded, scaled, weights
from tfcompress.packing.modelled import Tables

_MANTISSAS = (1, 2, 3, 4, 5)
_WIDTHS = (0.0, 2.0, 4.0, 8.0)  # of the smoothing, in symbols
_LEAST_SMOOTHED = 32  # symbols; a shorter alphabet is no scale of numbers
_LEAST_COUNT = 1 / 16  # a smoothed count below it stands for a symbol that never comes
_BITS_A_FAMILY = 24.0  # what it costs until the contexts of the changes have learnt


def cheapest_tables(counts: np.ndarray, *, thorough: bool = True) -> tuple[Tables, float]:
    """The tables for symbols that came so often in each context, and about how many bits all take.

    Counts of few symbols are mostly chance, and chance is dear to write down: smoothed over neighbouring symbols a
    table costs a fraction, and the symbols hardly more.

    Args:
        counts: (contexts, symbols).
        thorough: Whether all settings are tried, or but two, to compare contexts with others.
    """
    filled = counts.copy()
    filled[counts.sum(axis=1) == 0] = counts.sum(axis=0)  # a context that never came is cheapest like the others
    if not filled.any():
        filled[:, 0] = 1
    best: tuple[Tables, float] | None = None
    widths = _WIDTHS if thorough else _WIDTHS[::2]
    for width in widths if counts.shape[1] >= _LEAST_SMOOTHED else _WIDTHS[:1]:
        smoothed = _smoothed(filled, width)
        for mantissa in _MANTISSAS if thorough else _MANTISSAS[2:3]:
            tables = Tables(mantissa, coded(smoothed, mantissa))
            bits = _symbol_bits(tables, counts) + _table_bits(tables)
            if best is None or bits < best[1]:
                best = tables, bits
    assert best is not None
    return best


def _smoothed(counts: np.ndarray, width: float) -> np.ndarray:
    """Counts spread over the neighbours of each symbol; the last symbol is next to the first, as -1 to 0 in int8."""
    if not width:
        return counts.astype(float)
    symbols = np.arange(counts.shape[1])
    distances = np.minimum(symbols, counts.shape[1] - symbols) / width
    kernel = np.exp(-0.5 * distances**2)
    spread = np.fft.irfft(np.fft.rfft(counts, axis=1) * np.fft.rfft(kernel / kernel.sum()), counts.shape[1], axis=1)
    return np.where((counts > 0) | (spread >= _LEAST_COUNT), np.maximum(spread, _LEAST_COUNT), 0)


def _symbol_bits(tables: Tables, counts: np.ndarray) -> float:
    frequencies = scaled(weights(tables.codes, tables.mantissa), PRECISION)
    return float((counts * (PRECISION - np.log2(np.maximum(frequencies, 1)))).sum())


def _table_bits(tables: Tables) -> float:
    """About the bits of the codes: the entropy of the changes by which they are written."""
    changes = np.concatenate([np.diff(tables.codes[0], prepend=0), np.diff(tables.codes, axis=0).ravel()])
    _, counts = np.unique(changes, return_counts=True)
    return float((counts * np.log2(len(changes) / counts)).sum()) + _BITS_A_FAMILY
