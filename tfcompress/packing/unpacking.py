"""`unpack`: a `.tfz` becomes the `.tflite` it was made from, or an error, never another file."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tfcompress.errors import FormatError
from tfcompress.files import check_output, replacing
from tfcompress.packing.container import HEADER_BYTES, MOST_BODY, MOST_SIDE, Header, Layout, read_layout
from tfcompress.packing.pool import read_pool, read_streams
from tfcompress.packing.side import SideReader
from tfcompress.packing.streams import Stream
from tfcompress.progress import task

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Unpacked:
    """One stream as it comes out of a file: its bytes, its coding, its pool, and how many bytes the pool takes."""

    data: bytes
    stream: Stream
    pool: int
    pool_bytes: int


def unpack(path: str | Path, target: str | Path, *, force: bool = False) -> None:
    """Turns a `.tfz` into the `.tflite` it was made from, byte for byte.

    The file is read and written pool by pool, so that memory does not grow with it, and `target` appears only after its
    SHA-256 has been found to be that of the original.

    Args:
        path: A `.tfz`; a damaged or hostile one gives a FormatError in limited time and memory.
        target: The `.tflite` to write.
        force: Whether an existing `target` may be replaced.

    Raises:
        FormatError: There is no such file, or it is no `.tfz`, truncated, damaged or of another version.
        OutputError: `target` cannot be written.

    Example:
        The example of `tfcompress.pack` runs this.
    """
    path, target = Path(path), Path(target)
    check_output(target, force=force)
    with opened(path) as file:
        packed = Packed(file, os.fstat(file.fileno()).st_size, str(path))
        with (
            replacing(target, force=force) as temporary,
            temporary.open("wb") as out,
            task(f"unpacking {path.name}", total=packed.header.size) as unpacking,
        ):
            for block in packed.original():
                out.write(block)
                unpacking.advance(len(block))


def opened(path: Path) -> BinaryIO:
    """The file at `path`, open for reading.

    Raises:
        FormatError: There is none, or it may not be read.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}. Give the path of a .tfz file.") from error


class Packed:
    """A `.tfz` that is open for reading.

    Args:
        file: Its content, at the beginning.
        size: Its size in bytes.
        name: Its name, for messages.

    Raises:
        FormatError: Its header is not one, or claims what cannot be.
    """

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file, self._left, self._name = file, size, name
        self.header = Header.of(self._file.read(HEADER_BYTES), size, name)
        self._left -= HEADER_BYTES
        self.layout = Layout(0, ())  # known when the first block has come

    def original(self, seen: Callable[[Unpacked], None] | None = None) -> Iterator[bytes]:
        """The bytes of the original, block by block; only when the last one has come is it known that they are right.

        Args:
            seen: Is told of each stream.

        Raises:
            FormatError: The file is damaged; what was given until then is worthless.
        """
        digest, left = hashlib.sha256(), self.header.size
        for block in self._blocks(seen or (lambda _: None)) if left else ():
            left -= len(block)
            if left < 0:
                break
            digest.update(block)
            yield block
        if left or digest.digest() != self.header.sha256:
            raise FormatError(
                f"{self._name} is damaged: what it unpacks to is not what was packed (size or SHA-256 differ). "
                "Copy it again, or pack the .tflite again."
            )
        self._check_padding()

    def _blocks(self, seen: Callable[[Unpacked], None]) -> Iterator[bytes]:
        """The bytes of the original, run by run."""
        side, body = self._pool(self._read(4))
        layout = self.layout = read_layout(side)
        streams = self._streams(side, body, seen)
        shared = [memoryview(self._next(streams)) for _ in range(layout.shared)]
        places = [0] * layout.shared
        for stream, length in layout.runs:
            if not stream:
                yield self._next(streams)
                continue
            place = places[stream - 1]
            places[stream - 1] = place + length
            if place + length > len(shared[stream - 1]):
                raise side.damaged("a run is longer than its stream")
            yield bytes(shared[stream - 1][place : place + length])
        if places != [len(data) for data in shared] or next(streams, None) is not None:
            raise side.damaged("it has more in its streams than in its layout")

    def _next(self, streams: Iterator[bytes]) -> bytes:
        data = next(streams, None)
        if data is None:
            raise self._truncated()
        return data

    def _streams(self, side: SideReader, body: memoryview, seen: Callable[[Unpacked], None]) -> Iterator[bytes]:
        """The streams of the pool that has been begun, and of all that follow."""
        pool, left = 0, self.header.size
        while True:
            streams, lanes = read_streams(side)
            for stream, data in zip(streams, read_pool(side, streams, lanes, body, self._name), strict=True):
                seen(Unpacked(data, stream, pool, side.size + len(body)))
                yield data
            size = self._read(4) if self._left else bytes(4)
            if not any(size):  # zeros fill up the file from here on
                break
            left -= sum(stream.size for stream in streams)
            if left <= 0:
                raise side.damaged("it has a pool too many")
            side, body = self._pool(size)
            pool += 1

    def _pool(self, size: bytes) -> tuple[SideReader, memoryview]:
        """The description of the next pool, whose size has been read, and what comes behind it."""
        described, behind = (int.from_bytes(part, "little") for part in (size, self._read(4)))
        if described > MOST_SIDE or behind > MOST_BODY or described + behind > self._left:
            raise self._truncated()
        return SideReader(self._read(described), self._name), memoryview(self._read(behind))

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise self._truncated()
        self._left -= size
        return data

    def _check_padding(self) -> None:
        while self._left:
            if any(self._read(min(self._left, _BLOCK))):
                raise FormatError(f"{self._name} is damaged: it goes on after its end. Copy it again.")

    def _truncated(self) -> FormatError:
        return FormatError(f"{self._name} is truncated or damaged: it ends within a pool. Copy it again.")
