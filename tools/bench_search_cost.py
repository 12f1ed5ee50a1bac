"""What a search costs beside its trials, what a second worker and a Ray cluster gain, and the memory of its process.

The same trials run with one worker, with two and on a Ray cluster of this machine, in turn; each trains the
Fashion-MNIST network on one thread. The memory is that of the process that asks and tells, over trials that train a
second each.
"""

import shutil
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import keras
import numpy as np

import tfcompress as tfc
from tfcompress.files import write_text
from tfcompress.table import aligned
from tools import search_fashion
from tools.train_lenet5 import pixels

_REPRESENTATIVE = 200
_SPACE = tfc.SearchSpace(channels=(1.0,), sparsity=(0.5, 0.6, 0.7, 0.8), clusters=(0, 16), trained_ranges=(False,))
_WAYS: dict[str, dict[str, Any]] = {
    "one worker": {"workers": 1},
    "two workers": {"workers": 2},
    "Ray, two CPUs": {"executor": "ray"},
}


@dataclass(frozen=True)
class Run:
    """One search: its seconds, those of its trials together, and the figures of each trial."""

    seconds: float
    in_trials: float
    figures: tuple[dict[str, float] | None, ...]


def run(folder: Path, way: str, trials: int) -> Run:
    """A new search in an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    model = search_fashion.trained(folder.parent / "fashion.keras")
    started = time.monotonic()
    found = tfc.search(
        model,
        search_fashion.fit,
        search_fashion.evaluate,
        {"packed_bytes": 4 * model.count_params()},
        folder,
        evaluate_file=search_fashion.evaluate_file,
        representative=pixels(search_fashion.images().x_train[:_REPRESENTATIVE]),
        space=_SPACE,
        trials=trials,
        batch=trials,
        **_WAYS[way],
    )
    trained = [trial for trial in found.trials if trial.trained]
    return Run(
        time.monotonic() - started,
        sum(trial.seconds for trial in trained),
        tuple(trial.figures for trial in trained),
    )


def table(runs: dict[str, list[Run]]) -> str:
    """A line for each way: the median with its range, what is not in trials, and the gain over one worker."""
    alone = statistics.median(one.seconds for one in runs["one worker"])
    lines: list[tuple[str, ...]] = [
        ("way", "seconds", "smallest to largest", "in trials", "beside trials", "gain", "same figures")
    ]
    for way, own in runs.items():
        seconds = [one.seconds for one in own]
        in_trials = statistics.median(one.in_trials for one in own)
        median = statistics.median(seconds)
        beside = f"{100 * (median / in_trials - 1):.1f} %" if way == "one worker" else "-"
        same = all(one.figures == runs["one worker"][0].figures for one in own)
        spread = f"{min(seconds):.0f} to {max(seconds):.0f}"
        gain = f"{alone / median:.2f}"
        lines.append((way, f"{median:.0f}", spread, f"{in_trials:.0f}", beside, gain, "yes" if same else "no"))
    return aligned(lines)


@contextmanager
def _resident_bytes(folder: Path) -> Iterator[list[tuple[int, int]]]:
    """Appends, each second until the block ends, how many trials have ended and what this process holds."""
    found, ended = list[tuple[int, int]](), threading.Event()

    def look() -> None:
        while not ended.wait(1):
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            found.append((len(list(folder.glob("trials/*/outcome.json"))), pages * 4096))

    watch = threading.Thread(target=look)
    watch.start()
    try:
        yield found
    finally:
        ended.set()
        watch.join()


def _points(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy points about three centres in 16 dimensions, and the number of each one's centre."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, 512)
    centres = np.random.default_rng(99).normal(size=(3, 16))
    return (centres[labels] + generator.normal(0, 0.7, (512, 16))).astype("float32"), labels


def _fit_points(model: keras.Model, callbacks: list[Any]) -> None:
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(*_points(0), batch_size=64, callbacks=callbacks, verbose=0)


def _evaluate_points(model: keras.Model) -> float:
    x, labels = _points(1)
    return float((model.predict_on_batch(x).argmax(axis=-1) == labels).mean())


def memory(folder: Path, trials: int) -> str:
    """What the process of a search holds after tenths of its trials, in a sentence."""
    shutil.rmtree(folder, ignore_errors=True)
    keras.utils.set_random_seed(0)
    stack = [keras.Input((16,)), keras.layers.Dense(48, activation="relu"), keras.layers.Dense(24, activation="relu")]
    model = keras.Sequential([*stack, keras.layers.Dense(3)])
    _fit_points(model, [])
    with _resident_bytes(folder) as found:
        tfc.search(
            model, _fit_points, _evaluate_points, {"packed_bytes": 100_000}, folder, representative=_points(0)[0],
            trials=trials, workers=2,
        )  # fmt: skip
    marks = [next(size for done, size in found if done >= trials * tenth // 10) for tenth in range(1, 10)]
    held = ", ".join(f"{size / 1e6:.0f}" for size in [*marks, found[-1][1]])
    return f"Megabytes held by the search's process after each tenth of {trials} trials: {held}."


@click.command()
@click.option("-o", "--output", default="runs/search_cost", show_default=True, type=click.Path(path_type=Path))
@click.option("--trials", default=8, show_default=True, type=click.IntRange(2, _SPACE.size))
@click.option("--rounds", default=1, show_default=True, type=click.IntRange(1))
@click.option("--memory-trials", default=100, show_default=True, type=click.IntRange(10))
def main(output: Path, trials: int, rounds: int, memory_trials: int) -> None:
    """Measure what a search costs beside its trials, and what more workers gain."""
    runs: dict[str, list[Run]] = {way: [] for way in _WAYS}
    for _ in range(rounds):
        for way, own in runs.items():
            own.append(run(output / "search", way, trials))
    text = "\n".join([f"{trials} trials, rounds: {rounds}", table(runs), "", memory(output / "memory", memory_trials)])
    write_text(output / "table.txt", text + "\n")
    click.echo(text)


if __name__ == "__main__":
    main()
