"""The structural techniques on real data: accuracy, MACs, parameters and latency on this host, with seeds.

Every row trains under its recipe from the same float model of the same seed; the float32 files are tested on the 10,000
test images, which nothing else looks at. The latency stands beside the MACs: fewer MACs are not always less time. Runs
that were stopped go on where they were.
"""

import os
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

import click
import keras
import numpy as np

import tfcompress as tfc
from tfcompress.files import write_text
from tfcompress.table import aligned
from tfcompress.techniques.technique import Technique
from tools import train_residual
from tools.bench_techniques import LENET, Network, accuracy, fit_for, slug, trained
from tools.datasets import FASHION_MNIST, LabelledImages, load
from tools.train_lenet5 import pixels

RESIDUAL = Network("residual CNN, Fashion-MNIST", FASHION_MNIST, train_residual.build, epochs=6, epochs_of_a_step=2)
LENET_BRIEFLY = replace(LENET, epochs_of_a_step=2)
_ROUNDS, _RUNS = 5, 100  # of the latency measurement, in turns over the two files


@dataclass(frozen=True)
class Row:
    """A recipe on a network, and the points of accuracy that it may lose against the float model."""

    name: str
    network: Network
    recipe: tuple[Technique, ...]
    tolerated: float


def rows() -> list[Row]:
    """What is compared: the rows of each technique in turn."""
    return [*channel_pruning_rows()]


def channel_pruning_rows() -> list[Row]:
    """Half of the MACs by the channels that matter least, and by channels drawn by lot: the same architecture."""
    return []


@dataclass(frozen=True)
class Outcome:
    """One row with one seed: accuracies and costs of the float model and of what became of it."""

    float_accuracy: float
    float_card: tfc.Card
    card: tfc.Card


def outcome(row: Row, images: LabelledImages, seed: int, folder: Path) -> Outcome:
    """Trains the row, converts both models, and tests and measures the files."""
    network = row.network
    original = trained(network, images, seed, folder / f"{slug(network.name)}-{seed}.keras")
    base = folder / f"{slug(network.name)}-{slug(row.name)}-{seed}"

    def fit(wrapped: keras.Model, callbacks: list[keras.callbacks.Callback]) -> None:
        fit_for(wrapped, images, network.epochs_of_a_step, 1e-3, callbacks)

    settings = f"{network.dataset.name}, {network.epochs_of_a_step} epochs, Adam 1e-3"
    result = tfc.compress(original, tfc.Recipe(row.recipe), fit, base, seed=seed, data=settings)
    before = _card(original, original, images, folder / f"{slug(network.name)}-{seed}.tflite")
    after = _card(result.model, original, images, base.with_suffix(".tflite"))
    float_card, card = _measured(
        [(before, folder / f"{slug(network.name)}-{seed}.tflite"), (after, base.with_suffix(".tflite"))]
    )
    return Outcome(float_card.accuracy or 0, float_card, card)


def _card(model: keras.Model, original: keras.Model, images: LabelledImages, path: Path) -> tfc.Card:
    """The card of a model's float32 file, with the accuracy of the file and the costs of the model."""
    card = tfc.convert(model, path, mode="float32", against=original, force=True)
    costs = tfc.profile(model)
    logits = np.asarray(tfc.predict(path, pixels(images.x_test)))
    card = replace(card, accuracy=accuracy(logits, images.y_test), macs=costs.macs, parameters=costs.parameters)
    card.save_beside(path)
    return card


def _measured(files: list[tuple[tfc.Card, Path]]) -> list[tfc.Card]:
    """The cards with the latency of their files, which take turns; of the rounds the one in the middle counts."""
    rounds = [[tfc.measure(path, runs=_RUNS, save=False) for _, path in files] for _ in range(_ROUNDS)]
    cards = []
    for (card, path), measured in zip(files, zip(*rounds, strict=True), strict=True):
        middle = sorted(measured, key=_median)[_ROUNDS // 2]
        load_now = (
            f"The middle of {_ROUNDS} rounds in which two files took turns, at a load of {os.getloadavg()[0]:.1f}"
        )
        cards.append(
            replace(card, latency_ms=middle.latency_ms, measurements=middle.measurements, notes=[*card.notes, load_now])
        )
        cards[-1].save_beside(path)
    return cards


def _median(card: tfc.Card) -> float:
    return (card.latency_ms or {})["median"]


def table(results: list[tuple[Row, list[Outcome]]]) -> str:
    """A line for each row: means over the seeds; the loss in points with its smallest and largest value."""
    lines: list[tuple[str, ...]] = [
        ("network", "recipe", "float acc.", "acc.", "loss, points", "may lose", "MACs", "parameters", "time, host")
    ]
    for row, outcomes in results:
        losses = [100 * (one.float_accuracy - (one.card.accuracy or 0)) for one in outcomes]
        lines.append(
            (
                row.network.name,
                row.name,
                f"{statistics.mean(one.float_accuracy for one in outcomes):.4f}",
                f"{statistics.mean(one.card.accuracy or 0 for one in outcomes):.4f}",
                f"{statistics.mean(losses):.2f} ({min(losses):.2f} to {max(losses):.2f})",
                f"{row.tolerated:.1f}",
                *(f"{_kept(outcomes, name):.3f}" for name in ("macs", "parameters")),
                f"{statistics.mean(_median(one.card) / _median(one.float_card) for one in outcomes):.3f}",
            )
        )
    return aligned(lines, left=2)


def _kept(outcomes: list[Outcome], name: str) -> float:
    """The share of a cost that is left, as a mean over the seeds."""
    return statistics.mean(getattr(one.card, name) / getattr(one.float_card, name) for one in outcomes)


@click.command()
@click.option("-o", "--output", default="runs/structure", type=click.Path(path_type=Path), show_default=True)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--only", default="", help="Rows whose network or name contains this.")
def main(output: Path, seeds: int, only: str) -> None:
    """Measure the structural techniques on full MNIST and Fashion-MNIST."""
    output.mkdir(parents=True, exist_ok=True)
    results = []
    for row in rows():
        if only.lower() not in f"{row.network.name} {row.name}".lower():
            continue
        images = load(row.network.dataset)
        results.append((row, [outcome(row, images, seed, output) for seed in range(seeds)]))
        click.echo(table(results[-1:]), err=True)
    text = table(results)
    write_text(output / "table.txt", text + "\n")
    click.echo(text)


if __name__ == "__main__":
    main()
