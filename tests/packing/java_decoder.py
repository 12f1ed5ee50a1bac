"""The Java decoder running in one process, for many files."""

import struct
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.java_decoder import command

_LONGEST = 60  # seconds for one file; what takes longer hangs


class JavaDecoder:
    """A process that unpacks one file after the other."""

    def __init__(self, classes: Path) -> None:
        self._process = subprocess.Popen(
            command(classes, "UnpackingServer"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(_LONGEST)

    def unpack(self, packed: bytes) -> bytes | str:
        """The original, or the message of the exception; anything else ends the process and fails the test."""
        assert self._process.stdin
        guard = threading.Timer(_LONGEST, self._process.kill)
        guard.start()
        try:
            self._process.stdin.write(struct.pack(">I", len(packed)) + packed)
            self._process.stdin.flush()
            unpacked, length = struct.unpack(">?I", self._read(5))
            answer = self._read(length)
        finally:
            guard.cancel()
        return answer if unpacked else answer.decode()

    def _read(self, count: int) -> bytes:
        assert self._process.stdout
        data = self._process.stdout.read(count)
        assert len(data) == count, "the Java decoder died, or was killed because it hung"
        return data
