"""The files that travel with a `.tflite`: a zip archive behind its flatbuffer, as the metadata tools lay it out."""

import io
import zipfile
import zlib
from collections.abc import Mapping

from tfcompress.errors import FormatError

_FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # the same files give the same bytes
_LARGEST_FILE = 1 << 26  # bytes
_MOST_FILES = 256
_DEFLATE_LIMIT = 1032  # no honest zip member is more often smaller than this
_DAMAGES = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError, zlib.error)


def with_files(data: bytes, files: Mapping[str, bytes]) -> bytes:
    """The same bytes with an archive of these files behind them; without files nothing is added.

    The files are stored as they are, not deflated: the tools on phones read them in place.
    """
    if not files:
        return data
    target = io.BytesIO()
    target.write(data)
    with zipfile.ZipFile(target, "a") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _FIRST_DATE), content)
    return target.getvalue()


def files_behind(data: bytes, name: str) -> dict[str, bytes]:
    """The files of the archive at the end of a file's bytes, none where there is no archive.

    Raises:
        FormatError: The archive is damaged, or claims more than an honest one holds.
    """
    archive = _archive(data)
    if archive is None:
        return {}
    try:
        members = archive.infolist()
        if len(members) > _MOST_FILES:
            raise FormatError(f"{name} carries {len(members)} files, more than {_MOST_FILES}. Take it from its origin.")
        for member in members:
            if member.file_size > min(_LARGEST_FILE, _DEFLATE_LIMIT * member.compress_size + 1024):
                raise FormatError(f"{name} carries '{member.filename}', which claims {member.file_size} bytes.")
        return {member.filename: archive.read(member) for member in members}
    except _DAMAGES as error:
        raise FormatError(f"The files that {name} carries cannot be read: {error}. Take it from its origin.") from error


def without_files(data: bytes) -> bytes:
    """The same bytes without the archive behind them."""
    archive = _archive(data)
    if archive is None:
        return data
    return data[: min((member.header_offset for member in archive.infolist()), default=archive.start_dir)]


def _archive(data: bytes) -> zipfile.ZipFile | None:
    """The archive at the end of these bytes, or None where there is none that can be opened."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return None
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except _DAMAGES:  # weights may look like the end of an archive
        return None
