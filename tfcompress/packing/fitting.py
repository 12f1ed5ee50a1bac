"""Finds a cheap model for a row of symbols. Floats are used here only: what the file holds are integers."""

from dataclasses import dataclass, replace

import numpy as np

from tfcompress.packing.classes import MOST_POSITIONS, Classes, Grid
from tfcompress.packing.frequencies import counted
from tfcompress.packing.margins import density_levels, scale_levels
from tfcompress.packing.modelled import MOST_HISTORY, Flags, Row, Tables
from tfcompress.packing.tabling import cheapest_tables

_STEPS = (0.3, 0.6, 1.2)  # of the logit of a flag, or of the logarithm of a scale, from class to class
_MOST_CONTEXTS = 48
_SPLIT_SHARE = 0.25  # of the background, from which on flags pay
_MOST_PATTERN = 8
_BITS_A_CODE = 7.0  # what a coded weight of a flag costs, about
_BITS_A_CLASS = 2.0


@dataclass(frozen=True)
class Fit:
    """A model and about how many bits its symbols and its description take."""

    row: Row
    bits: float


def fit(symbols: np.ndarray, alphabet: int, shapes: list[tuple[int, int]], magnitudes: np.ndarray | None = None) -> Fit:
    """The cheapest model found for a row of symbols.

    Args:
        symbols: In the file's order.
        alphabet: How many different ones there can be.
        shapes: Sizes (K, W) of the axes k and j that are worth a try; each product divides the number of symbols.
        magnitudes: The logarithm of the size of what each symbol stands for; None where symbols are no numbers.
    """
    counts = counted(symbols, alphabet)
    background = int(counts.argmax())
    split = _SPLIT_SHARE * len(symbols) <= counts[background] < len(symbols)
    fits = []
    for middles, columns in [*shapes, *([(1, 4)] if split and _in_fours(symbols != background) else [])]:
        grid, flags, bits = Grid(len(symbols) // (middles * columns), middles, columns, False), None, 0.0
        if split:
            grid, flags, bits = _flags(symbols != background, background, grid)
        classes, tables, more = _values(symbols, alphabet, grid, flags, magnitudes)
        fits.append(Fit(Row(grid, flags, classes, tables), bits + more))
    return min(fits, key=lambda item: item.bits)


def _in_fours(flags: np.ndarray) -> bool:
    """Whether flags come in fours: in 2 of 4 or in blocks, not as coin throws would."""
    if len(flags) % 4:
        return False
    share, counts = flags.mean(), flags.reshape(-1, 4).sum(axis=1)
    return not 0.8 < counts.var() / max(4 * share * (1 - share), 1e-9) < 1.25


def _flags(flags: np.ndarray, background: int, grid: Grid) -> tuple[Grid, Flags, float]:
    """The cheapest model of the flags: which earlier flags count, along rows or columns, then which classes."""
    plain = Flags(background, 0, False, Classes(), Tables(1, np.ones((1, 2), np.int64)))
    options = [(grid, plain)]
    for transposed in (False, True) if grid.rows > 1 and grid.middles * grid.columns > 1 else (False,):
        scan = replace(grid, transposed=transposed)
        options += [(scan, replace(plain, history=history)) for history in (1, MOST_HISTORY)]
        if 1 < (grid.rows if transposed else grid.columns) <= 64:
            options.append((scan, replace(plain, history=MOST_HISTORY, restarts=True)))
    if (
        1 < grid.columns <= _MOST_PATTERN
    ):  # patterns such as 2 of 4: what is left of a period depends on the place in it
        pattern = Classes(j=np.arange(grid.columns, dtype=np.uint8))
        options.append((grid, replace(plain, history=MOST_HISTORY, restarts=True, classes=pattern)))
    scan, model, best = _cheapest(options, flags, 0.0)
    levels = density_levels(flags, grid)
    classes = [_classes(levels, step) for step in _STEPS if any(len(axis) for axis in levels)]
    options = [(scan, replace(model, classes=item)) for item in classes]
    options += [(grid, replace(plain, classes=item)) for item in classes] if model.history else []
    with_classes = _cheapest(options, flags, best)
    if with_classes[2] < best:
        scan, model, best = with_classes
    counts = _flag_counts(scan, model, flags)
    return scan, replace(model, tables=cheapest_tables(counts + (counts == 0))[0]), best


def _cheapest(options: list[tuple[Grid, Flags]], flags: np.ndarray, otherwise: float) -> tuple[Grid, Flags, float]:
    """The option of the fewest bits; `otherwise` where there is none."""
    costs = [_bits(_flag_counts(*option, flags)) + _bits_of_classes(option[1].classes) for option in options]
    best = int(np.argmin(costs)) if costs else -1
    return (*options[best], costs[best]) if costs else (Grid(1, 1, 1, False), _NO_FLAGS, otherwise + 1)


_NO_FLAGS = Flags(0, 0, False, Classes(), Tables(1, np.ones((1, 2), np.int64)))


def _flag_counts(grid: Grid, model: Flags, flags: np.ndarray) -> np.ndarray:
    """How often each flag came in each context."""
    scanned = grid.scanned(flags).astype(np.uint8)
    contexts = _flag_contexts(model, grid, scanned)
    counts = counted(2 * contexts + scanned, 2 * model.classes.contexts << model.history)
    return counts.reshape(-1, 2)


def _flag_contexts(model: Flags, grid: Grid, scanned: np.ndarray) -> np.ndarray:
    """The contexts of flags in the order of the coder, with those before them as if there were one lane."""
    contexts = model.contexts(grid)
    if model.history:
        before = np.zeros(len(scanned), np.uint8)
        for distance in range(1, model.history + 1):
            before[distance:] |= scanned[:-distance] << distance - 1
        contexts |= before & model.masks(grid)
    return contexts


def _values(
    symbols: np.ndarray, alphabet: int, grid: Grid, flags: Flags | None, magnitudes: np.ndarray | None
) -> tuple[Classes, Tables, float]:
    """The cheapest classes and tables of the values that no flag has coded."""
    kept = np.ones(len(symbols), bool) if flags is None else symbols != flags.background
    options = [Classes()]
    if magnitudes is not None and len(symbols) > 512:
        levels = scale_levels(np.where(kept, magnitudes[symbols], 0.0), kept, grid)
        options += [_classes(levels, step) for step in _STEPS if any(len(axis) for axis in levels)]
    scanned = grid.scanned(symbols)
    chosen = np.flatnonzero(grid.scanned(kept))
    values = scanned[chosen].astype(np.uint32)
    best: tuple[Classes, np.ndarray, float] | None = None
    for classes in options:
        contexts = classes.sums(grid)[chosen].astype(np.uint32)
        counts = counted(contexts * alphabet + values, classes.contexts * alphabet)
        counts = counts.reshape(-1, alphabet)
        bits = cheapest_tables(counts, thorough=False)[1] + _bits_of_classes(classes)
        if best is None or bits < best[2]:
            best = classes, counts, bits
    assert best is not None
    tables, bits = cheapest_tables(best[1])
    return best[0], tables, bits + _bits_of_classes(best[0])


def _bits(counts: np.ndarray) -> float:
    """The bits of flags under their own static model, and about those of its tables."""
    totals = counts.sum(axis=1)
    used = counts[counts > 0]
    entropy = float((totals[totals > 0] * np.log2(totals[totals > 0])).sum() - (used * np.log2(used)).sum())
    return entropy + counts.size * _BITS_A_CODE


def _bits_of_classes(classes: Classes) -> float:
    return _BITS_A_CLASS * sum(len(axis) for axis in (classes.i, classes.k, classes.j))


def _classes(levels: tuple[np.ndarray, ...], step: float) -> Classes:
    """Real-valued levels of the positions of each axis as classes, a step apart."""
    while True:
        axes = [np.rint((axis - axis.min()) / step).astype(np.int64) if len(axis) else axis for axis in levels]
        axes = [axis if len(axis) and axis.max() and len(axis) <= MOST_POSITIONS else axis[:0] for axis in axes]
        classes = Classes(*(axis.astype(np.uint8) for axis in axes))
        if classes.contexts <= _MOST_CONTEXTS:
            return classes
        step *= 1.5
