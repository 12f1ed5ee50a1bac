"""Distillation as the papers tell it, measured: who makes how many errors of 10,000, with seeds; and what a step costs.

All networks are tested on samples that nothing else looks at. A run that was stopped goes on where it was.
"""

import json
import shutil
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from tfcompress.files import write_text
from tfcompress.table import aligned, cell
from tools.distillation_images import Effort, Result, apprentice, fitnets, fitnets_longer, hinton
from tools.distillation_sequences import sequences
from tools.distillation_speed import speed
from tools.results import table_of, with_table

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
    "fitnets_longer": {},
    "apprentice": {"4 bits with the teacher": ("at most as alone", None)},
    "sequences": {"student after, greedy": ("at most as before with beams", None)},
}


@dataclass(frozen=True)
class Experiment:
    """What is trained with one seed, in a folder; `settings` say how, so that no result of others is taken for it."""

    settings: dict[str, object]
    run: Callable[[Path, int], list[Result]]


def experiments(share: float) -> dict[str, Experiment]:
    """The experiments by name; `share` of the full number of epochs."""

    def epochs(full: int) -> int:
        return max(1, round(full * share))

    dense = Effort(teacher=epochs(80), student=epochs(40), batch=256)
    thin = Effort(teacher=epochs(12), student=epochs(10), technique=epochs(2), batch=64, rate=2e-3)
    small = Effort(teacher=epochs(6), student=epochs(5), technique=epochs(4), rate=2e-3)
    dates = (epochs(8), epochs(10))
    return {
        "hinton": Experiment(asdict(dense), lambda folder, seed: hinton(folder, seed, dense)),
        "fitnets": Experiment(asdict(thin), lambda folder, seed: fitnets(folder, seed, thin)),
        "fitnets_longer": Experiment(asdict(thin), lambda folder, seed: fitnets_longer(folder, seed, thin)),
        "apprentice": Experiment(asdict(small), lambda folder, seed: apprentice(folder, seed, small)),
        "sequences": Experiment({"epochs": list(dates)}, lambda folder, seed: sequences(folder, seed, dates)),
    }


def measured(experiment: Experiment, folder: Path, seed: int) -> list[Result]:
    """The results of an experiment with one seed; those of a run before are read.

    Raises:
        click.UsageError: The folder holds results of other settings.
    """
    settings, kept = folder / "settings.json", folder / f"results-{seed}.json"
    folder.mkdir(parents=True, exist_ok=True)
    if not settings.exists():
        write_text(settings, json.dumps(experiment.settings, indent=2) + "\n")
    if (found := json.loads(settings.read_text(encoding="utf-8"))) != experiment.settings:
        raise click.UsageError(
            f"{folder} holds what was trained with {found}, and this run is {experiment.settings}. Give another folder "
            "by --output, or remove that one."
        )
    if not kept.exists():
        write_text(kept, json.dumps([asdict(one) for one in experiment.run(folder, seed)], indent=2) + "\n")
    return _read(kept)


def _read(path: Path) -> list[Result]:
    return [Result(**one) for one in json.loads(path.read_text(encoding="utf-8"))]


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
    """Writes what the folder holds into docs/results/distillation.md, and the cards of the first seed beside it.

    An experiment that the folder holds nothing of keeps its rows and its cards.
    """
    found = {name: [_read(path) for path in sorted((output / name).glob("results-*.json"))] for name in _ASKED}
    results = {name: seeds for name, seeds in found.items() if seeds}
    page = _PUBLISHED.with_suffix(".md")
    text = page.read_text(encoding="utf-8")
    write_text(page, with_table(text, merged(table_of(text), lines_of(results))))
    _PUBLISHED.mkdir(parents=True, exist_ok=True)
    for name, seeds in results.items():
        for result in seeds[0]:
            shutil.copyfile(output / name / result.card, _PUBLISHED / result.card)


def merged(table: str, lines: list[tuple[str, ...]]) -> str:
    """A page's table in which these lines stand for all that it says of their experiments; the first is the heading."""
    head, *new = [f"| {' | '.join(line)} |" for line in lines]
    rule = "| --- | --- |" + " ---: |" * (len(lines[0]) - 2)
    measured_again = {_experiment(row) for row in new}
    kept = [row for row in table.splitlines()[2:] if _experiment(row) not in measured_again]
    return "\n".join([head, rule, *sorted(kept + new, key=lambda row: list(_ASKED).index(_experiment(row)))]) + "\n"


def _experiment(row: str) -> str:
    return row.split("|")[1].strip()


@click.command()
@click.option("-o", "--output", default="runs/distillation", type=click.Path(path_type=Path), show_default=True)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--only", default="", help="The experiment of this name, or all whose names contain it; or speed.")
@click.option("--epochs", default=1.0, show_default=True, help="The share of the epochs to train for.")
@click.option("--publish", "published", is_flag=True, help="Also write docs/results/distillation.")
def main(output: Path, seeds: int, only: str, epochs: float, published: bool) -> None:
    """Measure distillation: Hinton's and FitNets' MNIST, Apprentice's 4 bits on Fashion-MNIST, sequences, speed."""
    if published and epochs != 1:
        raise click.UsageError("--publish takes results of the full number of epochs: leave --epochs out.")
    known = [*_ASKED, "speed"]
    if not any(only in name for name in known):
        raise click.UsageError(f"--only: there is no experiment {only!r}. There are {', '.join(known)}.")
    results: dict[str, list[list[Result]]] = {}
    for name, experiment in experiments(epochs).items():
        if only not in name or (only in _ASKED and only != name):
            continue
        results[name] = []
        for seed in range(seeds):
            results[name].append(measured(experiment, output / name, seed))
            click.echo(aligned(lines_of({name: results[name]}), left=2), err=True)
    if only in "speed":
        for network in ("dense", "mobilenet"):
            rows = [("step", "median ms (quartiles)", ""), *speed(network, 128 if network == "dense" else 32)]
            click.echo(f"{network}\n{aligned(rows, left=2)}\n")
    if results:
        click.echo(aligned(lines_of(results), left=2))
    if published:
        publish(output)


if __name__ == "__main__":
    main()
