"""The weight techniques on real data: accuracy of the int8 file, zeros, distinct values and zipped bytes, with seeds.

Every row trains under its recipe from the same float model of the same seed; all files are tested on the 10,000 test
images, which nothing else looks at. Runs that were stopped go on where they were.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import click
import keras
import numpy as np

import tfcompress as tfc
from tfcompress.files import replacing, write_text
from tfcompress.progress import task
from tfcompress.table import aligned, cell
from tfcompress.techniques.technique import Technique
from tools import train_fashion, train_lenet5
from tools.datasets import FASHION_MNIST, MNIST, Dataset, LabelledImages, load
from tools.train_lenet5 import compile_for, pixels

T = TypeVar("T")  # what a bench finds out of a row with one seed
_BATCH = 128
_REPRESENTATIVE = 200


@dataclass(frozen=True)
class Network:
    """A network on its data, and how long it trains: first, and under each step of a recipe."""

    name: str
    dataset: Dataset
    build: Callable[[], keras.Model]
    epochs: int
    epochs_of_a_step: int


@dataclass(frozen=True)
class Row:
    """A recipe on a network, and the points of accuracy that it may lose against the float model."""

    name: str
    network: Network
    recipe: tuple[Technique, ...]
    tolerated: float


LENET = Network("LeNet-5, MNIST", MNIST, train_lenet5.build, epochs=4, epochs_of_a_step=4)
NORMED = Network("LeNet-5 with batch norm, MNIST", MNIST, train_lenet5.build_normed, epochs=4, epochs_of_a_step=2)
FASHION = Network("depthwise CNN, Fashion-MNIST", FASHION_MNIST, train_fashion.build, epochs=8, epochs_of_a_step=4)


def rows() -> list[Row]:
    """What is compared."""
    schedule = tfc.PolynomialDecay(0.5, 0.9, begin_step=0, end_step=900, frequency=50)
    small = {"conv1": 0.4, "fc2": 0.8}
    ninety = tfc.MagnitudePruning(schedule=schedule, layers=small)
    eighty = tfc.MagnitudePruning(
        schedule=tfc.PolynomialDecay(0.3, 0.81, begin_step=0, end_step=600, frequency=50), skip=()
    )
    sixteen, quantized = tfc.WeightClustering(clusters=16), tfc.QuantizationAware()
    ternary = tfc.QuantizationAware(weights="Ternary", activations="Calibrated", layers={"fc2": 8})
    binary = tfc.QuantizationAware(weights="Binary", activations="Calibrated", layers={"fc2": 8})
    all_three = "80 % zeros, 16 clusters, QAT int8"
    return [
        Row("float", LENET, (), 0.0),
        Row("90 % zeros", LENET, (ninety,), 0.1),
        Row("16 clusters", LENET, (sixteen,), 0.2),
        Row("ternary", LENET, (ternary,), 0.5),
        Row("binary", LENET, (binary,), 1.0),
        Row("float", NORMED, (), 0.0),
        Row(all_three, NORMED, (eighty, sixteen, quantized), 0.5),
        Row("float", FASHION, (), 0.0),
        Row("post-training int8", FASHION, (), 0.0),
        Row("QAT int8", FASHION, (quantized,), 0.1),
        Row(all_three, FASHION, (eighty, sixteen, quantized), 0.5),
    ]


@dataclass(frozen=True)
class Outcome:
    """One row with one seed: the float model's accuracy, and the card of the file."""

    float_accuracy: float
    card: tfc.Card


def trained(network: Network, images: LabelledImages, seed: int, path: Path) -> keras.Model:
    """The float model of a seed, trained once and kept."""
    if not path.exists():
        keras.utils.set_random_seed(seed)
        model = network.build()
        with task(f"training {network.name}, seed {seed}"):
            fit_for(model, images, network.epochs, 2e-3, [])
        with replacing(path) as temporary:
            model.save(temporary)
    return tfc.load(path)


def fit_for(
    model: keras.Model,
    images: LabelledImages,
    epochs: int,
    learning_rate: float,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    """Trains a network with Adam, its rate falling to zero."""
    compile_for(model, epochs * -(-len(images.x_train) // _BATCH), learning_rate)
    model.fit(pixels(images.x_train), images.y_train, _BATCH, epochs, callbacks=callbacks, verbose=0)


def outcome(row: Row, images: LabelledImages, seed: int, folder: Path) -> Outcome:
    """Trains the row, converts it, and tests the file."""
    original = trained(row.network, images, seed, folder / f"{slug(row.network.name)}-{seed}.keras")
    model, x_test = original, pixels(images.x_test)
    base = folder / f"{slug(row.network.name)}-{slug(row.name)}-{seed}"
    if row.recipe:

        def fit(wrapped: keras.Model, callbacks: list[keras.callbacks.Callback]) -> None:
            fit_for(wrapped, images, row.network.epochs_of_a_step, 1e-3, callbacks)

        settings = f"{row.network.dataset.name}, {row.network.epochs_of_a_step} epochs, Adam 1e-3"
        model = tfc.compress(original, tfc.Recipe(row.recipe), fit, base, seed=seed, data=settings).model
    path = base.with_suffix(".tflite")
    mode = "float32" if row.name == "float" else "int8"
    representative = pixels(images.x_train[:_REPRESENTATIVE])
    card = tfc.convert(model, path, mode=mode, representative=representative, against=original, force=True)
    card = replace(card, accuracy=accuracy(np.asarray(tfc.predict(path, x_test)), images.y_test))
    card.save_beside(path)
    return Outcome(accuracy(original.predict(x_test, batch_size=500, verbose=0), images.y_test), card)


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """The share of samples whose largest logit is the right class."""
    return float((logits.argmax(axis=-1) == labels).mean())


def slug(text: str) -> str:
    """A name for a file."""
    return "".join(letter if letter.isalnum() else "-" for letter in text.lower())


def table(results: list[tuple[Row, list[Outcome]]]) -> str:
    """A line for each row: means over the seeds, the loss in points with its smallest and largest value."""
    lines: list[tuple[str, ...]] = [
        ("network", "recipe", "float acc.", "file acc.", "loss, points", "may lose", "zeros", "values", "zlib bytes")
    ]
    for row, outcomes in results:
        losses = [100 * (one.float_accuracy - (one.card.accuracy or 0)) for one in outcomes]
        spread = f"{statistics.mean(losses):.2f} ({min(losses):.2f} to {max(losses):.2f})"
        means = [statistics.mean(values) for values in zip(*map(_numbers, outcomes), strict=True)]
        lines.append(
            (
                row.network.name,
                row.name,
                *(f"{mean:.4f}" for mean in means[:2]),
                spread,
                f"{row.tolerated:.1f}",
                f"{means[2]:.3f}",
                str(max(one.card.distinct_values or 0 for one in outcomes)),
                cell(round(means[3])),
            )
        )
    return aligned(lines, left=2)


def _numbers(one: Outcome) -> tuple[float, float, float, float]:
    return one.float_accuracy, one.card.accuracy or 0, one.card.sparsity or 0, one.card.zlib_bytes or 0


def run(
    rows: list[Row],
    outcome: Callable[[Row, LabelledImages, int, Path], T],
    table: Callable[[list[tuple[Row, list[T]]]], str],
    output: Path,
    seeds: int,
    only: str,
) -> None:
    """Measures the rows whose network or name contains `only`; prints their table and keeps it in the folder."""
    results = []
    for row in rows:
        if only.lower() not in f"{row.network.name} {row.name}".lower():
            continue
        images = load(row.network.dataset)
        results.append((row, [outcome(row, images, seed, output) for seed in range(seeds)]))
        click.echo(table(results[-1:]), err=True)
    text = table(results)
    write_text(output / "table.txt", text + "\n")
    click.echo(text)


@click.command()
@click.option("-o", "--output", default="runs/techniques", type=click.Path(path_type=Path), show_default=True)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--only", default="", help="Rows whose network or name contains this.")
def main(output: Path, seeds: int, only: str) -> None:
    """Measure the weight techniques on full MNIST and Fashion-MNIST."""
    run(rows(), outcome, table, output, seeds, only)


if __name__ == "__main__":
    main()
