"""Metadata of a `.tflite` as bytes: a flatbuffer in the schema that TensorFlow Lite's and MediaPipe's tools read.

Slot numbers are those of the schema (identifier M001, version 1.1.0), which only ever appends.

Reference:
    https://github.com/tensorflow/tflite-support, tensorflow_lite_support/metadata/metadata_schema.fbs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers

from tfcompress.errors import FormatError
from tfcompress.tflite.flatbuffer import Buffer, Table

_IDENTIFIER = b"M001"
_PARSER_VERSION = "1.0.0"  # the first one knows all that is written here
_FEATURE, _IMAGE = 1, 2  # of the union ContentProperties
_NORMALIZATION = 1  # of the union ProcessUnitOptions
_COLORS = {3: 1, 1: 2}  # of ColorSpaceType, by the number of channels: RGB and grey
DESCRIPTION, AXIS_LABELS = 1, 2  # of AssociatedFileType


@dataclass(frozen=True)
class FileNote:
    """A file that travels with the model; `kind` is a value of AssociatedFileType."""

    name: str
    description: str = ""
    kind: int = DESCRIPTION


@dataclass(frozen=True)
class PortNote:
    """An input or output.

    Attributes:
        shape: Of the tensor; one of (batch, height, width, 1 or 3) is described as an image.
        mean: What is subtracted from the raw values, per channel or one for all; empty: nothing is said.
        std: What the difference is divided by.
    """

    name: str
    shape: tuple[int, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    files: tuple[FileNote, ...] = ()


@dataclass(frozen=True)
class ModelNote:
    """All that the flatbuffer says."""

    name: str = ""
    description: str = ""
    version: str = ""
    author: str = ""
    license: str = ""
    inputs: tuple[PortNote, ...] = ()
    outputs: tuple[PortNote, ...] = ()
    files: tuple[FileNote, ...] = field(default=())


def encoded(note: ModelNote) -> bytes:
    """The note as a flatbuffer."""
    builder = flatbuffers.Builder(1024)
    graph = _table(
        builder,
        7,
        {
            2: _vector(builder, [_port(builder, item, image=True) for item in note.inputs]),
            3: _vector(builder, [_port(builder, item, image=False) for item in note.outputs]),
        },
    )
    texts = {0: note.name, 1: note.description, 2: note.version, 4: note.author, 5: note.license, 7: _PARSER_VERSION}
    fields = {slot: builder.CreateString(text) for slot, text in texts.items() if text}
    fields[3] = _vector(builder, [graph])
    fields[6] = _vector(builder, [_file(builder, item) for item in note.files])
    builder.Finish(_table(builder, 8, fields), _IDENTIFIER)
    return bytes(builder.Output())


def decoded(data: memoryview, name: str) -> ModelNote:
    """Reads the note of any file, however damaged, in limited time.

    Raises:
        FormatError: The bytes are damaged, or of another schema.
    """
    if len(data) < 8 or bytes(data[4:8]) != _IDENTIFIER:
        raise FormatError(f"The metadata of {name} is damaged: it does not begin as metadata does.")
    model = Buffer(data, f"the metadata of {name}").root()
    graph = next(iter(model.tables(3)), None)
    return ModelNote(
        name=model.text(0),
        description=model.text(1),
        version=model.text(2),
        author=model.text(4),
        license=model.text(5),
        inputs=tuple(_read_port(table) for table in graph.tables(2)) if graph else (),
        outputs=tuple(_read_port(table) for table in graph.tables(3)) if graph else (),
        files=_read_files(model, 6) + (_read_files(graph, 4) if graph else ()),
    )


def _port(builder: Any, item: PortNote, *, image: bool) -> int:
    """A TensorMetadata table."""
    fields = {0: builder.CreateString(item.name), 3: _content(builder, item.shape, image=image)}
    if item.mean:
        means, deviations = _floats(builder, item.mean), _floats(builder, item.std)
        options = _table(builder, 2, {0: means, 1: deviations})
        unit = _table(builder, 2, {1: options}, {0: _NORMALIZATION})
        fields[4] = _vector(builder, [unit])
    fields[6] = _vector(builder, [_file(builder, file) for file in item.files])
    return _table(builder, 7, fields)


def _content(builder: Any, shape: tuple[int, ...], *, image: bool) -> int:
    """What a tensor holds: an image of a known size, or features."""
    if not image or len(shape) != 4 or shape[3] not in _COLORS:
        return _table(builder, 3, {1: _table(builder, 0, {})}, {0: _FEATURE})
    builder.StartObject(2)
    builder.PrependUint32Slot(0, max(shape[2], 0), 0)
    builder.PrependUint32Slot(1, max(shape[1], 0), 0)
    size = builder.EndObject()
    return _table(builder, 3, {1: _table(builder, 2, {1: size}, {0: _COLORS[shape[3]]})}, {0: _IMAGE})


def _file(builder: Any, item: FileNote) -> int:
    """An AssociatedFile table."""
    fields = {0: builder.CreateString(item.name)}
    if item.description:
        fields[1] = builder.CreateString(item.description)
    return _table(builder, 4, fields, {2: item.kind})


def _table(builder: Any, slots: int, references: dict[int, int], small: dict[int, int] | None = None) -> int:
    """A table of references to what is written already, and of one-byte numbers."""
    builder.StartObject(slots)
    for slot, target in references.items():
        if target:
            builder.PrependUOffsetTRelativeSlot(slot, target, 0)
    for slot, value in (small or {}).items():
        builder.PrependUint8Slot(slot, value, 0)
    return int(builder.EndObject())


def _vector(builder: Any, targets: Sequence[int]) -> int:
    """A vector of tables, or 0 where it would be empty."""
    if not targets:
        return 0
    builder.StartVector(4, len(targets), 4)
    for target in reversed(targets):
        builder.PrependUOffsetTRelative(target)
    return int(builder.EndVector())


def _floats(builder: Any, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())


def _read_port(table: Table) -> PortNote:
    for unit in table.tables(4):
        options = unit.table(1)
        if unit.scalar(0, "B") == _NORMALIZATION and options is not None:
            means, deviations = (tuple(options.numbers(slot, "f4").tolist()) for slot in (0, 1))
            return PortNote(table.text(0), (), means, deviations, _read_files(table, 6))
    return PortNote(table.text(0), files=_read_files(table, 6))


def _read_files(table: Table, slot: int) -> tuple[FileNote, ...]:
    return tuple(FileNote(item.text(0), item.text(1), item.scalar(2, "b")) for item in table.tables(slot))
