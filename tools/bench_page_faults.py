"""What a training step costs with and without `tfcompress.memory.keep_freed_memory`: its page faults and its time.

Each run is a process of its own, and both take turns: two epochs of warming up, then the steps that count.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

import click
import keras
import numpy as np

from tfcompress.memory import keep_freed_memory
from tfcompress.progress import task
from tfcompress.table import aligned
from tools.distillation_images import dense, maxout
from tools.train_lenet5 import compile_for

_BATCHES = 20
_NETWORKS = {
    "two dense layers of 1200 units, batches of 256": (lambda: dense(1200, dropout=0.25), 256),
    "three dense layers of 2048 units, batches of 128": (lambda: _deep(2048, 3), 128),
    "six maxout convolutions, batches of 64": (lambda: maxout((16, 16, 16, 16, 12, 12)), 64),
    "six maxout convolutions, batches of 256": (lambda: maxout((16, 16, 16, 16, 12, 12)), 256),
}


@dataclass(frozen=True)
class Step:
    """One step: milliseconds of the clock and of the cores, page faults; and the most memory of all, in MB."""

    wall: float
    cores: float
    faults: float
    peak: float


def _deep(units: int, count: int) -> keras.Model:
    hidden = [keras.layers.Dense(units, activation="relu") for _ in range(count)]
    return keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), *hidden, keras.layers.Dense(10)])


def train(network: str, *, keep: bool) -> Step:
    """Trains in this process, and tells what a step took."""
    if keep:
        keep_freed_memory()
    build, batch = _NETWORKS[network]
    generator = np.random.default_rng(0)
    images = generator.random((_BATCHES * batch, 28, 28, 1), "float32")
    labels = generator.integers(0, 10, len(images))
    model = build()
    compile_for(model, 4 * _BATCHES, 1e-3)
    model.fit(images, labels, batch, 2, verbose=0)
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    model.fit(images, labels, batch, 2, verbose=0)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    cores = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    steps = 2 * _BATCHES
    faults = (after.ru_minflt - before.ru_minflt) / steps
    return Step(1000 * wall / steps, 1000 * cores / steps, faults, after.ru_maxrss / 1e3)


def _measured(network: str, side: str) -> Step:
    command = [sys.executable, "-m", "tools.bench_page_faults", "--side", network, side]
    variables = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    environment = variables | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    finished = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Step(**json.loads(finished.stdout))


def lines_of(steps: dict[tuple[str, str], list[Step]]) -> list[tuple[str, ...]]:
    """A heading, and a line for each network and side: medians over the rounds, and the range of the time."""
    lines: list[tuple[str, ...]] = [("network", "freed memory", "ms a step", "range", "ms of a core", "faults", "MB")]
    for (network, side), rounds in steps.items():
        walls = [step.wall for step in rounds]
        cores, faults, peak = (
            statistics.median(getattr(step, key) for step in rounds) for key in ("cores", "faults", "peak")
        )
        spread = f"{min(walls):.0f} to {max(walls):.0f}"
        lines.append(
            (network, side, f"{statistics.median(walls):.0f}", spread, f"{cores:.0f}", f"{faults:,.0f}", f"{peak:,.0f}")
        )
    return lines


@click.command()
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--side", nargs=2, help="NETWORK SIDE: measure one side in this process.")
def main(rounds: int, side: tuple[str, str] | None) -> None:
    """Measure what a training step takes with glibc as it is, and where it keeps freed memory as in our commands."""
    if side:
        click.echo(json.dumps(asdict(train(side[0], keep=side[1] == "kept"))))
        return
    keys = [(network, side) for network in _NETWORKS for side in ("as glibc does", "kept")]
    steps: dict[tuple[str, str], list[Step]] = {key: [] for key in keys}
    with task("measuring", total=rounds * len(keys)) as progress:
        for _ in range(rounds):
            for key in keys:
                steps[key].append(_measured(*key))
                progress.advance()
    click.echo(aligned(lines_of(steps), left=2))


if __name__ == "__main__":
    main()
