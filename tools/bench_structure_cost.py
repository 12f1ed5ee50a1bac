"""What it takes to change the structure of large models: seconds and memory of grouping, pruning and factorizing.

Each job runs in a process of its own, which builds the model with random weights first; the seconds are those of the
job, the memory is the peak of the whole process.
"""

import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import click
import keras

import tfcompress as tfc
from tfcompress.progress import task
from tfcompress.table import aligned


@dataclass(frozen=True)
class Job:
    """What is done to which model of keras.applications, and the seconds and bytes that it may take."""

    name: str
    family: str
    run: Callable[[keras.Model], str]
    seconds: float
    most_bytes: float | None = None


def _grouped(model: keras.Model) -> str:
    return f"{len(tfc.channel_groups(model).groups)} groups"


def _pruned(model: keras.Model) -> str:
    return _macs_left(model, tfc.ChannelPruning(macs=0.5).wrap(model))


def _factorized_by_vbmf(model: keras.Model) -> str:
    return _macs_left(model, tfc.LowRank(ranks="VBMF").wrap(model))


def _factorized(model: keras.Model) -> str:
    return _macs_left(model, tfc.LowRank().wrap(model))


def _macs_left(before: keras.Model, after: keras.Model) -> str:
    return f"{tfc.profile(after).macs / tfc.profile(before).macs:.3f} of the MACs"


JOBS = (
    Job("channel groups", "ResNet50", _grouped, 5),
    Job("ChannelPruning to half of the MACs", "ResNet50", _pruned, 60),
    Job("Tucker-2 with VBMF, all convolutions", "ResNet50", _factorized_by_vbmf, 180, 4e9),
    Job("LowRank", "MobileNetV2", _factorized, 60),
)


@dataclass(frozen=True)
class Cost:
    """What a job took, and what came out."""

    seconds: float
    peak_bytes: int
    outcome: str


def measured(number: int) -> Cost:
    """Runs one of the jobs in this process."""
    job = JOBS[number]
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, job.family)(weights=None)
    started = time.monotonic()
    outcome = job.run(model)
    seconds = time.monotonic() - started
    return Cost(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, outcome)


def table(costs: list[Cost]) -> str:
    """A line for each job."""
    lines: list[tuple[str, ...]] = [("job", "model", "seconds", "may take", "peak MB", "may take", "outcome")]
    for job, cost in zip(JOBS, costs, strict=True):
        megabytes = f"{cost.peak_bytes / 1e6:,.0f}"
        most = f"{job.most_bytes / 1e6:,.0f}" if job.most_bytes else "-"
        lines.append((job.name, job.family, f"{cost.seconds:.1f}", f"{job.seconds:g}", megabytes, most, cost.outcome))
    return aligned(lines, left=2)


@click.command()
def main() -> None:
    """Measure grouping and pruning ResNet50, Tucker-2 with VBMF on it, and LowRank on MobileNetV2, at 224 x 224."""
    costs = []
    with task("measuring", total=len(JOBS)) as progress:
        for number in range(len(JOBS)):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                costs.append(alone.submit(measured, number).result())
            progress.advance()
    click.echo(table(costs))


if __name__ == "__main__":
    main()
