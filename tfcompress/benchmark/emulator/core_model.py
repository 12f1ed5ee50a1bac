"""The model of a core: how wide it issues, its units, how each kind of instruction runs, and what cache misses cost."""

import functools
import tomllib
from collections.abc import Set
from dataclasses import MISSING, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from tfcompress.benchmark.devices import reading
from tfcompress.benchmark.emulator.instructions import KINDS
from tfcompress.errors import DeviceError, suggestion

_HIGHEST = 1024  # of any number of units, instructions or cycles in a core's file


@dataclass(frozen=True)
class Timing:
    """How one kind of instruction runs; a row of a core's table.

    Attributes:
        unit: The units that can take it; it takes the one that is free first.
        source: Where the numbers come from, or that they are assumed.
        latency: Cycles from issue to the result, 1 or more.
        also: Units of which one is taken beside `unit` for as long.
        lanes_64: How many units a 64-bit operation takes at once.
        lanes_128: How many units a 128-bit operation takes at once.
        cycles_64: Cycles for which a 64-bit operation keeps its units.
        cycles_128: Cycles for which a 128-bit operation keeps them.
        accumulator_latency: Cycles until the result may be the accumulator of the next operation of its kind, where it
            is forwarded earlier than `latency`.
        alone_128: Whether an in-order core issues nothing else while it issues a 128-bit operation.
    """

    unit: tuple[str, ...]
    source: str
    latency: int
    also: tuple[str, ...] = ()
    lanes_64: int = 1
    lanes_128: int = 1
    cycles_64: int = 1
    cycles_128: int = 1
    accumulator_latency: int | None = None
    alone_128: bool = False


@dataclass(frozen=True)
class MemoryCosts:
    """Cycles that a core loses per cache miss; a prefetcher foresees the misses of a stream.

    Attributes:
        l1_stream_cycles: A line that a stream takes from the second level.
        l1_random_cycles: Any other line from the second level.
        l2_stream_cycles: A line that a stream takes from memory.
        l2_random_cycles: Any other line from memory.
    """

    l1_stream_cycles: float
    l1_random_cycles: float
    l2_stream_cycles: float
    l2_random_cycles: float


@dataclass(frozen=True)
class CoreModel:
    """A core as the scoreboard sees it.

    Attributes:
        issue_width: Instructions that may begin in a cycle.
        reorder_window: Instructions in flight of an out-of-order core; 0 for an in-order one.
        units: How many of each unit there are.
        timing: A row for each of `KINDS`.
        memory: The costs of cache misses.
    """

    issue_width: int
    reorder_window: int
    units: dict[str, int]
    timing: dict[str, Timing]
    memory: MemoryCosts


@functools.cache
def load_core(name: str) -> CoreModel:
    """The model of a core, from cores/ of this package or from a user's own file.

    Args:
        name: Such as `"cortex-a53"`, or the path of a `.toml` file of the same form.

    Raises:
        DeviceError: There is no such model, or a row of it is missing, unknown or not possible.

    Example:
        >>> load_core("cortex-a55").issue_width
        2
    """
    folder = files("tfcompress.benchmark.emulator").joinpath("cores")
    source = Path(name) if name.endswith(".toml") else folder.joinpath(f"{name}.toml")
    if not source.is_file():
        known = [item.name.removesuffix(".toml") for item in folder.iterdir()]
        raise DeviceError(
            f"There is no model of the core {name!r}. {suggestion(name, known)} "
            "A model of your own is a .toml file; see docs/emulated_cpu.md."
        )
    with reading(source, "model of a core"):
        return _core(tomllib.loads(source.read_text(encoding="utf-8")))


def _core(table: dict[str, Any]) -> CoreModel:
    _require_keys("The model of a core", table, {item.name for item in fields(CoreModel)})
    for key in ("units", "timing", "memory"):
        if not isinstance(table[key], dict):
            raise DeviceError(f"[{key}] must be a table; received {table[key]!r}.")
    _require_keys("[timing]", table["timing"], set(KINDS))
    _require_keys("[memory]", table["memory"], {item.name for item in fields(MemoryCosts)})
    units = {name: _whole(f"[units] {name}", count, 1) for name, count in table["units"].items()}
    return CoreModel(
        issue_width=_whole("issue_width", table["issue_width"], 1),
        reorder_window=_whole("reorder_window", table["reorder_window"], 0),
        units=units,
        timing={kind: _timing(f"[timing] {kind}", table["timing"][kind], units) for kind in KINDS},
        memory=MemoryCosts(**{key: _cost(f"[memory] {key}", row) for key, row in table["memory"].items()}),
    )


def _timing(where: str, row: Any, units: dict[str, int]) -> Timing:
    if not isinstance(row, dict):
        raise DeviceError(f"{where} must be a table; received {row!r}.")
    row = dict(row)
    if "cycles" in row:
        row["cycles_64"] = row["cycles_128"] = row.pop("cycles")
    optional = {item.name for item in fields(Timing) if item.default is not MISSING}
    _require_keys(where, row, {item.name for item in fields(Timing)} - optional, optional)
    for key in ("unit", "also"):
        row[key] = _unit_names(f"{where}.{key}", row.get(key, ""), units)
    if not row["unit"]:
        raise DeviceError(f"{where}.unit names no unit; name one or more of {', '.join(units)}.")
    if not isinstance(row["source"], str) or not row["source"]:
        raise DeviceError(f"{where}.source must say where the numbers come from; received {row['source']!r}.")
    for key in set(row) - {"unit", "also", "source", "alone_128"}:
        _whole(f"{where}.{key}", row[key], 1)
    if not isinstance(row.get("alone_128", False), bool):
        raise DeviceError(f"{where}.alone_128 must be true or false; received {row['alone_128']!r}.")
    timing = Timing(**row)
    if sum(units[name] for name in timing.unit) < (lanes := max(timing.lanes_64, timing.lanes_128)):
        raise DeviceError(f"{where} takes {lanes} units at once, more than there are of {' and '.join(timing.unit)}.")
    return timing


def _unit_names(where: str, value: Any, units: dict[str, int]) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise DeviceError(f'{where} must be names of units, such as "F0 F1"; received {value!r}.')
    for name in value.split():
        if name not in units:
            raise DeviceError(f"{where} uses the unit {name!r}, which is not in [units]. {suggestion(name, units)}")
    return tuple(value.split())


def _whole(where: str, value: Any, lowest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= _HIGHEST:
        raise DeviceError(f"{where} must be a whole number from {lowest} to {_HIGHEST}; received {value!r}.")
    return value


def _cost(where: str, row: Any) -> float:
    value = row.get("value") if isinstance(row, dict) else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _HIGHEST:
        raise DeviceError(
            f"{where} must be a table with a value from 0 to {_HIGHEST} cycles and a source; received {row!r}."
        )
    return value


def _require_keys(where: str, table: dict[str, Any], wanted: set[str], optional: Set[str] = frozenset()) -> None:
    if unknown := sorted(set(table) - wanted - optional):
        raise DeviceError(f"{where} has no {unknown[0]!r}. {suggestion(unknown[0], wanted | optional)}")
    if missing := sorted(wanted - set(table)):
        raise DeviceError(f"{where} lacks {', '.join(missing)}.")
