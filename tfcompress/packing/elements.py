"""How the bytes of a weight buffer become symbols, and back."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from tfcompress.packing.frequencies import counted
from tfcompress.packing.side import Family, SideReader, SideWriter

MOST_ENTRIES = 4096  # of a codebook
_UNSIGNED: dict[int, np.dtype] = {1: np.dtype("<u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4")}


class Transform(IntEnum):
    """What a symbol is."""

    BYTES = 0  # a byte
    NIBBLES = 1  # four bits of a byte, the low ones first
    CODEBOOK = 2  # the index of an element's value in a list
    PLANES = 3  # a byte, after the bytes of the elements have been sorted by their place in the element


@dataclass(frozen=True)
class Elements:
    """How bytes are read as symbols.

    Attributes:
        transform: What a symbol is.
        width: Bytes an element: 1, 2 or 4 for codebooks; 2, 4 or 8 for planes; else 1.
        codebook: The values as unsigned integers: the first is the background, the others ascend; empty without one.
    """

    transform: Transform
    width: int = 1
    codebook: tuple[int, ...] = ()

    @property
    def alphabet(self) -> int:
        """How many different symbols there can be."""
        return {Transform.NIBBLES: 16, Transform.CODEBOOK: len(self.codebook)}.get(self.transform, 256)

    @property
    def parts(self) -> int:
        """How many rows of symbols the bytes become."""
        return self.width if self.transform is Transform.PLANES else 1

    def symbols_in(self, size: int) -> int:
        """How many symbols a row has when there are `size` bytes."""
        return 2 * size if self.transform is Transform.NIBBLES else size // self.width

    def split(self, data: np.ndarray) -> list[np.ndarray]:
        """The rows of symbols of these bytes.

        Example:
            >>> Elements(Transform.PLANES, 2).split(np.array([1, 2, 3, 4], np.uint8))
            [array([1, 3], dtype=uint8), array([2, 4], dtype=uint8)]
        """
        if self.transform is Transform.NIBBLES:
            return [np.stack([data & 15, data >> 4], axis=1).ravel()]
        if self.transform is Transform.PLANES:
            return [np.ascontiguousarray(plane) for plane in data.reshape(-1, self.width).T]
        if self.transform is Transform.CODEBOOK:
            values = np.frombuffer(data, _UNSIGNED[self.width])
            entries = np.array(self.codebook, np.uint32)
            kind = np.uint8 if len(entries) <= 256 else np.uint16
            if self.width < 4:
                numbers = np.zeros(1 << 8 * self.width, kind)
                numbers[entries] = np.arange(len(entries))
                return [numbers[values]]
            order = np.argsort(entries)
            return [order.astype(kind)[np.searchsorted(entries[order], values)]]
        return [data]

    def joined(self, rows: list[np.ndarray]) -> bytes:
        """The bytes of these rows of symbols."""
        if self.transform is Transform.NIBBLES:
            pairs = rows[0].astype(np.uint8).reshape(-1, 2)
            return (pairs[:, 0] | pairs[:, 1] << 4).tobytes()
        if self.transform is Transform.PLANES:
            return np.stack([row.astype(np.uint8) for row in rows], axis=1).tobytes()
        if self.transform is Transform.CODEBOOK:
            return np.array(self.codebook, _UNSIGNED[self.width])[rows[0]].tobytes()
        return rows[0].astype(np.uint8).tobytes()


def with_codebook(data: np.ndarray, width: int, most: int = MOST_ENTRIES) -> Elements | None:
    """The codebook of the different elements in these bytes, the most frequent first; None if there are too many.

    Args:
        data: Bytes.
        width: Bytes an element: 1, 2 or 4.
        most: Entries allowed.
    """
    values = np.frombuffer(data, _UNSIGNED[width])
    if len(np.unique(values[: 4 * most])) > most:  # a quick no for weights that share nothing
        return None
    if width == 4:
        found, counts = np.unique(values, return_counts=True)
    else:
        all_counts = counted(values, 1 << 8 * width)
        found = np.flatnonzero(all_counts)
        counts = all_counts[found]
    if len(found) > most or not len(found):
        return None
    first = int(found[counts.argmax()])
    return Elements(Transform.CODEBOOK, width, (first, *(int(value) for value in found if value != first)))


def write_elements(side: SideWriter, elements: Elements) -> None:
    """Writes how bytes become symbols."""
    side.number(Family.STRUCTURE, elements.transform)
    if elements.transform in (Transform.CODEBOOK, Transform.PLANES):
        side.number(Family.STRUCTURE, elements.width.bit_length() - 1)
    if elements.transform is Transform.CODEBOOK:
        side.number(Family.LENGTH, len(elements.codebook) - 1)
        side.number(Family.CODEBOOK, elements.codebook[0])
        before = -1
        for value in elements.codebook[1:]:
            side.number(Family.CODEBOOK, value - before - 1)
            before = value


def read_elements(side: SideReader, size: int) -> Elements:
    """Reads how `size` bytes become symbols."""
    transform = Transform(side.number(Family.STRUCTURE, max(Transform)))
    width, codebook = 1, []
    if transform in (Transform.CODEBOOK, Transform.PLANES):
        width = 1 << side.number(Family.STRUCTURE, 3)
        if size % width or width == (8 if transform is Transform.CODEBOOK else 1):
            raise side.damaged(f"{size} bytes cannot be elements of {width}")
    if transform is Transform.CODEBOOK:
        entries, largest = 1 + side.number(Family.LENGTH, MOST_ENTRIES - 1), (1 << 8 * width) - 1
        codebook, before = [side.number(Family.CODEBOOK, largest)], -1
        for _ in range(entries - 1):
            before += 1 + side.number(Family.CODEBOOK, largest)
            codebook.append(before)
        if before > largest:
            raise side.damaged("a value of a codebook is too large")
    return Elements(transform, width, tuple(codebook))
