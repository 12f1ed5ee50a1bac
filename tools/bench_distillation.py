"""Distillation as the papers tell it, measured: who makes how many errors of 10,000, with seeds; and what a step costs.

All networks are tested on images that nothing else looks at. A run that was stopped goes on where it was.
"""

import statistics
from collections.abc import Callable
from pathlib import Path

import click

from tfcompress.files import write_text
from tfcompress.table import aligned
from tools.distillation_images import Effort, Result, apprentice, fitnets, hinton
from tools.distillation_sequences import sequences
from tools.distillation_speed import speed

Experiment = Callable[[Path, int], list[Result]]


def experiments(share: float) -> dict[str, Experiment]:
    """The experiments by name, each for a folder and a seed; `share` of the full number of epochs."""

    def epochs(full: int) -> int:
        return max(1, round(full * share))

    dense = Effort(teacher=epochs(60), student=epochs(40), batch=256)
    thin = Effort(teacher=epochs(6), student=epochs(6), rate=2e-3)
    small = Effort(teacher=epochs(6), student=epochs(5), technique=epochs(4), rate=2e-3)
    return {
        "hinton": lambda folder, seed: hinton(folder, seed, dense),
        "fitnets": lambda folder, seed: fitnets(folder, seed, thin),
        "apprentice": lambda folder, seed: apprentice(folder, seed, small),
        "sequences": lambda folder, seed: sequences(folder, seed, (epochs(20), epochs(30))),
    }


def table(results: dict[str, list[list[Result]]]) -> str:
    """A line for each network: errors of the float model, mean and range over seeds, and of the int8 file."""
    lines: list[tuple[str, ...]] = [("experiment", "network", "errors of 10,000", "range", "int8 errors")]
    for experiment, seeds in results.items():
        for same in zip(*seeds, strict=True):
            errors = [one.errors for one in same]
            int8 = [round(10_000 * (1 - one.card.accuracy)) for one in same if one.card and one.card.accuracy]
            mean = f"{statistics.mean(int8):.1f}" if int8 else "-"
            spread = f"{min(errors)} to {max(errors)}"
            lines.append((experiment, same[0].name, f"{statistics.mean(errors):.1f}", spread, mean))
    return aligned(lines, left=2)


@click.command()
@click.option("-o", "--output", default="runs/distillation", type=click.Path(path_type=Path), show_default=True)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--only", default="", help="Experiments whose name contains this.")
@click.option("--epochs", default=1.0, show_default=True, help="The share of the epochs to train for.")
def main(output: Path, seeds: int, only: str, epochs: float) -> None:
    """Measure distillation: Hinton's and FitNets' MNIST, Apprentice's 4 bits on Fashion-MNIST, sequences, speed."""
    output.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[list[Result]]] = {}
    for name, experiment in experiments(epochs).items():
        if only not in name:
            continue
        results[name] = []
        for seed in range(seeds):
            results[name].append(experiment(output, seed))
            click.echo(table({name: results[name]}), err=True)
    if only in "speed":
        for network in ("dense", "mobilenet"):
            rows = [("step", "median ms (quartiles)", ""), *speed(network, 128 if network == "dense" else 32)]
            click.echo(f"{network}\n{aligned(rows, left=2)}\n")
    if not results:
        return
    text = table(results)
    write_text(output / "table.txt", f"{text}\n\n{seeds} seeds, {epochs:g} of the full number of epochs.\n")
    click.echo(text)


if __name__ == "__main__":
    main()
