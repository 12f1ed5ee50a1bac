"""Cuts a file into streams: large weights one by one, small ones of a type together, and all the rest."""

from dataclasses import dataclass, field, replace

import numpy as np

from tfcompress.packing.container import MOST_SHARED, Layout
from tfcompress.packing.regions import REST, Region, regions

_SMALL = 1024  # bytes; a shorter region joins those of its type
_LONGEST_VECTOR = 1 << 14  # bytes
_SHORTEST_SHARED = 256  # bytes, of all small regions of a type together
_LONGEST_REST = 1 << 18  # bytes between two regions that still go to the rest
_MOST_SHARED_BYTES = 1 << 20
_MOST_REGIONS = 1 << 16  # what lies behind them is packed as any bytes are
_SHORTEST_SEGMENT, _LONGEST_SEGMENT = 1 << 19, 1 << 22  # bytes; a longer region is cut
_SEGMENTS_A_FILE = 24  # which bounds memory by the size of the file


@dataclass(frozen=True)
class Plan:
    """The streams of a file, and how they make it up.

    Attributes:
        layout: Their order.
        shared: The streams used piece by piece, with what they hold.
        passing: The others, in the order of the file.
    """

    layout: Layout
    shared: tuple[tuple[np.ndarray, Region], ...]
    passing: tuple[tuple[np.ndarray, Region], ...]


@dataclass
class _Builder:
    data: np.ndarray
    kinds: tuple[str, ...]
    runs: list[tuple[int, int]] = field(default_factory=list)
    parts: dict[int, list[np.ndarray]] = field(default_factory=dict)
    left: int = _MOST_SHARED_BYTES
    passing: list[tuple[np.ndarray, Region]] = field(default_factory=list)

    def share(self, number: int, start: int, end: int) -> None:
        """Appends bytes to a shared stream."""
        if end == start:
            return
        self.left -= end - start
        self.parts.setdefault(number, []).append(self.data[start:end])
        if self.runs and self.runs[-1][0] == number:
            self.runs[-1] = (number, self.runs[-1][1] + end - start)
        else:
            self.runs.append((number, end - start))

    def rest(self, start: int, end: int) -> None:
        """Bytes that are no weights."""
        if end - start <= min(_LONGEST_REST, self.left):
            self.share(1, start, end)
        else:
            self.whole(Region(start, end - start, REST, "bytes", 8, ()))

    def small(self, region: Region) -> bool:
        """Whether a region has joined those of its type."""
        if not _is_small(region) or region.type not in self.kinds or region.size > self.left:
            return False
        self.share(2 + self.kinds.index(region.type), region.start, region.end)
        return True

    def whole(self, region: Region) -> None:
        """Bytes that are streams of their own, cut between rows of the tensor where they are long."""
        shortest = _SHORTEST_SEGMENT // (2 if region.bits <= 8 else 1)  # memory goes by elements
        longest = min(max(len(self.data) // _SEGMENTS_A_FILE, shortest), _LONGEST_SEGMENT)
        for part in segments(region, longest):
            self.passing.append((self.data[part.start : part.end], part))
            self.runs.append((0, 0))


def plan(data: bytes, name: str) -> Plan:
    """Cuts a file into streams.

    Args:
        data: Its bytes.
        name: Its name.
    """
    found, sizes = regions(data, name)[:_MOST_REGIONS], dict[str, int]()
    for region in found:
        if _is_small(region):
            sizes[region.type] = sizes.get(region.type, 0) + region.size
    kinds = tuple(sorted(kind for kind, size in sizes.items() if size >= _SHORTEST_SHARED))[: MOST_SHARED - 1]
    builder, place = _Builder(np.frombuffer(data, np.uint8), kinds), 0
    for region in found:
        if region.size < _SMALL and _is_small(region) and region.type not in kinds:
            continue  # too little for a stream, so it stays with the rest
        builder.rest(place, region.start)
        if not builder.small(region):
            builder.whole(region)
        place = region.end
    builder.rest(place, len(data))
    whole = Region(0, 0, REST, "bytes", 8, ())
    types = [whole, *(next(replace(item, shape=()) for item in found if item.type == kind) for kind in kinds)]
    shared = [np.concatenate([np.zeros(0, np.uint8), *builder.parts.get(1 + n, [])]) for n in range(1 + len(kinds))]
    return Plan(
        Layout(len(shared), tuple(builder.runs)), tuple(zip(shared, types, strict=True)), tuple(builder.passing)
    )


def _is_small(region: Region) -> bool:
    """Whether a region joins those of its type: a short one, or a vector, as biases and scales are."""
    return region.size < _SMALL or (len(region.shape) < 2 and region.size < _LONGEST_VECTOR)


def segments(region: Region, longest: int) -> list[Region]:
    """A region in parts of at most so many bytes, of whole rows of the first axis where a row is that short.

    Example:
        >>> parts = segments(Region(0, 3 << 20, "w", "int8", 8, (3072, 1024)), 1 << 20)
        >>> [(part.start, part.shape) for part in parts]
        [(0, (1024, 1024)), (1048576, (1024, 1024)), (2097152, (1024, 1024))]
    """
    if region.size <= longest:
        return [region]
    row = region.size // region.shape[0] if region.shape and region.shape[0] else 0
    by_rows = 0 < row <= longest and row * region.shape[0] == region.size
    step = longest // row * row if by_rows else longest
    parts = []
    for first in range(0, region.size, step):
        size = min(step, region.size - first)
        shape = (size // row, *region.shape[1:]) if by_rows else ()
        parts.append(replace(region, start=region.start + first, size=size, shape=shape))
    return parts
