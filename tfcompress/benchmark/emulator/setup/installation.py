"""The set-up that lies in the cache folder: what it consists of, and whether it is whole."""

import functools
import hashlib
import importlib.util
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfcompress.benchmark.emulator.setup import pinned
from tfcompress.benchmark.emulator.setup.cache import cache_folder
from tfcompress.benchmark.emulator.setup.native import native_sources
from tfcompress.benchmark.emulator.setup.verification import STAMPS, changed_files
from tfcompress.errors import DeviceError
from tfcompress.files import sha256

RECORD = "setup.json"
GUEST_LIBRARIES = (
    *("ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1"),
    *("libpthread.so.0", "libdl.so.2", "librt.so.1"),
)
HOW = "Run `tfcompress devices --install`."


@dataclass(frozen=True)
class Installation:
    """The pieces of a whole set-up, as absolute paths.

    Attributes:
        qemu: qemu-aarch64 with plugin support.
        host_libraries: The folder with libraries that QEMU needs, or None when the system has them.
        guest_libraries: The folder with the guest's C and C++ library.
        litert: The folder with the guest's libLiteRt.so.
        plugin: The plugin that counts.
        runner: The guest's program.
        origins: Where each piece comes from, with its version.
    """

    qemu: Path
    host_libraries: Path | None
    guest_libraries: Path
    litert: Path
    plugin: Path
    runner: Path
    origins: dict[str, str]


def unsupported() -> str | None:
    """One line that says why an emulated CPU cannot work on this system; None where it can."""
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine not in ("x86_64", "AMD64"):
        return f"Emulated CPUs need Linux on x86-64, and this is {system} on {machine}; `--device host` works."
    return None


def installation_folder() -> Path:
    """Where this version of tfcompress looks for its set-up; another content of the set-up has another folder."""
    return cache_folder() / f"emulator-{_signature()}"


def find_installation(*, thorough: bool = False) -> Installation:
    """The set-up of the cache folder.

    Args:
        thorough: Whether all files are read, also those that have not been touched since they were last found whole.

    Raises:
        DeviceError: Emulation cannot work on this system, or the set-up is missing or damaged.
    """
    installation, hashes = read_record()
    for why in problems(installation, hashes, thorough=thorough).values():
        raise DeviceError(f"{why} {HOW}")
    return installation


def read_record() -> tuple[Installation, dict[str, str]]:
    """What was installed, and the SHA-256 of each of its files.

    Raises:
        DeviceError: Emulation cannot work on this system, or the record is missing or damaged.
    """
    if reason := unsupported():
        raise DeviceError(reason)
    folder = installation_folder()
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return _from_record(folder, record), {str(name): str(digest) for name, digest in record["sha256"].items()}
    except FileNotFoundError as error:
        raise DeviceError(f"Emulated CPUs are not set up yet. {HOW}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeviceError(f"The set-up in {folder} is damaged ({error!r}). {HOW}") from error


def problems(installation: Installation, hashes: dict[str, str], *, thorough: bool) -> dict[str, str]:
    """What is wrong with each piece that is not whole, in one sentence; QEMU's libraries are part of it."""
    folder, found = installation_folder(), {}
    for piece, path in _paths(installation).items():
        if not path.exists():
            found[_reported(piece)] = f"The set-up lacks {piece} ({path})."
    for name, wrong in changed_files(folder, hashes, thorough=thorough).items():
        path = folder / name
        why = f"The set-up is damaged: {path} {wrong}."
        if not path.is_relative_to(folder):
            why = f"A file of the system, which the set-up uses, is not what it was: {path} {wrong}."
        owners = (piece for piece, place in _paths(installation).items() if path.is_relative_to(place))
        found.setdefault(_reported(next(owners, "qemu")), why)
    return found


def _reported(piece: str) -> str:
    return "qemu" if piece == "host_libraries" else piece


def record_of(installation: Installation, folder: Path) -> str:
    """What `read_record` reads: paths, those in `folder` relative to it, and the SHA-256 of each file in use."""
    paths = {name: _relative(path, folder) for name, path in _paths(installation).items()}
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in (RECORD, STAMPS)]
    outside = [installation.qemu, *(installation.guest_libraries / name for name in GUEST_LIBRARIES)]
    files += [path for path in outside if path.is_file() and not path.is_relative_to(folder)]
    hashes = {_relative(path, folder): sha256(path) for path in sorted(files)}
    return json.dumps({"paths": paths, "origins": installation.origins, "sha256": hashes}, indent=2) + "\n"


def capstone_installed() -> bool:
    """Whether the disassembler is there, which is a Python package and no part of the cache folder."""
    return importlib.util.find_spec("capstone") is not None


def _paths(installation: Installation) -> dict[str, Path]:
    paths = {
        "qemu": installation.qemu,
        "guest_libraries": installation.guest_libraries,
        "litert": installation.litert,
        "plugin": installation.plugin,
        "runner": installation.runner,
    }
    return paths | ({"host_libraries": installation.host_libraries} if installation.host_libraries else {})


def _from_record(folder: Path, record: dict[str, Any]) -> Installation:
    paths = {name: folder / path for name, path in record["paths"].items()}
    return Installation(host_libraries=paths.pop("host_libraries", None), **paths, origins=record["origins"])


def _relative(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


@functools.cache
def _signature() -> str:
    """Names the content of the set-up: the pinned versions, and our own programs."""
    digest = hashlib.sha256()
    for path in [Path(pinned.__file__), *native_sources()]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
