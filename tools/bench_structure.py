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
from tfcompress.files import replacing
from tfcompress.table import aligned, cell
from tfcompress.techniques.importances import GeometricMedian, Random
from tfcompress.techniques.technique import Technique
from tfcompress.transforms.channel_allocations import Global
from tools import train_residual
from tools.bench_techniques import LENET, Network, Row, accuracy, fit_for, run, slug, trained
from tools.datasets import FASHION_MNIST, Dataset, LabelledImages, load
from tools.low_rank_rows import low_rank_rows
from tools.train_lenet5 import pixels

RESIDUAL = Network("residual CNN, Fashion-MNIST", FASHION_MNIST, train_residual.build, epochs=6, epochs_of_a_step=2)
RESIDUAL_LONGER = replace(RESIDUAL, epochs_of_a_step=RESIDUAL.epochs)
LENET_BRIEFLY = replace(LENET, epochs_of_a_step=2)
_BY_LOT = tfc.ChannelPruning(macs=0.5, importance=Random())
_ROUNDS, _RUNS = 5, 100  # of the latency measurement, in turns over the two files


def rows(folder: Path) -> list[Row]:
    """What is compared: the rows of each technique in turn. Samples that a row needs are put into the folder."""
    return [*channel_pruning_rows(folder), *low_rank_rows(LENET_BRIEFLY, RESIDUAL, _samples(FASHION_MNIST, folder))]


def channel_pruning_rows(folder: Path) -> list[Row]:
    """Half of the MACs, by what matters least and, in the same architecture, by lot; also longer where it is harder."""
    found = []
    for network in (LENET_BRIEFLY, RESIDUAL):
        taylor = _by_taylor(network.dataset, folder)
        pruned: dict[str, Technique] = {
            "by lot": _BY_LOT,
            "L2": tfc.ChannelPruning(macs=0.5),
            "GeometricMedian": tfc.ChannelPruning(macs=0.5, importance=GeometricMedian()),
            "Taylor": taylor,
            "Taylor, Global": replace(taylor, allocation=Global()),
        }
        found += [_half(name, network, step) for name, step in pruned.items()]
    taylor = _by_taylor(RESIDUAL.dataset, folder)
    # One teacher for all seeds: the float model of the first, which the first outcome trains.
    taught = tfc.Distillation(float_model(RESIDUAL, 0, folder), [tfc.SoftTargets(temperature=4.0)], alpha=0.7)
    return [
        *found,
        _half("by lot, six epochs", RESIDUAL_LONGER, _BY_LOT),
        _half("Taylor, six epochs", RESIDUAL_LONGER, taylor),
        _half("Taylor, three rounds", RESIDUAL, *taylor.in_rounds(3)),
        _half("Taylor, then taught by the float model", replace(RESIDUAL, epochs_of_a_step=3), taylor, taught),
    ]


def _half(name: str, network: Network, *recipe: Technique) -> Row:
    return Row(f"half of the MACs: {name}", network, recipe, 0.5)


def _by_taylor(dataset: Dataset, folder: Path) -> tfc.ChannelPruning:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return tfc.ChannelPruning(macs=0.5, importance=tfc.Taylor(samples=_samples(dataset, folder), loss=loss))


def _samples(dataset: Dataset, folder: Path) -> Path:
    """A file of 1,024 training images for what needs gradients."""
    path = folder / f"{slug(dataset.name)}-samples.npz"
    if not path.exists():
        images = load(dataset)
        with replacing(path) as temporary:
            np.savez(temporary, x=pixels(images.x_train[:1024]), y=images.y_train[:1024])
    return path


@dataclass(frozen=True)
class Outcome:
    """One row with one seed: accuracies and costs of the float model and of what became of it.

    `untrained_accuracy` is that of a recipe's only step before anything was trained again.
    """

    float_accuracy: float
    untrained_accuracy: float | None
    float_card: tfc.Card
    card: tfc.Card


def float_model(network: Network, seed: int, folder: Path) -> Path:
    """Where the float model of a seed is kept."""
    return folder / f"{slug(network.name)}-{seed}.keras"


def outcome(row: Row, images: LabelledImages, seed: int, folder: Path) -> Outcome:
    """Trains the row, converts both models, and tests and measures the files."""
    network = row.network
    original = trained(network, images, seed, float_model(network, seed, folder))
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
    untrained = None
    if len(row.recipe) == 1:
        (step,) = row.recipe
        logits = step.strip(step.wrap(original)).predict(pixels(images.x_test), batch_size=500, verbose=0)
        untrained = accuracy(logits, images.y_test)
    return Outcome(float_card.accuracy or 0, untrained, float_card, card)


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
        (
            "network",
            "recipe",
            "float acc.",
            "untrained",
            "acc.",
            "loss, points",
            "may lose",
            "MACs",
            "parameters",
            "zlib bytes",
            "time, host",
        )
    ]
    for row, outcomes in results:
        untrained = [one.untrained_accuracy for one in outcomes if one.untrained_accuracy is not None]
        losses = [100 * (one.float_accuracy - (one.card.accuracy or 0)) for one in outcomes]
        lines.append(
            (
                row.network.name,
                row.name,
                f"{statistics.mean(one.float_accuracy for one in outcomes):.4f}",
                cell(statistics.mean(untrained) if untrained else None, ".4f"),
                f"{statistics.mean(one.card.accuracy or 0 for one in outcomes):.4f}",
                f"{statistics.mean(losses):.2f} ({min(losses):.2f} to {max(losses):.2f})",
                f"{row.tolerated:.1f}",
                *(f"{_kept(outcomes, name):.3f}" for name in ("macs", "parameters", "zlib_bytes")),
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
    run(rows(output), outcome, table, output, seeds, only)


if __name__ == "__main__":
    main()
