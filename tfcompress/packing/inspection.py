"""What is inside a `.tfz`: found by unpacking it, so that it is known to be whole."""

import os
from pathlib import Path

import numpy as np

from tfcompress.files import zlib_bytes
from tfcompress.packing.container import MAGIC
from tfcompress.packing.regions import regions
from tfcompress.packing.report import Entry, Packing, entry, parts
from tfcompress.packing.unpacking import Packed, Unpacked, opened
from tfcompress.tflite.inspection import Inspection, inspect
from tfcompress.work_folders import work_folder


def is_packed(path: str | Path) -> bool:
    """Whether a file begins as a `.tfz` does."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:  # who reads it next says what is wrong
        return False


def inspect_packed(path: str | Path) -> tuple[Packing, Inspection | None]:
    """Unpacks a `.tfz` into a temporary file and tells what both are made of.

    Args:
        path: A `.tfz`; a damaged or hostile one gives a FormatError in limited time and memory.

    Returns:
        What the `.tfz` is made of, and what its `.tflite` holds; None for the latter where it is no `.tflite`.

    Raises:
        FormatError: There is no such file, or it is no `.tfz`, truncated, damaged or of another version.
    """
    path, entries = Path(path), list[Entry]()

    def seen(item: Unpacked) -> None:
        entries.append(entry(item.stream, np.frombuffer(item.data, np.uint8), item.pool, item.pool_bytes))

    with work_folder() as folder, opened(path) as file:
        original = folder / f"{path.stem}.tflite"
        size = os.fstat(file.fileno()).st_size
        packed = Packed(file, size, str(path))
        with original.open("wb") as out:
            out.writelines(packed.original(seen))
        data = original.read_bytes()
        found = regions(data, str(path))
        held = parts(entries, packed.layout, found, np.frombuffer(data, np.uint8))
        digest = packed.header.sha256.hex()
        packing = Packing(original.name, digest, len(data), zlib_bytes(original), size, held)
        return packing, inspect(original) if found else None
