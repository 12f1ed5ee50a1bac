"""The Java decoder running in one process, for many files."""

import struct
from pathlib import Path

from tests.java_process import JavaProcess
from tools.java_decoder import command

_LONGEST = 60  # seconds for one file; what takes longer hangs


class JavaDecoder(JavaProcess):
    """A process that unpacks one file after the other."""

    def __init__(self, classes: Path) -> None:
        super().__init__(command(classes, "UnpackingServer"), _LONGEST)

    def unpack(self, packed: bytes) -> bytes | str:
        """The original, or the message of the exception; anything else ends the process and fails the test."""
        with self._asked(struct.pack(">I", len(packed)) + packed):
            unpacked, length = struct.unpack(">?I", self._read(5))
            answer = self._read(length)
        return answer if unpacked else answer.decode()
