"""Which bytes of a file several tensors share, which it holds more than once, and which nothing in it uses."""

import hashlib
from dataclasses import dataclass

from tfcompress.errors import FormatError
from tfcompress.tflite.reading import Content

_VISITS_PER_BYTE = 4  # buffers that lie over each other must not multiply the work


@dataclass(frozen=True)
class Stored:
    """Bytes that belong to several tensors.

    Attributes:
        bytes: How many they are, once.
        copies: How often the file holds them: 1 where the tensors share them.
        tensors: The names of all tensors that have these values.
    """

    bytes: int
    copies: int
    tensors: tuple[str, ...]


@dataclass(frozen=True)
class Buffers:
    """How a file stores its values.

    Attributes:
        shared: Values that several tensors take from the same place, the largest first.
        repeated: Equal values that lie in the file more than once, what costs most first.
        unused_bytes: What no tensor and no metadata refers to.
    """

    shared: tuple[Stored, ...]
    repeated: tuple[Stored, ...]
    unused_bytes: int

    @property
    def repeated_bytes(self) -> int:
        """What the file would save if it held equal values once."""
        return sum((item.copies - 1) * item.bytes for item in self.repeated)


def buffers_of(content: Content, size: int) -> Buffers:
    """Reads how a file stores its values.

    Args:
        content: The file.
        size: Its bytes, which bound the work.

    Raises:
        FormatError: The buffers of a damaged file lie over each other.
    """
    if sum(map(len, content.buffers)) > _VISITS_PER_BYTE * size:
        raise FormatError("its buffers lie over each other, so the file is damaged. Convert it again.")
    users: dict[int, list[str]] = {}
    for graph in content.graphs:
        for tensor in graph.tensors:
            users.setdefault(tensor.buffer, []).append(tensor.name)
    equal: dict[bytes, list[int]] = {}
    for number, names in users.items():
        if names and len(content.buffers[number]):
            equal.setdefault(hashlib.sha256(content.buffers[number]).digest(), []).append(number)
    shared = [
        Stored(len(content.buffers[number]), 1, tuple(names))
        for number, names in users.items()
        if len(names) > 1 and len(content.buffers[number])
    ]
    repeated = [
        Stored(len(content.buffers[numbers[0]]), len(numbers), tuple(name for one in numbers for name in users[one]))
        for numbers in equal.values()
        if len(numbers) > 1
    ]
    used = users.keys() | content.metadata_buffers.values()
    return Buffers(
        shared=tuple(sorted(shared, key=lambda item: -item.bytes)),
        repeated=tuple(sorted(repeated, key=lambda item: -(item.copies - 1) * item.bytes)),
        unused_bytes=sum(len(data) for number, data in enumerate(content.buffers) if number not in used),
    )
