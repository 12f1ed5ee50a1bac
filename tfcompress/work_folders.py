"""Temporary folders for one piece of work: gone afterwards, and where the work was killed, gone with the next one."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from tfcompress.errors import OutputError

_PREFIX = "tfcompress-"
_LOCK = ".lock"


@contextmanager
def work_folder(parent: str | Path | None = None) -> Iterator[Path]:
    """A new folder, removed at the end of the block.

    While the block runs its process holds a lock in the folder. The system lets go of it however the process ends, so a
    folder of this kind without a holder was left by a process that was killed; those are removed here first.

    Args:
        parent: Where the folder is made; the system's folder of temporary files when left out.

    Raises:
        OutputError: The folder cannot be made.

    Example:
        >>> with work_folder() as folder:
        ...     _ = (folder / "a.txt").write_text("kept while the block runs")
        >>> folder.exists()
        False
    """
    place = Path(parent or tempfile.gettempdir()).resolve()
    _remove_left_over(place)
    try:
        folder, lock = _locked_folder(place)
    except OSError as error:
        raise unusable(place, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()


def unusable(folder: Path, error: OSError) -> OutputError:
    """The error for a folder of temporary files that the system refuses to write."""
    return OutputError(
        f"The temporary folder {folder} could not be used: {error.strerror or error}. Free space there, or set TMPDIR "
        "to another folder."
    )


def _locked_folder(place: Path) -> tuple[Path, TextIO]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        try:
            lock = (folder / _LOCK).open("w")
            if _locked(lock, wait=True) and (folder / _LOCK).exists():
                return folder, lock
            lock.close()  # another process took the folder for one that was left over, before it was locked
        except FileNotFoundError:
            continue
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _remove_left_over(place: Path) -> None:
    """Removes the folders of this user whose process is gone."""
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it belongs to somebody else, or has just been removed
            state = folder.lstat()
            if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid():
                continue
            with (folder / _LOCK).open("r+") as lock:  # one without a lock is not of this kind
                if _locked(lock, wait=False):
                    shutil.rmtree(folder, ignore_errors=True)


def _locked(lock: TextIO, *, wait: bool) -> bool:
    """Takes the lock; false when another process holds it and this one does not wait."""
    import fcntl  # no system but Unix has it, and this module is imported on every one

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
