"""The bytes of a `.tflite` as plain values: graphs, tensors, operators, signatures.

The slot numbers are those of TensorFlow Lite's schema (version 3), which only ever appends; the names of types and
operators come from the classes that ai-edge-litert generates from it.

Reference:
    tensorflow/compiler/mlir/lite/schema/schema.fbs, TensorFlow 2.21.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from tfcompress.errors import FormatError
from tfcompress.tflite.flatbuffer import Buffer, Table

_IDENTIFIER = b"TFL3"
_INTEGER_TYPES = {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
_BLOCKWISE = 2  # of the union QuantizationDetails
_WHOLE_TYPES = _INTEGER_TYPES | {"float16", "float32", "float64", "bool"}


@dataclass(frozen=True)
class Quantization:
    """How stored integers mean real values: `scale * (stored - zero point)`.

    Attributes:
        scales: One for the tensor, one for each place along `axis`, or one for each `block` of the last axis.
        block: How many values share a scale; 0 where blocks play no part.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int | None
    block: int = 0


@dataclass(frozen=True)
class Tensor:
    """One tensor of a graph; `data` is empty when its values are computed, and -1 in `shape` is a free axis."""

    index: int
    name: str
    shape: tuple[int, ...]
    type: str
    quantization: Quantization | None
    buffer: int
    data: memoryview
    variable: bool
    sparse: bool

    @property
    def constant(self) -> bool:
        """Whether the file holds its values."""
        return len(self.data) > 0


@dataclass(frozen=True)
class Operator:
    """One operator: its name in the schema, or the custom operator's own name; -1 in `inputs` is a missing one."""

    name: str
    custom: bool
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """One graph of a file; the first is the one that runs, others belong to loops and branches."""

    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Signature:
    """Names that a file gives to a graph's inputs and outputs, to tensor indices."""

    key: str
    graph: int
    inputs: dict[str, int]
    outputs: dict[str, int]


@dataclass(frozen=True)
class Content:
    """All of a file.

    Attributes:
        metadata_buffers: The buffer of each piece of metadata by its name.
        buffers: The bytes of all buffers; those that hold nothing are empty.
    """

    description: str
    graphs: tuple[Graph, ...]
    signatures: tuple[Signature, ...]
    metadata_buffers: dict[str, int]
    buffers: tuple[memoryview, ...]

    @property
    def metadata(self) -> tuple[str, ...]:
        """The names of what the file says about itself."""
        return tuple(self.metadata_buffers)


def read(path: str | Path) -> Content:
    """Reads a `.tflite` file; any file, however damaged, gives a content or a FormatError in limited time.

    Raises:
        FormatError: There is no such file, or it is no `.tflite`, truncated or damaged.
    """
    return parse(file_bytes(path), str(path))


def file_bytes(path: str | Path) -> bytes:
    """All bytes of a file.

    Raises:
        FormatError: It cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}. Give the path of a .tflite file.") from error


def parse(data: bytes, name: str) -> Content:
    """Reads the bytes of a `.tflite` file; see `read`. `name` stands in messages."""
    if len(data) < 8 or data[4:8] != _IDENTIFIER:
        raise FormatError(
            f"{name} is not a .tflite file: bytes 4 to 8 are {data[4:8]!r}, not {_IDENTIFIER!r}. A Keras model becomes "
            "one by `tfcompress convert`."
        )
    model = Buffer(memoryview(data), name).root()
    buffers = [_buffer(table) for table in model.tables(4)]
    codes = [_operator_name(table) for table in model.tables(1)]
    graphs = tuple(_graph(table, buffers, codes) for table in model.tables(2))
    if not graphs:
        raise FormatError(f"{name} is damaged: it has no graph. Convert it again.")
    return Content(
        description=model.text(3),
        graphs=graphs,
        signatures=tuple(_signature(table, graphs) for table in model.tables(7)),
        metadata_buffers={
            table.text(0): _checked(table, table.scalar(1, "I"), len(buffers), "buffer") for table in model.tables(6)
        },
        buffers=tuple(buffers),
    )


def _buffer(table: Table) -> memoryview:
    """A buffer's bytes, which lie behind the flatbuffer itself in files beyond 2 GB."""
    offset, size = table.scalar(1, "Q"), table.scalar(2, "Q")
    if offset > 1:
        table.buffer.check(offset, size)
        return table.buffer.data[offset : offset + size]
    return table.raw(0)


def _operator_name(table: Table) -> tuple[str, bool]:
    # Codes beyond 127 do not fit the old field, which then holds 127.
    code = max(table.scalar(0, "b"), table.scalar(3, "i"))
    names = _names("BuiltinOperator")
    if code not in names:
        raise FormatError(
            f"{table.buffer.name} has an unknown operator, code {code}: it is damaged or newer than LiteRT."
        )
    custom = names[code] == "CUSTOM"
    return (table.text(1) or "CUSTOM" if custom else names[code]), custom


def _graph(table: Table, buffers: list[memoryview], codes: list[tuple[str, bool]]) -> Graph:
    tables = table.tables(0)
    plain = [_tensor(i, item, buffers) for i, item in enumerate(tables)]
    tensors = tuple(
        replace(tensor, quantization=_blockwise(item, plain)) if tensor.quantization is None else tensor
        for tensor, item in zip(plain, tables, strict=True)
    )
    operators = []
    for item in table.tables(3):
        name, custom = codes[_checked(item, item.scalar(0, "I"), len(codes), "operator code")]
        operators.append(Operator(name, custom, _indices(item, 1, len(tensors)), _indices(item, 2, len(tensors))))
    return Graph(
        table.text(4), tensors, tuple(operators), _indices(table, 1, len(tensors)), _indices(table, 2, len(tensors))
    )


def _tensor(index: int, table: Table, buffers: list[memoryview]) -> Tensor:
    types, code = _names("TensorType"), table.scalar(1, "b")
    if code not in types:
        raise FormatError(f"{table.buffer.name} has an unknown type of tensor, code {code}: it is damaged or newer.")
    number = table.scalar(2, "I")
    shape, free = table.numbers(0, "i4").tolist(), table.numbers(7, "i4").tolist()
    return Tensor(
        index=index,
        name=table.text(3),
        shape=tuple(free if len(free) == len(shape) else shape),
        type=types[code],
        quantization=_quantization(table.table(4)),
        buffer=number,
        data=buffers[_checked(table, number, len(buffers), "buffer")],
        variable=bool(table.scalar(5, "b")),
        sparse=table.table(6) is not None,
    )


def _quantization(table: Table | None) -> Quantization | None:
    if table is None or not len(scales := table.numbers(2, "f4")):
        return None
    if not np.isfinite(scales).all():
        raise FormatError(f"{table.buffer.name} is damaged: it has a scale that is not a number. Convert it again.")
    zero_points = table.numbers(3, "i8")
    axis = table.scalar(6, "i") if len(scales) > 1 else None
    return Quantization(tuple(scales.tolist()), tuple(zero_points.tolist()) or (0,), axis)


def _blockwise(table: Table, tensors: Sequence[Tensor]) -> Quantization | None:
    """The quantization of a tensor by blocks, whose scales are another tensor; None where there are no blocks."""
    quantization = table.table(4)
    details = quantization.table(5) if quantization and quantization.scalar(4, "B") == _BLOCKWISE else None
    if details is None:
        return None
    scales = tensors[_checked(details, max(details.scalar(0, "i"), 0), len(tensors), "tensor")]
    dtype = numpy_type(scales.type)
    if dtype is None or dtype.kind != "f" or not len(scales.data) or len(scales.data) % dtype.itemsize:
        return None
    values = np.frombuffer(scales.data, dtype.newbyteorder("<")).astype(float)
    if not np.isfinite(values).all():
        raise FormatError(f"{table.buffer.name} is damaged: it has a scale that is not a number. Convert it again.")
    table.buffer.check(0, 0, visited=len(values))  # many tensors may name the same scales
    return Quantization(tuple(values.tolist()), (0,), None, max(details.scalar(2, "i"), 0))


def _signature(table: Table, graphs: tuple[Graph, ...]) -> Signature:
    graph = _checked(table, table.scalar(4, "I"), len(graphs), "graph")
    count = len(graphs[graph].tensors)
    inputs, outputs = (
        {item.text(0): _checked(item, item.scalar(1, "I"), count, "tensor") for item in table.tables(slot)}
        for slot in (0, 1)
    )
    return Signature(table.text(2), graph, inputs, outputs)


def _indices(table: Table, slot: int, count: int) -> tuple[int, ...]:
    """Indices of tensors; -1 stands for an input that is left out."""
    values = table.numbers(slot, "i4")
    if values.size and not -1 <= values.min() <= values.max() < count:
        raise FormatError(
            f"{table.buffer.name} is damaged: it refers to a tensor beyond its {count}. Convert it again."
        )
    return tuple(values.tolist())


def _checked(table: Table, index: int, count: int, what: str) -> int:
    if index >= count:
        raise FormatError(f"{table.buffer.name} is damaged: it refers to {what} {index} of {count}. Convert it again.")
    return index


@cache
def _names(enumeration: str) -> dict[int, str]:
    """The names of a generated enumeration by their values."""
    from ai_edge_litert import schema_py_generated

    members = vars(getattr(schema_py_generated, enumeration))
    names: dict[int, str] = {value: name for name, value in members.items() if isinstance(value, int)}
    return names if enumeration == "BuiltinOperator" else {value: name.lower() for value, name in names.items()}


def numpy_type(name: str) -> np.dtype | None:
    """The numpy type in which a type's values are stored whole, or None for packed, string and foreign types.

    Example:
        >>> numpy_type("int8"), numpy_type("int4")
        (dtype('int8'), None)
    """
    return np.dtype(name) if name in _WHOLE_TYPES else None
