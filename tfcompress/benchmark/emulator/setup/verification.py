"""Whether files are what was installed: by their SHA-256, and by a stamp that spares reading unchanged ones again."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tfcompress.errors import OutputError
from tfcompress.files import sha256, write_text

STAMPS = "verified.json"


def changed_files(folder: Path, hashes: Mapping[str, str], *, thorough: bool = False) -> dict[str, str]:
    """The files that are gone or have another content, and what is wrong with each.

    A file whose content was right gets a stamp (inode, size, time of the last change of either), kept in the folder.
    While a file's stamp holds, only `thorough` reads it again: that finds what a failing disk changed.

    Args:
        folder: Where the files and the stamps lie.
        hashes: The SHA-256 of each file by its path, absolute or relative to `folder`.
        thorough: Whether all files are read.
    """
    known = _stamps(folder)
    valid, wrong = {}, {}
    for name, expected in hashes.items():
        try:
            stamp = _stamp(folder / name)
            if (not thorough and known.get(name) == stamp) or sha256(folder / name) == expected:
                valid[name] = stamp
            else:
                wrong[name] = "has another content than when it was installed"
        except OSError as error:
            wrong[name] = f"cannot be read ({error.strerror})"
    if valid != known:
        with suppress(OutputError):  # a cache folder that is read-only works too, only slower
            write_text(folder / STAMPS, json.dumps(valid, indent=2) + "\n")
    return wrong


def _stamp(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns]


def _stamps(folder: Path) -> dict[str, list[int]]:
    try:
        stamps = json.loads((folder / STAMPS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}
