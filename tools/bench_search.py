"""A search on Fashion-MNIST against as many random recipes and against single techniques, on unseen test data.

The budget is a `.tfz` of 1/20 of the float32 parameters and at most one point of accuracy lost. Decisions are taken on
5,000 images that no training sees; the table also has the accuracy on the test images. What was finished is kept.
"""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import click
import cloudpickle
import keras

import tfcompress as tfc
from tfcompress.files import write_text
from tfcompress.searching.budget import Budget
from tfcompress.searching.jobs import Job, kept_outcome
from tfcompress.searching.local import local_workers
from tfcompress.searching.space import Choice, SearchSpace, recipe_for
from tfcompress.searching.trial import FILE, Work
from tfcompress.table import aligned
from tools import search_fashion
from tools.train_lenet5 import pixels

_SHARE_OF_FLOAT, _POINTS, _REPRESENTATIVE, _SEED = 20, 1.0, 200, 0


@dataclass(frozen=True)
class Row:
    """One recipe of one kind: how it was found, and its file."""

    kind: str
    choice: Choice
    path: Path
    accuracy: float
    packed_bytes: float


def searched(model: keras.Model, output: Path, limits: Mapping[str, float], trials: int, workers: int) -> list[Row]:
    """The trials of the search that were finished."""
    found = tfc.search(
        model,
        search_fashion.fit,
        search_fashion.evaluate,
        limits,
        output,
        evaluate_file=search_fashion.evaluate_file,
        representative=_representative(),
        data=f"fashion-mnist, {search_fashion.EPOCHS_OF_A_STEP} epochs",
        seed=_SEED,
        trials=trials,
        batch=4,
        workers=workers,
    )
    click.echo(found, err=True)
    return [
        Row("search", trial.choice, trial.directory / FILE, trial.figures["accuracy"], trial.figures["packed_bytes"])
        for trial in found.trials
        if trial.figures
    ]


def compared(output: Path, choices: Mapping[str, list[Choice]], limits: Mapping[str, float], workers: int) -> list[Row]:
    """Other choices, trained as the search's trials are; their zeros are alike in all kernels."""
    work = Work(search_fashion.fit, search_fashion.evaluate, search_fashion.evaluate_file, _representative())
    output.mkdir(parents=True, exist_ok=True)
    (output / "work.pickle").write_bytes(cloudpickle.dumps(work))
    budget, jobs, kinds = Budget.of(limits), list[tuple[Job, Path]](), list[tuple[str, Choice]]()
    for kind, own in choices.items():
        for choice in own:
            recipe = recipe_for(choice, {})
            text, model = recipe.to_toml() if recipe else "", str(output.parent.resolve() / "fashion.keras")
            kinds.append((kind, choice))
            jobs.append(
                (Job(len(jobs), text, model, "int8", budget.costs, _SEED, ""), output / f"{len(jobs):03}-{kind}")
            )
    kept = [kept_outcome(*job) for job in jobs]
    outcomes = {outcome.number: outcome for outcome in kept if outcome is not None}
    with local_workers(output / "work.pickle", count=workers, time_limit=1800, threads=1) as executor:
        left = [job for job in jobs if job[0].number not in outcomes]
        outcomes |= {outcome.number: outcome for outcome in executor.run(left)}
    rows = []
    for number, (kind, choice) in enumerate(kinds):
        figures = outcomes[number].figures
        if figures is None:
            click.echo(f"{kind} {choice}: {outcomes[number].why}", err=True)
        else:
            rows.append(Row(kind, choice, jobs[number][1] / FILE, figures["accuracy"], figures["packed_bytes"]))
    return rows


def random_choices(space: SearchSpace, count: int) -> list[Choice]:
    """Different choices, each as likely as any other."""
    generator, found = random.Random(_SEED), list[Choice]()
    while len(found) < min(count, space.size):
        choice = space.choice(
            {kind.name: generator.randrange(len(getattr(space, kind.name))) for kind in fields(space)}
        )
        if choice not in found:
            found.append(choice)
    return found


def single_techniques(space: SearchSpace) -> dict[str, list[Choice]]:
    """Every value of each technique alone."""
    return {
        "pruning alone": [Choice(sparsity=share) for share in space.sparsity if share],
        "clustering alone": [Choice(clusters=count) for count in space.clusters if count],
        "channels alone": [Choice(channels=share) for share in space.channels if share < 1],
        "quantization alone": [Choice(trained_ranges=ranges) for ranges in space.trained_ranges],
    }


def best(rows: list[Row], budget: Budget) -> Row:
    """The most accurate within the budget; where none is, the one that is least beyond it."""

    def order(row: Row) -> tuple[float, float]:
        return budget.excess({"packed_bytes": row.packed_bytes, "accuracy": row.accuracy}), -row.accuracy

    return min(rows, key=order)


def table(rows: list[Row], budget: Budget) -> str:
    """The best of each kind, with its figures on test data."""
    lines = [("found by", "trials", "tfz bytes", "validation", "test", "within", "recipe")]
    for kind in dict.fromkeys(row.kind for row in rows):
        own = [row for row in rows if row.kind == kind]
        chosen = best(own, budget)
        over = budget.misses({"packed_bytes": chosen.packed_bytes, "accuracy": chosen.accuracy})
        test = f"{search_fashion.on_test_data(chosen.path):.4f}"
        figures = f"{chosen.packed_bytes:,.0f}", f"{chosen.accuracy:.4f}", test, "no" if over else "yes"
        lines.append((kind, str(len(own)), *figures, _words(chosen.choice)))
    return aligned(lines)


def _words(choice: Choice) -> str:
    plain = Choice()
    changed = {name: value for name, value in vars(choice).items() if value != getattr(plain, name)}
    return ", ".join(f"{name} {value}" for name, value in changed.items()) or "conversion only"


def _representative() -> object:
    return pixels(search_fashion.images().x_train[:_REPRESENTATIVE])


@click.command()
@click.option("-o", "--output", default="runs/search", show_default=True, type=click.Path(path_type=Path))
@click.option("--trials", default=12, show_default=True, type=click.IntRange(min=1))
@click.option("--workers", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--baselines/--no-baselines", default=True, help="Whether single techniques are trained too.")
def main(output: Path, trials: int, workers: int, baselines: bool) -> None:
    """Search under a budget on Fashion-MNIST, and hold the best against random recipes and single techniques."""
    started = time.monotonic()
    model = search_fashion.trained(output / "fashion.keras")
    float_accuracy = search_fashion.evaluate(model)
    limit = 4 * model.count_params() // _SHARE_OF_FLOAT
    limits = {"packed_bytes": limit, "accuracy": float_accuracy - _POINTS / 100}
    budget, space = Budget.of(limits), SearchSpace()
    rows = searched(model, output / "search", limits, trials, workers)
    seconds = time.monotonic() - started
    choices = {"random": random_choices(space, trials)} | (single_techniques(space) if baselines else {})
    rows += compared(output / "others", choices, limits, workers)
    text = "\n".join(
        [
            f"Budget: {limit:,} tfz bytes of {4 * model.count_params():,} float32 bytes; validation accuracy "
            f"{limits['accuracy']:.4f} of {float_accuracy:.4f} (float).",
            f"Search: {seconds:.0f} s, {trials} trials, {workers} workers; seed {_SEED}.",
            "",
            table(rows, budget),
        ]
    )
    write_text(output / "table.txt", text + "\n")
    tfc.report(output / "search", output / "report.html")
    click.echo(text)


if __name__ == "__main__":
    main()
