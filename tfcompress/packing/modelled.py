"""The coding beyond the paper: rows of symbols under models that know where in the tensor a symbol stands.

A row may be split: first a flag for each symbol, whether it is the background, then the values of the others. Flags
depend on the classes of their position and on the flags before them, values on classes of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tfcompress.packing.classes import MOST_POSITIONS, Classes, Grid
from tfcompress.packing.elements import Elements, Transform, read_elements, write_elements
from tfcompress.packing.frequencies import LARGEST_EXPONENT, weights
from tfcompress.packing.side import Family, SideReader, SideWriter

MOST_HISTORY = 3
_MOST_CLASS = 63
_MOST_MANTISSA = 6


@dataclass(frozen=True)
class Tables:
    """Coded weights of symbols, a row for each context.

    Attributes:
        mantissa: Bits, see `frequencies.weights`.
        codes: (contexts, symbols).
    """

    mantissa: int
    codes: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """What the codes mean."""
        return weights(self.codes, self.mantissa)


@dataclass(frozen=True)
class Flags:
    """How the flags of a split row are coded; the flag is 1 where the symbol is not the background.

    Attributes:
        background: The symbol that has flag 0.
        history: How many flags before it a flag depends on, 0 to 3.
        restarts: Whether those of the row before do not count.
        classes: Of the positions.
        tables: `contexts << history` rows of two symbols; the low bits of a row's number are the flags before.
    """

    background: int
    history: int
    restarts: bool
    classes: Classes
    tables: Tables

    def contexts(self, grid: Grid) -> np.ndarray:
        """Of each symbol in the order of the coder, without the flags before it."""
        return self.classes.sums(grid).astype(np.uint16) << self.history

    def masks(self, grid: Grid) -> np.ndarray:
        """Which flags before each symbol count, in the order of the coder: bit b for the flag b + 1 before."""
        period = grid.rows if grid.transposed else grid.columns
        places = np.arange(period if self.restarts else min(grid.count, MOST_HISTORY + 1))
        masks = ((1 << np.minimum(places, self.history)) - 1).astype(np.uint8)
        if self.restarts:
            return np.tile(masks, grid.count // period)
        return np.concatenate([masks, np.full(grid.count - len(masks), (1 << self.history) - 1, np.uint8)])


@dataclass(frozen=True)
class Row:
    """The model of one row of symbols; without tables its symbols are bytes and stored as they are."""

    grid: Grid
    flags: Flags | None = None
    classes: Classes = field(default_factory=Classes)
    tables: Tables | None = None


@dataclass(frozen=True)
class Model:
    """The model of one stream: how its bytes become symbols, and a row model for each part."""

    elements: Elements
    rows: tuple[Row, ...]


def write_model(side: SideWriter, model: Model) -> None:
    """Writes a model, whose stream's size is known to the reader."""
    write_elements(side, model.elements)
    for row in model.rows:
        if model.elements.transform is Transform.PLANES:
            side.number(Family.STRUCTURE, row.tables is not None)
            if row.tables is None:
                continue
        _write_row(side, row)


def _write_row(side: SideWriter, row: Row) -> None:
    side.number(Family.LENGTH, row.grid.middles - 1)
    side.number(Family.LENGTH, row.grid.columns - 1)
    side.number(Family.STRUCTURE, row.grid.transposed)
    side.number(Family.STRUCTURE, row.flags is not None)
    if row.flags is not None:
        side.number(Family.LENGTH, row.flags.background)
        side.number(Family.STRUCTURE, row.flags.history)
        side.number(Family.STRUCTURE, row.flags.restarts)
        _write_classes(side, row.flags.classes)
        _write_tables(side, row.flags.tables)
    assert row.tables is not None
    _write_classes(side, row.classes)
    _write_tables(side, row.tables)


def _write_classes(side: SideWriter, classes: Classes) -> None:
    for axis in (classes.i, classes.k, classes.j):
        _write_axis(side, axis)


def _write_axis(side: SideWriter, axis: np.ndarray) -> None:
    """Writes whether the positions of an axis have classes, and how each class differs from the one before."""
    side.number(Family.STRUCTURE, len(axis) > 0)
    for change in np.diff(axis.astype(int), prepend=0).tolist():
        side.signed(Family.CLASS, change)


def _write_tables(side: SideWriter, tables: Tables) -> None:
    side.number(Family.STRUCTURE, tables.mantissa - 1)
    side.number(Family.LENGTH, len(tables.codes) - 1)
    for number, codes in enumerate(tables.codes.astype(int)):
        if number:
            changes, family = codes - tables.codes[number - 1], Family.WEIGHT_CHANGE
        else:
            changes, family = np.diff(codes, prepend=0), Family.WEIGHT
        for change in changes.tolist():
            side.signed(family, change)


def read_model(side: SideReader, size: int) -> Model:
    """Reads the model of a stream of `size` bytes."""
    elements = read_elements(side, size)
    count = elements.symbols_in(size)
    rows = []
    for _ in range(elements.parts):
        if elements.transform is Transform.PLANES and not side.number(Family.STRUCTURE, 1):
            rows.append(Row(Grid(1, 1, count, False)))
        else:
            rows.append(_read_row(side, count, elements.alphabet))
    return Model(elements, tuple(rows))


def _read_row(side: SideReader, count: int, alphabet: int) -> Row:
    middles = 1 + side.number(Family.LENGTH, count)
    columns = 1 + side.number(Family.LENGTH, count)
    if count % (middles * columns) or not count:
        raise side.damaged(f"{count} symbols do not fill rows of {middles} x {columns}")
    grid = Grid(count // (middles * columns), middles, columns, bool(side.number(Family.STRUCTURE, 1)))
    flags = None
    if side.number(Family.STRUCTURE, 1):
        background = side.number(Family.LENGTH, alphabet - 1)
        history, restarts = side.number(Family.STRUCTURE, MOST_HISTORY), bool(side.number(Family.STRUCTURE, 1))
        classes = _read_classes(side, grid)
        flags = Flags(background, history, restarts, classes, _read_tables(side, classes.contexts << history, 2))
        if (flags.tables.codes == 0).any():
            raise side.damaged("a flag has no weight")
    classes = _read_classes(side, grid)
    return Row(grid, flags, classes, _read_tables(side, classes.contexts, alphabet))


def _read_classes(side: SideReader, grid: Grid) -> Classes:
    return Classes(*(_read_axis(side, size) for size in (grid.rows, grid.middles, grid.columns)))


def _read_axis(side: SideReader, size: int) -> np.ndarray:
    """Reads the classes of the positions of an axis."""
    if not side.number(Family.STRUCTURE, 1):
        return np.zeros(0, np.uint8)
    if size > MOST_POSITIONS:
        raise side.damaged(f"{size} positions cannot have classes")
    found, value = np.zeros(size, np.uint8), 0
    for place in range(size):
        value += side.signed(Family.CLASS)
        if not 0 <= value <= _MOST_CLASS:
            raise side.damaged(f"class {value} stands where at most {_MOST_CLASS} is possible")
        found[place] = value
    return found


def _read_tables(side: SideReader, needed: int, alphabet: int) -> Tables:
    mantissa = 1 + side.number(Family.STRUCTURE, _MOST_MANTISSA - 1)
    rows = 1 + side.number(Family.LENGTH, (3 * _MOST_CLASS + 1 << MOST_HISTORY) - 1)
    if rows < needed:
        raise side.damaged(f"{rows} tables cannot serve {needed} contexts")
    side.check_left(rows * alphabet)
    codes, largest = np.zeros((rows, alphabet), np.int64), ((LARGEST_EXPONENT + 1) << mantissa)
    for number in range(rows):
        before: Sequence[int] = codes[number - 1].tolist() if number else [0] * alphabet
        value = 0
        for symbol in range(alphabet):
            value = before[symbol] + side.signed(Family.WEIGHT_CHANGE) if number else value + side.signed(Family.WEIGHT)
            if not 0 <= value <= largest:
                raise side.damaged("a weight of a table is impossible")
            codes[number, symbol] = value
    if (codes.max(axis=1) == 0).any():
        raise side.damaged("a table is empty")
    return Tables(mantissa, codes)
