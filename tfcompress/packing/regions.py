"""Where the weights lie in the bytes of a `.tflite`: what is coded with care, and what it is.

This is only a hint to the packer. Whatever it misses is deflated with the rest, and nothing of it is needed to unpack.
"""

from dataclasses import dataclass

from tfcompress.errors import FormatError
from tfcompress.tflite.flatbuffer import Buffer, Table

# The codes of TensorType in the schema that hold plain numbers: name and bits of an element.
_TYPES = {
    0: ("float32", 32),
    1: ("float16", 16),
    2: ("int32", 32),
    3: ("uint8", 8),
    4: ("int64", 64),
    6: ("bool", 8),
    7: ("int16", 16),
    9: ("int8", 8),
    10: ("float64", 64),
    12: ("uint64", 64),
    15: ("uint32", 32),
    16: ("uint16", 16),
    17: ("int4", 4),
    18: ("bfloat16", 16),
}
_UNKNOWN = ("bytes", 8)
REST = "(all else)"  # the name of what is no tensor's
SMALLEST = 64  # bytes; a shorter region stays with the rest


@dataclass(frozen=True)
class Region:
    """Bytes of a file that hold the numbers of one tensor.

    Attributes:
        start: Where they begin.
        size: How many bytes they are.
        name: The tensor's name.
        type: What they hold.
        bits: Of an element: 4, 8, 16, 32 or 64.
        shape: Of the tensor; empty where it does not tell how the elements lie.
    """

    start: int
    size: int
    name: str
    type: str
    bits: int
    shape: tuple[int, ...]

    @property
    def end(self) -> int:
        """Where they end."""
        return self.start + self.size


def regions(data: bytes | memoryview, name: str) -> list[Region]:
    """The regions of a file in the order of its bytes, none overlapping; none if it is no `.tflite` that can be read.

    Args:
        data: The whole file.
        name: Its name.
    """
    view = memoryview(data)
    if len(view) < 8 or view[4:8] != b"TFL3":
        return []
    try:
        found = _found(Buffer(view, name).root())
    except FormatError:  # a damaged file is packed as any bytes are
        return []
    apart: list[Region] = []
    for region in sorted(found, key=lambda item: (item.start, -item.size)):
        if region.size >= SMALLEST and (not apart or region.start >= apart[-1].end):
            apart.append(region)
    return apart


def _found(model: Table) -> list[Region]:
    places = [_place(table) for table in model.tables(4)]
    found: list[Region] = []
    named = set()
    for graph in model.tables(2):
        for tensor in graph.tables(0):
            number, name = tensor.scalar(2, "I"), tensor.text(3)
            if 0 < number < len(places) and number not in named:
                named.add(number)
                found.append(_region(tensor, name, *places[number]))
            quantization = tensor.table(4)
            if quantization is not None:
                start, count = quantization.place_of(2)
                found.append(Region(start, 4 * count, f"{name} (scales)", "float32", 32, ()))
    others = (places[number] for number in range(len(places)) if number not in named)
    found += [Region(start, size, REST, *_UNKNOWN, ()) for start, size in others]
    return found


def _region(tensor: Table, name: str, start: int, size: int) -> Region:
    kind, bits = _TYPES.get(tensor.scalar(1, "b"), _UNKNOWN)
    shape = tuple(tensor.numbers(0, "i4").tolist())
    count = 1
    for axis in shape:
        count *= max(axis, 0)
    sparse = tensor.table(6) is not None
    if 8 * size % bits:
        kind, bits = _UNKNOWN
    return Region(start, size, name, kind, bits, shape if 8 * size == count * bits and not sparse else ())


def _place(table: Table) -> tuple[int, int]:
    """Where a buffer's bytes lie: in its table, or behind the flatbuffer in files beyond 2 GB."""
    offset, size = table.scalar(1, "Q"), table.scalar(2, "Q")
    if offset <= 1:
        return table.place_of(0, 1)
    table.buffer.check(offset, size)
    return offset, size
