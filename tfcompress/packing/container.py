"""The frame of a `.tfz`, which docs/container.md describes: its header, and in what order its streams make it up."""

from dataclasses import dataclass

from tfcompress.errors import FormatError
from tfcompress.packing.side import Family, SideReader, SideWriter

MAGIC = b"TFZ"
VERSION = 1
HEADER_BYTES = 44
MOST_SIDE = 1 << 20  # bytes, of a pool's description
MOST_BODY = 1 << 24  # bytes, of what comes behind it
MOST_SHARED = 16
_MOST_RUNS = 1 << 18
_LARGEST_RATE = 1 << 8  # with it, the time that a small hostile file can take is bounded too
_SMALL = 1 << 20  # bytes that every file may unpack to
_RUN_LENGTH = 1 << 22


@dataclass(frozen=True)
class Header:
    """The size of the original in bytes, and its SHA-256."""

    size: int
    sha256: bytes

    def to_bytes(self) -> bytes:
        """The header as it stands in a file."""
        return MAGIC + bytes([VERSION]) + self.size.to_bytes(8, "little") + self.sha256

    @classmethod
    def of(cls, data: bytes, packed_bytes: int, name: str) -> "Header":
        """Reads a header.

        Args:
            data: The first bytes of a file.
            packed_bytes: How many it has.
            name: Its name, for messages.

        Raises:
            FormatError: It is no `.tfz`, of another version, cut off, or claims more than such a file can hold.
        """
        if data[:3] != MAGIC:
            raise FormatError(
                f"{name} is not a .tfz file: it begins with {data[:3]!r}, not {MAGIC!r}. `tfcompress pack` makes one."
            )
        if len(data) > 3 and data[3] != VERSION:
            raise FormatError(
                f"{name} has version {data[3]} of the .tfz format; this tfcompress reads version {VERSION}. Update it."
            )
        if len(data) < HEADER_BYTES:
            raise FormatError(f"{name} is truncated: it has {packed_bytes} bytes. Copy it again.")
        size = int.from_bytes(data[4:12], "little")
        if size > largest_original(packed_bytes):
            raise FormatError(
                f"{name} is damaged or hostile: its {packed_bytes:,} bytes claim to hold {size:,}. Copy it again."
            )
        return cls(size, data[12:HEADER_BYTES])


def largest_original(packed_bytes: int) -> int:
    """How much a file of this size may unpack to; the packer adds zeros to one that would hold more."""
    return _LARGEST_RATE * packed_bytes + _SMALL


@dataclass(frozen=True)
class Layout:
    """In what order the streams make up the original.

    Attributes:
        shared: How many streams at the beginning of the first pool are used piece by piece.
        runs: (0, 0) for the whole of the next stream that is not shared; (s, n) for the next n bytes of the shared
            stream s, counted from 1.
    """

    shared: int
    runs: tuple[tuple[int, int], ...]


def write_layout(side: SideWriter, layout: Layout) -> None:
    """Writes the layout, at the beginning of the first pool's description."""
    side.number(Family.STRUCTURE, layout.shared)
    side.number(Family.LENGTH, len(layout.runs))
    for stream, length in layout.runs:
        side.number(Family.STRUCTURE, stream)
        if stream:
            side.number(Family.RUN, length - 1)


def read_layout(side: SideReader) -> Layout:
    """Reads the layout."""
    shared = side.number(Family.STRUCTURE, MOST_SHARED)
    runs = []
    for _ in range(side.number(Family.LENGTH, _MOST_RUNS)):
        stream = side.number(Family.STRUCTURE, shared)
        runs.append((stream, 1 + side.number(Family.RUN, _RUN_LENGTH - 1) if stream else 0))
    return Layout(shared, tuple(runs))
