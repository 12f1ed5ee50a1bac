"""What of the set-up is there, what is missing, and how to get it."""

from dataclasses import dataclass
from importlib.metadata import version

from tfcompress.benchmark.emulator.setup import debian
from tfcompress.benchmark.emulator.setup.installation import (
    HOW,
    capstone_installed,
    problems,
    read_record,
    unsupported,
)
from tfcompress.errors import DeviceError

_NAMES = {
    "qemu": "QEMU with plugins",
    "guest_libraries": "AArch64 C library",
    "litert": "AArch64 LiteRT",
    "plugin": "counting plugin",
    "runner": "guest program",
}


@dataclass(frozen=True)
class Piece:
    """One thing that emulation needs.

    Attributes:
        name: What it is, for people.
        present: Whether it is there.
        detail: Where it comes from; when it is not whole, what is wrong with this piece alone.
    """

    name: str
    present: bool
    detail: str


@dataclass(frozen=True)
class Status:
    """How the set-up stands.

    Attributes:
        pieces: All that emulation needs.
        advice: What to do about everything that is missing; None when nothing is, or nothing can be done here.
    """

    pieces: tuple[Piece, ...]
    advice: str | None


def status() -> Status:
    """All that emulation needs, and how each piece stands; every file is read."""
    reason = unsupported()
    system = Piece("Linux on x86-64", reason is None, reason or "")
    capstone = (
        Piece("disassembler", True, f"capstone {version('capstone')}")
        if capstone_installed()
        else Piece("disassembler", False, "pip install 'tfcompress[emulator]'")
    )
    try:
        installation, hashes = read_record()
    except DeviceError as error:
        missing = (Piece(name, False, "") for name in _NAMES.values())
        return Status((system, *missing, capstone), None if reason else _how_to_install(str(error)))
    wrong = problems(installation, hashes, thorough=True)
    found = (
        Piece(name, key not in wrong, wrong.get(key) or installation.origins.get(key, ""))
        for key, name in _NAMES.items()
    )
    return Status((system, *found, capstone), HOW if wrong else None)


def _how_to_install(why: str) -> str:
    if lacking := debian.missing_tools():
        return (
            f"Emulated CPUs need Debian 12, also in a container ({', '.join(lacking)} not found here); "
            "`--device host` works everywhere."
        )
    return why
