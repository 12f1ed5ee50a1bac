"""A Java program that answers one request after the other on its standard input and output, and must not hang."""

import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from types import TracebackType
from typing import Self


class JavaProcess:
    """Runs while the `with` lasts; an answer that takes longer than `longest` seconds ends it and fails the test."""

    def __init__(self, command: Sequence[str | PathLike[str]], longest: float) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._longest = longest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(self._longest)

    @contextmanager
    def _asked(self, request: bytes) -> Iterator[None]:
        """The request is sent; the answer is to be read inside."""
        assert self._process.stdin
        guard = threading.Timer(self._longest, self._process.kill)
        guard.start()
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
            yield
        finally:
            guard.cancel()

    def _read(self, count: int) -> bytes:
        assert self._process.stdout
        data = self._process.stdout.read(count)
        assert len(data) == count, "the Java process died, or was killed because it hung"
        return data
