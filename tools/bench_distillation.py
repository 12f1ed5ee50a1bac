"""Distillation as the papers tell it, measured: who makes how many errors of 10,000, with seeds; and what a step costs.

All networks are tested on samples that nothing else looks at. A run that was stopped goes on where it was.
"""

import json
import shutil
import statistics
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click

from tfcompress.files import write_text
from tfcompress.table import aligned, cell
from tools.distillation_images import Effort, Result, apprentice, fitnets, hinton
from tools.distillation_sequences import sequences
from tools.distillation_speed import speed
from tools.results import with_table

Experiment = Callable[[Path, int], list[Result]]

_PUBLISHED = Path(__file__).resolve().parents[1] / "docs" / "results" / "distillation"
# For each experiment its networks: the errors of 10,000 that were asked for, and the paper's.
_ASKED: dict[str, dict[str, tuple[str, float | None]]] = {
    "hinton": {
        "teacher": ("at most 75", 67),
        "student alone": ("at least 120", 146),
        "student distilled, T = 20": ("at most 90", 74),
    },
    "fitnets": {
        "teacher": ("", 55),
        "student alone": ("most of the three", 190),
        "student, soft targets": ("between the two", 65),
        "student, hints, then soft targets": ("at most 65", 51),
    },
    "apprentice": {"4 bits with the teacher": ("at most as alone", None)},
    "sequences": {"student after, greedy": ("at most as before with beams", None)},
}


def experiments(share: float) -> dict[str, Experiment]:
    """The experiments by name, each for a folder and a seed; `share` of the full number of epochs."""

    def epochs(full: int) -> int:
        return max(1, round(full * share))

    dense = Effort(teacher=epochs(80), student=epochs(40), batch=256)
    thin = Effort(teacher=epochs(6), student=epochs(6), technique=epochs(2), batch=64, rate=2e-3)
    small = Effort(teacher=epochs(6), student=epochs(5), technique=epochs(4), rate=2e-3)
    return {
        "hinton": lambda folder, seed: hinton(folder, seed, dense),
        "fitnets": lambda folder, seed: fitnets(folder, seed, thin),
        "apprentice": lambda folder, seed: apprentice(folder, seed, small),
        "sequences": lambda folder, seed: sequences(folder, seed, (epochs(20), epochs(30))),
    }


def measured(name: str, experiment: Experiment, folder: Path, seed: int) -> list[Result]:
    """The results of an experiment with one seed; those of a run before are read."""
    kept = folder / f"{name}-{seed}.json"
    if not kept.exists():
        found = [asdict(result) for result in experiment(folder, seed)]
        write_text(kept, json.dumps(found, indent=2) + "\n")
    return [Result(**result) for result in json.loads(kept.read_text(encoding="utf-8"))]


def lines_of(results: dict[str, list[list[Result]]]) -> list[tuple[str, ...]]:
    """A heading, and a line for each network: errors, their range over seeds, what was asked, the paper's, int8's."""
    lines: list[tuple[str, ...]] = [
        ("experiment", "network", "errors of 10,000", "range", "seeds", "asked", "in the paper", "of the int8 file")
    ]
    for experiment, seeds in results.items():
        for same in zip(*seeds, strict=True):
            errors = [one.errors for one in same]
            int8 = [one.int8_errors for one in same if one.int8_errors is not None]
            asked, paper = _ASKED.get(experiment, {}).get(same[0].name, ("", None))
            spread = f"{min(errors)} to {max(errors)}"
            lines.append(
                (
                    *(
                        experiment,
                        same[0].name,
                        f"{statistics.mean(errors):.1f}",
                        spread,
                        str(len(errors)),
                        asked or "-",
                    ),
                    *(cell(paper, ".0f"), cell(statistics.mean(int8) if int8 else None, ".1f")),
                )
            )
    return lines


def publish(output: Path) -> None:
    """Writes all that the folder holds into docs/results/distillation.md, and the cards of the first seed beside it."""
    results = {}
    for name in _ASKED:
        files = sorted(output.glob(f"{name}-[0-9].json"))
        if files:
            results[name] = [[Result(**one) for one in json.loads(path.read_text(encoding="utf-8"))] for path in files]
    head, *rows = [f"| {' | '.join(line)} |" for line in lines_of(results)]
    rule = "| --- | --- |" + " ---: |" * (head.count("|") - 3)
    page = _PUBLISHED.with_suffix(".md")
    write_text(page, with_table(page.read_text(encoding="utf-8"), "\n".join([head, rule, *rows]) + "\n"))
    _PUBLISHED.mkdir(parents=True, exist_ok=True)
    for seeds in results.values():
        for result in seeds[0]:
            shutil.copyfile(output / result.card, _PUBLISHED / result.card)


@click.command()
@click.option("-o", "--output", default="runs/distillation", type=click.Path(path_type=Path), show_default=True)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--only", default="", help="Experiments whose name contains this, or speed.")
@click.option("--epochs", default=1.0, show_default=True, help="The share of the epochs to train for.")
@click.option("--publish", "published", is_flag=True, help="Also write docs/results/distillation.")
def main(output: Path, seeds: int, only: str, epochs: float, published: bool) -> None:
    """Measure distillation: Hinton's and FitNets' MNIST, Apprentice's 4 bits on Fashion-MNIST, sequences, speed."""
    if published and epochs != 1:
        raise click.UsageError("--publish takes results of the full number of epochs: leave --epochs out.")
    folder = output if epochs == 1 else output / f"{epochs:g}-of-the-epochs"
    folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[list[Result]]] = {}
    for name, experiment in experiments(epochs).items():
        if only not in name:
            continue
        results[name] = []
        for seed in range(seeds):
            results[name].append(measured(name, experiment, folder, seed))
            click.echo(aligned(lines_of({name: results[name]}), left=2), err=True)
    if only in "speed":
        for network in ("dense", "mobilenet"):
            rows = [("step", "median ms (quartiles)", ""), *speed(network, 128 if network == "dense" else 32)]
            click.echo(f"{network}\n{aligned(rows, left=2)}\n")
    if results:
        click.echo(aligned(lines_of(results), left=2))
    if published:
        publish(folder)


if __name__ == "__main__":
    main()
