"""What a packed file is made of: for each tensor its coding, its bytes, and the order-0 bound beside them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from tfcompress.packing.container import HEADER_BYTES, Layout
from tfcompress.packing.deep_compression import PaperCode
from tfcompress.packing.elements import Transform, with_codebook
from tfcompress.packing.frequencies import counted
from tfcompress.packing.modelled import Model
from tfcompress.packing.pool import lane_bits
from tfcompress.packing.regions import REST, Region
from tfcompress.packing.side import SideWriter
from tfcompress.packing.streams import Coding, Stream, write_stream
from tfcompress.table import aligned, cell

_LONGEST_NAME = 44
_LEAST_USE = 8  # elements for each entry of a codebook of large ones


@dataclass(frozen=True)
class Part:
    """One tensor, or the small ones of a type together, or all that is no tensor.

    Attributes:
        name: The tensor's.
        coding: What was chosen; where a tensor was cut, for its first piece.
        size_bytes: In the original.
        packed_bytes: In the packed file. Streams that share lanes share their bytes by what their models say, so that
            all parts and the header add up to the file.
        order0_bytes: The order-0 Shannon bound: elements * entropy of their values / 8. It counts no table of values
            and no header. A coding that knows where in the tensor a value stands may go below it.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    coding: str
    size_bytes: int
    packed_bytes: float
    order0_bytes: float


@dataclass(frozen=True)
class Packing:
    """What a `.tfz` is made of; prints itself as a table.

    Attributes:
        name: Of the original.
        sha256: Of the original.
        size_bytes: Of the original.
        zlib_bytes: Of the original after zlib at level 9; None where that was not measured.
        packed_bytes: Of the `.tfz`.
        parts: What it holds, the largest first.
    """

    name: str
    sha256: str
    size_bytes: int
    zlib_bytes: int | None
    packed_bytes: int
    parts: tuple[Part, ...]

    def to_json(self) -> str:
        """The facts as JSON text, with the keys of a card."""
        facts = asdict(self)
        model = {"name": facts.pop("name"), "sha256": facts.pop("sha256")}
        for part in facts["parts"]:
            part["packed_bytes"], part["order0_bytes"] = round(part["packed_bytes"], 1), round(part["order0_bytes"], 1)
        return json.dumps({"model": model} | facts, indent=2, allow_nan=False)

    def __str__(self) -> str:
        rows = [("tensor", "type", "coding", "bytes", "packed", "order-0")]
        for part in self.parts:
            sizes = (cell(part.size_bytes), cell(part.packed_bytes, ",.0f"), cell(part.order0_bytes, ",.0f"))
            rows.append((_shortened(part.name), part.type, part.coding, *sizes))
        total = f"{self.name}: {self.size_bytes:,} bytes, packed {self.packed_bytes:,}"
        if self.zlib_bytes is not None:
            share = self.packed_bytes / self.zlib_bytes
            total += f", zipped (zlib 9) {self.zlib_bytes:,}: {share:.3f} of the zip"
        return f"{total}\n\n{aligned(rows, left=3)}" if self.parts else total


@dataclass(frozen=True)
class Entry:
    """One stream as it was packed: what was chosen, its bytes in the original, its share of its pool, and the pool.

    Attributes:
        cost: Bytes, before the pool's own overhead is shared out.
        pool: Number of the pool.
        pool_bytes: Its description and its body.
    """

    coding: str
    size: int
    cost: float
    pool: int
    pool_bytes: int


def entry(stream: Stream, data: np.ndarray, pool: int, pool_bytes: int) -> Entry:
    """The entry of a stream with these bytes."""
    side = SideWriter()
    write_stream(side, stream)
    lanes = lane_bits(stream.model, data) / 8 if stream.model else 0.0
    return Entry(_in_words(stream), stream.size, len(side.finish()) + stream.payload + lanes, pool, pool_bytes)


def parts(entries: Sequence[Entry], layout: Layout, found: Sequence[Region], data: np.ndarray) -> tuple[Part, ...]:
    """The parts of a file, the largest first.

    Args:
        entries: Of all streams, in the order of the file.
        layout: How they make up the original.
        found: The regions of the original.
        data: The original.
    """
    costs, places = _with_overhead(entries), _places(entries, layout)
    groups: dict[Region, list[int]] = {}
    for number, place in enumerate(places):
        if place:
            groups.setdefault(_owner(number, layout, place[0][0], found), []).append(number)
    made = []
    for region, numbers in groups.items():
        content = np.concatenate([data[start : start + size] for n in numbers for start, size in places[n]])
        packed, bound = sum(costs[n] for n in numbers), order0_bytes(content, region.bits)
        coding = entries[numbers[0]].coding
        made.append(Part(region.name, region.type, region.shape, coding, len(content), packed, bound))
    return tuple(sorted(made, key=lambda part: -part.packed_bytes))


def _owner(number: int, layout: Layout, start: int, found: Sequence[Region]) -> Region:
    """What a stream that begins at `start` is a part of: a tensor, the small ones of its type, or the rest."""
    region = next((item for item in found if item.start <= start < item.end), None)
    if region is None or (number == 0 and layout.shared):
        return Region(0, 0, REST, "bytes", 8, ())
    if number < layout.shared:
        return Region(0, 0, f"(small ones of type {region.type})", region.type, region.bits, ())
    return region


def _with_overhead(entries: Sequence[Entry]) -> list[float]:
    """The bytes of each stream, so that those of a pool add up to its own; the file's header goes to the first."""
    totals: dict[int, float] = {}
    for item in entries:
        totals[item.pool] = totals.get(item.pool, 0.0) + item.cost
    costs = [item.cost * (item.pool_bytes + 8) / totals[item.pool] if totals[item.pool] else 0.0 for item in entries]
    first = next((number for number, cost in enumerate(costs) if cost), None)
    return [cost + HEADER_BYTES * (number == first) for number, cost in enumerate(costs)]


def _places(entries: Sequence[Entry], layout: Layout) -> list[list[tuple[int, int]]]:
    """Where the bytes of each stream stand in the original: starts and sizes."""
    places: list[list[tuple[int, int]]] = [[] for _ in entries]
    position, following = 0, layout.shared
    for stream, length in layout.runs:
        if not stream:
            length = entries[following].size
        places[stream - 1 if stream else following].append((position, length))
        following += not stream
        position += length
    return places


def order0_bytes(data: np.ndarray, bits: int) -> float:
    """The order-0 Shannon bound of elements in bytes: what no code for single elements can go below.

    Long elements count as wholes only where they share values; others are taken byte by byte, each place for itself.

    Args:
        data: Bytes.
        bits: Of an element: 4, 8, 16, 32 or 64.

    Example:
        >>> order0_bytes(np.array([0, 0, 0, 0, 1, 1, 2, 3], np.uint8), 8)
        1.75
    """
    if bits == 4:
        return _entropy_bytes(counted(np.concatenate([data & 15, data >> 4]), 16))
    if bits in (16, 32):
        books = with_codebook(data, bits // 8)
        if books is not None and len(books.codebook) * _LEAST_USE * books.width < len(data):
            return _entropy_bytes(counted(books.split(data)[0], books.alphabet))
    return sum(_entropy_bytes(counted(plane, 256)) for plane in data.reshape(-1, max(bits // 8, 1)).T)


def _entropy_bytes(counts: np.ndarray) -> float:
    used = counts[counts > 0].astype(float)
    return float((used * np.log2(used.sum() / used)).sum() / 8)


def _in_words(stream: Stream) -> str:
    if isinstance(stream.code, PaperCode):
        return f"Deep Compression, {len(stream.code.elements.codebook)} values, {stream.code.index_bits}-bit index"
    if isinstance(stream.code, Model):
        return f"model: {_model_in_words(stream.code)}"
    return {Coding.RAW: "raw", Coding.DEFLATE: "deflate", Coding.HUFFMAN: "Huffman", Coding.LZMA: "LZMA"}[stream.coding]


def _model_in_words(model: Model) -> str:
    """What a model knows: of flags, of values, and how bytes became symbols."""
    row, elements = model.rows[-1], model.elements
    axes = ("rows", "middles", "columns")
    words = {Transform.CODEBOOK: f"{len(elements.codebook)} values", Transform.PLANES: f"{elements.width} planes"}
    known = [words.get(elements.transform, elements.transform.name.lower())]
    if row.flags:
        classes = (row.flags.classes.i, row.flags.classes.k, row.flags.classes.j)
        by = [name for name, axis in zip(axes, classes, strict=True) if len(axis)]
        by += ["neighbours"] if row.flags.history else []
        known.append(f"zeros by {', '.join(by)}" if by else "zeros apart")
    by = [name for name, axis in zip(axes, (row.classes.i, row.classes.k, row.classes.j), strict=True) if len(axis)]
    return ", ".join([*known, f"scales by {', '.join(by)}"] if by else known)


def _shortened(text: str) -> str:
    half = (_LONGEST_NAME - 3) // 2
    return text if len(text) <= _LONGEST_NAME else f"{text[:half]}...{text[-half:]}"
