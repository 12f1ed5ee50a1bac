"""The mobile CPUs that a file can be measured on by emulation: devices.toml, and a user's own file of the same form."""

import functools
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from tfcompress.errors import DeviceError, suggestion

HOST = "host"
_LARGEST_CACHE = 1 << 30
Part = TypeVar("Part")


@dataclass(frozen=True)
class Cache:
    """One level of data cache with lines of 64 bytes.

    Attributes:
        bytes: Its size, a multiple of 64 times `ways`, at most 1 GiB.
        ways: Lines per set, 1 or more.
    """

    bytes: int
    ways: int

    def __post_init__(self) -> None:
        if self.ways < 1 or not 1 <= self.bytes <= _LARGEST_CACHE or self.bytes % (64 * self.ways):
            raise DeviceError(
                f"A cache of {self.bytes} bytes and {self.ways} ways is not possible: "
                f"bytes must be a multiple of 64 times the ways, at most {_LARGEST_CACHE}."
            )


@dataclass(frozen=True)
class CpuInfo:
    """How a CPU of Arm names itself in /proc/cpuinfo; `features` must not exceed what the emulated CPU has."""

    variant: int
    part: int
    revision: int
    features: str

    def __post_init__(self) -> None:
        for key in ("variant", "part", "revision"):
            if not 0 <= getattr(self, key) <= 0xFFF:
                raise DeviceError(f"cpuinfo.{key} must lie between 0 and 0xfff; received {getattr(self, key)}.")
        if not (self.features.isascii() and self.features.isprintable()):
            raise DeviceError(f"cpuinfo.features must be plain words, as in /proc/cpuinfo; received {self.features!r}.")


@dataclass(frozen=True)
class Device:
    """A named mobile CPU; the fields are the keys of devices.toml.

    Attributes:
        name: The name in devices.toml, or of the user's file.
        description: What it is, for people.
        core: The model that turns instructions into cycles: a file of emulator/cores, or the path of a user's own, in a
            user's file relative to that file.
        clock_mhz: The clock at which cycles become milliseconds, in MHz.
        qemu_cpu: QEMU's `-cpu`.
        cpuinfo: The identity that the guest sees.
        l1d: The simulated first level of data cache.
        l2: The simulated second level.
    """

    name: str
    description: str
    core: str
    clock_mhz: int
    qemu_cpu: str
    cpuinfo: CpuInfo
    l1d: Cache
    l2: Cache


@functools.cache
def devices() -> dict[str, Device]:
    """The devices of devices.toml, by name.

    Example:
        >>> devices()["cortex-a55"].clock_mhz
        1800
    """
    table = tomllib.loads(files("tfcompress.benchmark").joinpath("devices.toml").read_text(encoding="utf-8"))
    return {name: _device(name, entry) for name, entry in table.items()}


def find_device(name: str | Path) -> Device:
    """The device of a name, or of a user's file.

    Args:
        name: A key of devices.toml, or the path of a `.toml` file with the keys of one entry; there `like` names the
            device from which the keys that are left out are taken.

    Raises:
        DeviceError: The name is unknown, or the file is missing, no TOML, or has wrong or missing keys.

    Example:
        >>> find_device("cortex-a76").l1d
        Cache(bytes=65536, ways=4)
    """
    if str(name).endswith(".toml"):
        return _from_file(Path(name))
    if str(name) not in devices():
        known = [HOST, *devices()]
        raise DeviceError(
            f"There is no device {str(name)!r}. {suggestion(str(name), known)} "
            "A device of your own is a .toml file; see docs/emulated_cpu.md."
        )
    return devices()[str(name)]


def _from_file(path: Path) -> Device:
    if path.stem in (HOST, *devices()):
        raise DeviceError(
            f"{path}: {path.stem} is a device already, and the card tells devices apart by name. Rename the file."
        )
    with reading(path, "device"):
        entry = tomllib.loads(path.read_text(encoding="utf-8"))
        if str(entry.get("core")).endswith(".toml"):
            entry["core"] = str(path.parent.absolute() / entry["core"])
        if "like" in entry:
            entry = _entry_of(_liked(entry.pop("like"))) | entry
        return _device(path.stem, entry)


@contextmanager
def reading(source: Path | Traversable, what: str) -> Iterator[None]:
    """Whatever is wrong with a `.toml` file that the block reads becomes a DeviceError that names the file."""
    try:
        yield
    except OSError as error:
        raise DeviceError(f"{source}: this {what} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DeviceError(f"{source}: this {what} is not TOML: {error}.") from error
    except DeviceError as error:
        raise DeviceError(f"{source}: {error}") from error


def _liked(name: Any) -> Device:
    if name not in list(devices()):  # another file could lead back to this one
        raise DeviceError(f"like must be one of {', '.join(devices())}; received {name!r}.")
    return devices()[name]


def _entry_of(device: Device) -> dict[str, Any]:
    return {item.name: getattr(device, item.name) for item in fields(Device) if item.name != "name"}


def _device(name: str, entry: dict[str, Any]) -> Device:
    wanted = {item.name for item in fields(Device)} - {"name"}
    if unknown := sorted(set(entry) - wanted):
        raise DeviceError(f"A device has no key {unknown[0]!r}. {suggestion(unknown[0], wanted)}")
    if missing := sorted(wanted - set(entry)):
        raise DeviceError(
            f"This device has no {', '.join(missing)}. Add {'it' if len(missing) == 1 else 'them'}, or say "
            'which device it resembles: like = "cortex-a55".'
        )
    clock = entry["clock_mhz"]
    if not isinstance(clock, int) or not 1 <= clock <= 10_000:
        raise DeviceError(f"clock_mhz must be a whole number from 1 to 10000; received {clock!r}.")
    return Device(
        name=name,
        description=_text("description", entry["description"], spaces=True),
        core=_text("core", entry["core"], spaces=True),
        clock_mhz=clock,
        qemu_cpu=_text("qemu_cpu", entry["qemu_cpu"]),
        cpuinfo=_part(CpuInfo, "cpuinfo", entry["cpuinfo"]),
        l1d=_part(Cache, "l1d", entry["l1d"]),
        l2=_part(Cache, "l2", entry["l2"]),
    )


def _part(kind: type[Part], key: str, value: Any) -> Part:
    """A nested table as its dataclass; one that is taken over from another device is one already."""
    if isinstance(value, kind):
        return value
    types = get_type_hints(kind)
    if not isinstance(value, dict) or set(value) != set(types):
        raise DeviceError(f"{key} must be a table with {', '.join(types)}; received {value!r}.")
    for name, expected in types.items():
        if not isinstance(value[name], expected):
            raise DeviceError(f"{key}.{name} must be {expected.__name__}; received {value[name]!r}.")
    return kind(**value)


def _text(key: str, value: Any, *, spaces: bool = False) -> str:
    if not isinstance(value, str) or not value or (not spaces and len(value.split()) != 1):
        raise DeviceError(f"{key} must be a {'line of text' if spaces else 'single word'}; received {value!r}.")
    return value
