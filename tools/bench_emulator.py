"""What counting and cache simulation cost beside plain QEMU, in processor seconds per inference.

The three ways take turns, so that whatever else the machine does falls on all of them, and processor time is taken, not
wall time. A run of one inference is subtracted from a run of several, which leaves out the start.
"""

import resource
import statistics
from dataclasses import replace
from pathlib import Path

import click

from tfcompress.benchmark.devices import find_device
from tfcompress.benchmark.emulator.guest import Settings, run_guest
from tfcompress.benchmark.emulator.setup.install import install
from tfcompress.table import aligned
from tfcompress.tflite.inspection import inspect

_WAYS = {
    "plain QEMU": Settings(counted=False),
    "counting": Settings(caches=False),
    "with caches": Settings(),
}
_SIZES = {"int8": 1, "uint8": 1, "float32": 4}


def seconds(file: Path, device: str, way: Settings, inferences: int) -> float:
    """Processor seconds of one guest that runs `inferences` times after its warm-up."""
    size = 0
    for item in inspect(file).inputs:
        count = _SIZES[item["type"]]
        for length in item["shape"]:
            count *= max(1, length)
        size += count
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run_guest(install(), find_device(device), file.resolve(), replace(way, samples=[bytes(size)] * inferences))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--device", default="cortex-a55", show_default=True)
@click.option("--inferences", default=10, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(file: Path, device: str, inferences: int, rounds: int) -> None:
    """Compare the three ways on FILE."""
    taken: dict[str, list[float]] = {name: [] for name in _WAYS}
    for _ in range(rounds):
        for name, way in _WAYS.items():
            several, one = (seconds(file, device, way, count) for count in (inferences + 1, 1))
            taken[name].append((several - one) / inferences)
    plain = taken["plain QEMU"]
    rows = [("way", "processor s per inference", "ratio")]
    for name, values in taken.items():
        ratio = statistics.median(value / base for value, base in zip(values, plain, strict=True))
        rows.append((name, f"{statistics.median(values):.3f}", f"{ratio:.2f}"))
    click.echo(f"{file.name} on {device}, median of {rounds} rounds\n{aligned(rows)}")


if __name__ == "__main__":
    main()
