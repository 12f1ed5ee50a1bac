"""The folder of a search: held by one search at a time, and kept to what it was begun with."""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfcompress.errors import OutputError, SearchError
from tfcompress.files import check_output, write_text

_LOCK, _STATE = ".lock", "search.json"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds a folder for the time of the block; the system lets go of it however the process ends.

    Raises:
        SearchError: Another search holds it.
        OutputError: It cannot be written.
    """
    import fcntl  # no system but Unix has it, and this module is imported on every one

    check_output(folder / _STATE, force=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / _LOCK).open("w")
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}. Choose another folder.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SearchError(f"Another search works in {folder}. Wait for it, or choose another folder.") from error
        yield


def check_same(folder: Path, settings: Mapping[str, Any]) -> str:
    """Keeps what a search is begun with, and refuses to go on with anything else.

    Args:
        folder: Of the search.
        settings: Whatever its trials depend on, as JSON values.

    Returns:
        The name of this folder among those that share a database.

    Raises:
        SearchError: The folder holds a search with other settings, or one that cannot be read.
    """
    path, wanted = folder / _STATE, json.loads(json.dumps(dict(settings)))
    if not path.exists():
        owner = uuid.uuid4().hex
        write_text(path, json.dumps({"owner": owner, "settings": wanted}, indent=2))
        return owner
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        kept, owner = dict(content["settings"]), str(content["owner"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SearchError(f"{path} is damaged ({error!r}). Choose another folder, or remove this one.") from error
    if other := sorted(key for key in kept.keys() | wanted.keys() if kept.get(key) != wanted.get(key)):
        raise SearchError(
            f"{folder} holds a search that was begun with another {', '.join(other)}. Choose another folder, or go on "
            "with what it was begun with."
        )
    return owner


def digest_of(settings: Mapping[str, Any]) -> str:
    """Names what a search is begun with: alike on all machines, another for anything else.

    Example:
        >>> digest_of({"seed": 0, "mode": "int8"}) == digest_of({"mode": "int8", "seed": 0})
        True
    """
    return hashlib.sha256(json.dumps(dict(settings), sort_keys=True).encode()).hexdigest()[:16]
