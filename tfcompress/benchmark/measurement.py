"""How fast a `.tflite` is on a named device, written into its card."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tfcompress.benchmark.devices import HOST, find_device
from tfcompress.benchmark.emulated import measure_emulated
from tfcompress.benchmark.emulator.cpus import require_possible
from tfcompress.benchmark.emulator.guest import require_memory
from tfcompress.benchmark.emulator.setup.installation import find_installation
from tfcompress.benchmark.host import measure_on_host
from tfcompress.card import Card
from tfcompress.errors import DeviceError
from tfcompress.files import sha256
from tfcompress.progress import task
from tfcompress.runtime.session import existing
from tfcompress.tflite.inspection import card_of

FEWEST_RUNS = 30  # a median and a 90th percentile of fewer say little


def measure(
    path: str | Path,
    device: str | Path = HOST,
    *,
    runs: int = 50,
    warmup: int = 10,
    threads: int = 1,
    against: str | Path | None = None,
    save: bool = True,
) -> Card:
    """Measures the latency of a `.tflite` and adds it to the card beside the file.

    The card beside the file is used when it describes these very bytes (SHA-256); otherwise one is made from what the
    file holds. A measurement on the same device replaces the older one. On an emulated CPU one inference is counted, on
    one thread, and its time is an estimate (docs/emulated_cpu.md).

    Args:
        path: The `.tflite` file.
        device: `"host"`, the name of an emulated CPU such as `"cortex-a55"`, or the path of a user's own `.toml` file.
        runs: How many runs are timed on the host, 30 or more.
        warmup: How many runs come first on the host, untimed.
        threads: How many threads the runtime may use; an emulated CPU has one.
        against: A second file, measured in the same way, whose latency over that of `path` is the `speedup_rate`.
        save: Whether the card is written beside the file.

    Returns:
        The card, whose `latency_ms`, `instructions`, `speedup_rate`, `device` and `kind` are of this measurement.

    Raises:
        DeviceError: The device is unknown or not set up, a number is out of its range, or the file failed, crashed or
            hung there.
        FormatError: A file is not there, damaged, or LiteRT does not load it.
        OutputError: The card cannot be written.
        MissingPackageError: A package that emulation needs is not installed.

    Example:
        The example of `tfcompress.convert` runs this.

        >>> measure("phone.tflite").latency_ms  # doctest: +SKIP
        {'median': 0.457, 'p90': 0.527}
    """
    measurer = measurer_for(device, runs=runs, warmup=warmup, threads=threads)
    source, other = existing(path), None if against is None else existing(against)
    if str(device) != HOST:
        for file in [source, *([other] if other else [])]:
            require_memory(file)
    card = card_of(source)
    measurement = measurer(source)
    if other is not None:
        measurement |= _speedup(measurement, other, measurer(other))
    card = with_measurement(card, measurement)
    if save:
        card.save_beside(source)
    return card


def _speedup(measurement: dict[str, Any], other: Path, measurement_of_other: dict[str, Any]) -> dict[str, Any]:
    before, after = (item["latency_ms"]["median"] for item in (measurement_of_other, measurement))
    return {"speedup_rate": before / after, "against": {"name": other.name, "sha256": sha256(other)}}


def measurer_for(device: str | Path, *, runs: int, warmup: int, threads: int) -> Callable[[Path], dict[str, Any]]:
    """What measures a file on a device and gives an entry of `Card.measurements`; wrong settings are refused here.

    Raises:
        DeviceError: The device is unknown or not set up, or a number is out of its range.
    """
    if str(device) == HOST:
        if runs < FEWEST_RUNS or warmup < 0:
            raise DeviceError(
                f"A measurement takes {FEWEST_RUNS} or more runs after 0 or more to warm up; "
                f"received {runs} and {warmup}."
            )
        measurer = partial(measure_on_host, runs=runs, warmup=warmup, threads=threads)
    else:
        emulated = find_device(device)
        if threads != 1:
            raise DeviceError(f"An emulated CPU is measured on one thread; received {threads} threads.")
        require_possible(find_installation(), emulated)  # what is missing is said before the file is read
        measurer = partial(measure_emulated, device=emulated)

    def shown(source: Path) -> dict[str, Any]:
        with task(f"measuring {source.name} on {device}"):
            return measurer(source)

    return shown


def with_measurement(card: Card, measurement: dict[str, Any]) -> Card:
    """The card with a measurement added, in place of an older one on the same device, and made the one it names."""
    others = [item for item in card.measurements if item.get("device") != measurement["device"]]
    return replace(
        card,
        latency_ms=measurement.get("latency_ms"),
        instructions=measurement.get("instructions"),
        speedup_rate=measurement.get("speedup_rate"),
        device=measurement["device"],
        kind=measurement["kind"],
        measurements=[*others, measurement],
    )
