"""A FlatBuffers cursor that checks every offset and length: the Python package of that name checks none.

There a negative offset wraps to the file's end and a vector may claim four billion elements. Here each step stays
within the file, and the work is limited too: tables that are used again and again cannot multiply a small file.

Reference:
    FlatBuffers internals, https://flatbuffers.dev/internals.
"""

import struct
from dataclasses import dataclass, field

import numpy as np

from tfcompress.errors import FormatError

_VISITS_PER_BYTE = 8  # a file without shared parts needs less than one


@dataclass
class Buffer:
    """The bytes of a file and how much of them may still be visited.

    Attributes:
        data: The whole file.
        name: The file's name, for messages.
    """

    data: memoryview
    name: str
    _left: int = field(init=False)

    def __post_init__(self) -> None:
        self._left = _VISITS_PER_BYTE * len(self.data) + 4096

    def root(self) -> "Table":
        """The table at which a file begins."""
        return Table(self, self.integer("I", 0))

    def integer(self, code: str, position: int) -> int:
        """One little-endian integer of the `struct` code given."""
        size = struct.calcsize("<" + code)
        self.check(position, size)
        (value,) = struct.unpack_from("<" + code, self.data, position)
        return int(value)

    def check(self, position: int, size: int, *, visited: int = 1) -> None:
        """Refuses bytes beyond the file, and more visits than an honest file needs.

        Raises:
            FormatError: It is so; the file is truncated or damaged.
        """
        if position < 0 or position + size > len(self.data):
            raise FormatError(
                f"{self.name} is truncated or damaged: it refers to bytes {position} to {position + size} of "
                f"{len(self.data)}. Copy or convert it again."
            )
        self._left -= visited
        if self._left < 0:
            raise FormatError(f"{self.name} is damaged: its parts refer to each other too often. Convert it again.")


@dataclass(frozen=True)
class Table:
    """A table: a row of optional fields, each found by its slot number in the schema."""

    buffer: Buffer
    position: int

    def scalar(self, slot: int, code: str, default: int = 0) -> int:
        """An integer field of the `struct` code given."""
        position = self._field(slot)
        return default if position is None else self.buffer.integer(code, position)

    def table(self, slot: int) -> "Table | None":
        """A field that is a table."""
        position = self.target(slot)
        return None if position is None else Table(self.buffer, position)

    def tables(self, slot: int) -> list["Table"]:
        """A field that is a vector of tables; empty when it is missing."""
        start, count = self._vector(slot, 4)
        places = range(start, start + 4 * count, 4)
        return [Table(self.buffer, place + self.buffer.integer("I", place)) for place in places]

    def numbers(self, slot: int, dtype: str) -> np.ndarray:
        """A field that is a vector of numbers, as an array that may not be written to; empty when it is missing."""
        size = np.dtype(dtype).itemsize
        start, count = self._vector(slot, size)
        self.buffer.check(start, count * size, visited=count)
        return np.frombuffer(self.buffer.data, np.dtype(dtype).newbyteorder("<"), count, start)

    def raw(self, slot: int) -> memoryview:
        """A field that is a vector of bytes, without a copy; empty when it is missing."""
        start, count = self._vector(slot, 1)
        return self.buffer.data[start : start + count]

    def text(self, slot: int) -> str:
        """A field that is a string; bytes that are not UTF-8 are replaced, because names are only shown."""
        start, count = self._vector(slot, 1)
        self.buffer.check(start, count, visited=count)
        return bytes(self.buffer.data[start : start + count]).decode("utf-8", errors="replace")

    def place_of(self, slot: int, size: int = 4) -> tuple[int, int]:
        """Where a vector's elements of `size` bytes begin, and how many there are."""
        return self._vector(slot, size)

    def _field(self, slot: int) -> int | None:
        """Where a field lies, or None when this table leaves it out."""
        table = self.position - self.buffer.integer("i", self.position)
        length = self.buffer.integer("H", table)
        entry = 4 + 2 * slot
        if entry + 2 > length:
            return None
        offset = self.buffer.integer("H", table + entry)
        return self.position + offset if offset else None

    def target(self, slot: int) -> int | None:
        """Where what a field refers to lies: a table, or the length before a vector; None when it is missing."""
        position = self._field(slot)
        return None if position is None else position + self.buffer.integer("I", position)

    def _vector(self, slot: int, size: int) -> tuple[int, int]:
        """Where the elements of a vector begin and how many there are, all of them within the file."""
        position = self.target(slot)
        if position is None:
            return 0, 0
        count = self.buffer.integer("I", position)
        self.buffer.check(position + 4, count * size)
        return position + 4, count
