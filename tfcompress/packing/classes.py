"""Where symbols stand in a tensor, and the classes of its rows, middles and columns that give a symbol its context.

Symbol p of a tensor with axes (i, k, j) stands at `i = p // (K * W)`, `k = p // W mod K`, `j = p mod W`. Its context is
`class of i + class of k + class of j`: an additive model of how likely a zero is, or how large a value, written in
small integers.
"""

from dataclasses import dataclass, field

import numpy as np

MOST_POSITIONS = 1 << 16  # of the three axes together


@dataclass(frozen=True)
class Grid:
    """The axes of a tensor's symbols.

    Attributes:
        rows: Size of axis i.
        middles: Size K of axis k.
        columns: Size W of axis j.
        transposed: Whether the coder goes along axis i first: for each (k, j), all i.
    """

    rows: int
    middles: int
    columns: int
    transposed: bool

    @property
    def count(self) -> int:
        """How many symbols there are."""
        return self.rows * self.middles * self.columns

    def scanned(self, values: np.ndarray) -> np.ndarray:
        """Values in the file's order, in the order of the coder."""
        return values.reshape(self.rows, -1).T.ravel() if self.transposed else values

    def in_file_order(self, values: np.ndarray) -> np.ndarray:
        """The opposite of `scanned`."""
        return values.reshape(-1, self.rows).T.ravel() if self.transposed else values


@dataclass(frozen=True)
class Classes:
    """Classes of the positions along each axis; an empty array stands for zeros."""

    i: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    k: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    j: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))

    @property
    def contexts(self) -> int:
        """How many sums there can be."""
        return 1 + sum(int(axis.max()) for axis in (self.i, self.k, self.j) if len(axis))

    def sums(self, grid: Grid) -> np.ndarray:
        """The context of each symbol, in the order of the coder.

        Example:
            >>> Classes(i=np.array([0, 2], np.uint8), j=np.array([0, 1, 0], np.uint8)).sums(Grid(2, 1, 3, False))
            array([0, 1, 0, 2, 3, 2], dtype=uint8)
        """
        total = np.zeros((grid.rows, grid.middles, grid.columns), np.uint8)
        for axis, shape in ((self.i, (-1, 1, 1)), (self.k, (1, -1, 1)), (self.j, (1, 1, -1))):
            if len(axis):
                total += axis.reshape(shape)
        return grid.scanned(total.ravel())
