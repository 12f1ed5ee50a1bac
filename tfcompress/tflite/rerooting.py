"""Puts named metadata into the bytes of a `.tflite`, and takes it out again.

Whatever a flatbuffer refers to lies behind the reference, so nothing can be appended. A block with a new root is put
between the header and all the rest instead: it refers to the old parts, which move as a whole and stay as they are.
The block says how long it is and what the header was, so taking it out gives the first file back, byte for byte.

Reference:
    FlatBuffers internals, https://flatbuffers.dev/internals.
"""

import hashlib
import struct

from tfcompress.errors import FormatError
from tfcompress.tflite.flatbuffer import Buffer, Table

ORIGINAL = "TFCOMPRESS_ORIGINAL"
"""The name of the entry that says how the file was before."""

_RECORD = struct.Struct("<IIQ32s")  # bytes of the block, the old root, bytes of the old file, their SHA-256
_HEADER = 8
_ALIGNMENT = 64  # at least that of every buffer, so that moved buffers stay aligned
_BUFFERS, _METADATA, _SLOTS = 4, 6, 10
_EXTERNAL = (8, 9)  # slots of what refers to bytes by their place in the file


def with_entry(data: bytes, name: str, entry: str, content: bytes) -> bytes:
    """The same file with one more piece of metadata.

    Args:
        data: A whole flatbuffer, with nothing behind it.
        name: The file's name, for messages.
        entry: The name of the piece; the file has none of this name.
        content: Its bytes.

    Raises:
        FormatError: The file is damaged, or refers to bytes by their place, as files beyond 2 GB do.
    """
    model = Buffer(memoryview(data), name).root()
    _check_relative(model)
    size = len(_block(model, entry, content, bytes(_RECORD.size), 0))
    record = _RECORD.pack(size, model.position, len(data), hashlib.sha256(data).digest())
    block = _block(model, entry, content, record, size)
    return struct.pack("<I4s", _root_position(), data[4:8]) + block + data[_HEADER:]


def without_block(data: bytes, record: bytes) -> bytes | None:
    """The file as it was before `with_entry`, or None where that cannot be had any more.

    Args:
        data: The file.
        record: The content of its entry `ORIGINAL`.
    """
    if len(record) != _RECORD.size:
        return None
    block, root, size, digest = _RECORD.unpack(record)
    original = struct.pack("<I4s", root, data[4:8]) + data[_HEADER + block : block + size]
    return original if hashlib.sha256(original).digest() == digest else None


def without_entry(data: bytes, name: str, entry: str) -> bytes:
    """The same file without a piece of metadata: its name leaves the list, its bytes become zeros, no offset moves.

    Raises:
        FormatError: The file is damaged, or has no such piece.
    """
    model = Buffer(memoryview(data), name).root()
    tables = model.tables(_METADATA)
    found = [number for number, table in enumerate(tables) if table.text(0) == entry]
    if not found:
        raise FormatError(f"{name} has no metadata '{entry}'.")
    changed = bytearray(data)
    buffers = model.tables(_BUFFERS)
    number = tables[found[0]].scalar(1, "I")
    if number >= len(buffers):
        raise FormatError(f"{name} is damaged: its metadata '{entry}' lies in buffer {number} of {len(buffers)}.")
    start, count = buffers[number].place_of(0, 1)
    changed[start : start + count] = bytes(count)
    if start:
        struct.pack_into("<I", changed, start - 4, 0)
    start, count = model.place_of(_METADATA)
    struct.pack_into("<I", changed, start - 4, count - 1)
    for place, table in enumerate(item for i, item in enumerate(tables) if i != found[0]):
        struct.pack_into("<I", changed, start + 4 * place, table.position - start - 4 * place)
    struct.pack_into("<I", changed, start + 4 * (count - 1), 0)
    return bytes(changed)


def _check_relative(model: Table) -> None:
    """Refuses a file that says where its bytes lie counted from its start, because they will move."""
    absolute = any(table.scalar(1, "Q") > 1 for table in model.tables(_BUFFERS))
    absolute |= any(operator.scalar(9, "Q") > 1 for graph in model.tables(2) for operator in graph.tables(3))
    absolute |= any(model.target(slot) is not None for slot in _EXTERNAL)
    if absolute:
        raise FormatError(
            f"{model.buffer.name} keeps bytes outside of its flatbuffer, as files beyond 2 GB do; metadata cannot be "
            "put into those. Give it to the program in a file of its own."
        )


def _root_position() -> int:
    """Where the new root lies: behind the header and its own list of slots, at a multiple of 4."""
    return _HEADER + 4 + 2 * _SLOTS


def _block(model: Table, entry: str, content: bytes, record: bytes, moved: int) -> bytes:
    """The bytes between header and old content.

    Args:
        model: The old root.
        entry: The name of the new piece of metadata.
        content: Its bytes.
        record: The content of the entry `ORIGINAL`.
        moved: How far the old content moves, which is the length of this block once it is known.
    """
    root = _root_position()
    fields = {slot: 4 * (1 + i) for i, slot in enumerate(range(_SLOTS)) if _has(model, slot)}
    out = bytearray(_HEADER)  # cut off at the end, so that a length is a position in the file
    out += struct.pack("<HH", 4 + 2 * _SLOTS, 4 * (1 + _SLOTS))
    out += struct.pack(f"<{_SLOTS}H", *(fields.get(slot, 0) for slot in range(_SLOTS)))
    out += struct.pack("<i", root - _HEADER) + bytes(4 * _SLOTS)
    tables = {slot: model.tables(slot) for slot in (_BUFFERS, _METADATA)}
    vectors = {}
    for slot in (_BUFFERS, _METADATA):
        vectors[slot] = len(out)
        out += struct.pack("<I", len(tables[slot]) + 2) + bytes(4 * (len(tables[slot]) + 2))
    for slot, place in fields.items():
        if slot == 0:
            struct.pack_into("<I", out, root + place, model.scalar(0, "I"))
        else:
            target = vectors.get(slot) or (model.target(slot) or 0) + moved
            _refer(out, root + place, target)
    for slot in (_BUFFERS, _METADATA):
        for i, table in enumerate(tables[slot]):
            _refer(out, vectors[slot] + 4 * (1 + i), table.position + moved)
    for i, (title, held) in enumerate(((entry, content), (ORIGINAL, record))):
        number = len(tables[_BUFFERS]) + i
        _refer(out, vectors[_METADATA] + 4 * (1 + len(tables[_METADATA]) + i), _add_metadata(out, title, number))
        _refer(out, vectors[_BUFFERS] + 4 * (1 + number), _add_buffer(out, held))
    out += bytes(-(len(out) - _HEADER) % _ALIGNMENT)
    return bytes(out[_HEADER:])


def _has(model: Table, slot: int) -> bool:
    return slot in (0, _BUFFERS, _METADATA) or model.target(slot) is not None


def _refer(out: bytearray, place: int, target: int) -> None:
    """Writes a reference; while it is not known how far the old content moves, it may wrap around."""
    struct.pack_into("<I", out, place, (target - place) % 2**32)


def _add_metadata(out: bytearray, title: str, number: int) -> int:
    """Appends a Metadata table of the schema: a name and the number of a buffer. Returns where it lies."""
    out += bytes(-len(out) % 4)
    out += struct.pack("<HHHH", 8, 12, 4, 8)
    table = len(out)
    out += struct.pack("<iII", 8, 8, number)  # the name begins 8 bytes behind its field
    out += struct.pack("<I", len(title.encode())) + title.encode() + b"\0"
    return table


def _add_buffer(out: bytearray, held: bytes) -> int:
    """Appends a Buffer table of the schema, its bytes at a multiple of 16. Returns where it lies."""
    out += bytes(-len(out) % 16)
    out += struct.pack("<HHH2x", 6, 8, 4)
    table = len(out)
    out += struct.pack("<iI", 8, 4) + struct.pack("<I", len(held))
    out += bytes(-len(out) % 16)
    struct.pack_into("<I", out, table + 4, len(out) - 4 - table - 4)
    struct.pack_into("<I", out, len(out) - 4, len(held))
    out += held
    return table
