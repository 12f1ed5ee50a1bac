"""The main job on real data, from a trained LeNet-5 to proven int8 files, with one table at the end."""

import os
import sys
import textwrap
import time
from dataclasses import dataclass, replace
from pathlib import Path

import click
import keras
import numpy as np

import tfcompress as tfc
from tfcompress.benchmark.emulator.setup.install import install
from tfcompress.files import replacing, sha256, write_text
from tfcompress.progress import task
from tfcompress.table import aligned, cell
from tfcompress.work_folders import work_folder
from tools.datasets import MNIST, LabelledImages, load
from tools.train_lenet5 import BATCH_SIZE, compile_for, pixels, train

_RECIPE = Path(__file__).with_name("lenet5.toml")
_EPOCHS, _LEARNING_RATE = 2, 2e-3  # of the training under the masks
_REPRESENTATIVE, _COMPARED = 200, 500  # samples
_PHONES = ("cortex-a55", "cortex-a76")
_ROUNDS, _RUNS = 3, 200  # of the latency measurement, in turns over the files
_LOAD = "The middle of three rounds in which the files took turns, at a load of"

LOWEST_FLOAT_ACCURACY, LARGEST_DROP, LOWEST_SPARSITY = 0.990, 0.003, 0.80


@dataclass(frozen=True)
class Stage:
    """One shipped file: the model it was made from, and that model's accuracy in Keras."""

    name: str
    path: Path
    keras_accuracy: float
    card: tfc.Card


def trained(images: LabelledImages, path: Path) -> keras.Model:
    """The float model, trained once and kept."""
    if not path.exists():
        with task("training LeNet-5 on MNIST"):
            model = train(images.x_train, images.y_train, verbose=0)
        with replacing(path) as temporary:
            model.save(temporary)
    return tfc.load(path)


def compressed(model: keras.Model, images: LabelledImages, directory: Path) -> tfc.Result:
    """The model after each step of the recipe; a run that was stopped goes on where it was."""
    x_train, x_test = pixels(images.x_train), pixels(images.x_test)

    def fit(wrapped: keras.Model, callbacks: list[keras.callbacks.Callback]) -> None:
        compile_for(wrapped, _EPOCHS * -(-len(x_train) // BATCH_SIZE), _LEARNING_RATE)
        wrapped.fit(x_train, images.y_train, BATCH_SIZE, _EPOCHS, callbacks=callbacks, verbose=0)

    def evaluate(plain: keras.Model) -> float:
        return accuracy(plain.predict(x_test, batch_size=500, verbose=0), images.y_test)

    settings = f"MNIST, {_EPOCHS} epochs, Adam {_LEARNING_RATE}, batch {BATCH_SIZE}"
    return tfc.compress(model, tfc.Recipe.load(_RECIPE), fit, directory, evaluate=evaluate, data=settings)


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """The share of samples whose largest logit is the right class."""
    return float((logits.argmax(axis=-1) == labels).mean())


def converted(models: dict[str, keras.Model], images: LabelledImages, folder: Path) -> list[Stage]:
    """Each model as a float32 and an int8 file, tested on all test images."""
    x_test, representative = pixels(images.x_test), pixels(images.x_train[:_REPRESENTATIVE])
    original, stages = next(iter(models.values())), []
    for name, model in models.items():
        keras_accuracy = accuracy(model.predict(x_test, batch_size=500, verbose=0), images.y_test)
        for mode in ("float32", "int8"):
            path = folder / f"lenet5-{name}-{mode}.tflite"
            card = tfc.convert(
                model,
                path,
                mode=mode,
                representative=representative,
                compare=x_test[:_COMPARED],
                against=original,
                force=True,
            )
            with task(f"testing {path.name}"):
                logits = np.asarray(tfc.predict(path, x_test))
            card = replace(card, accuracy=accuracy(logits, images.y_test))
            card.save_beside(path)
            stages.append(Stage(f"{name}, {mode}", path, keras_accuracy, card))
    return stages


def measured(stages: list[Stage]) -> list[Stage]:
    """Latencies on this host: the files take turns, and of each file's rounds the one in the middle counts."""
    rounds = [[tfc.measure(stage.path, runs=_RUNS, save=False) for stage in stages] for _ in range(_ROUNDS)]
    cards = [sorted(cards, key=_median)[_ROUNDS // 2] for cards in zip(*rounds, strict=True)]
    done = []
    load = f"{_LOAD} {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    for stage, card in zip(stages, cards, strict=True):
        notes = [*(note for note in card.notes if not note.startswith(_LOAD)), load]
        card = replace(card, notes=notes, speedup_rate=round(_median(cards[0]) / _median(card), 3))
        card.save_beside(stage.path)
        done.append(replace(stage, card=card))
    return done


def packed(stages: list[Stage]) -> list[Stage]:
    """Each file also as a `.tfz`, unpacked again and compared; its size goes into the card."""
    done = []
    for stage in stages:
        target = stage.path.with_suffix(".tfz")
        tfc.pack(stage.path, target, force=True)
        with work_folder() as folder:
            tfc.unpack(target, folder / stage.path.name)
            if sha256(folder / stage.path.name) != sha256(stage.path):
                raise tfc.TfCompressError(f"{target} does not unpack to {stage.path}.")
        done.append(replace(stage, card=tfc.Card.load_beside(stage.path)))
    return done


def exported(stages: list[Stage], images: LabelledImages, folder: Path) -> tfc.Demo:
    """The float32 file and both int8 files as a folder for the demo app (android_demo)."""
    return tfc.export_demo(
        {stage.name: stage.path for stage in (stages[0], stages[1], stages[-1])},
        folder,
        images=(images.x_test, images.y_test),
        labels=[str(digit) for digit in range(10)],
        title="LeNet-5 on MNIST",
        credits="Images: MNIST, CC BY-SA 3.0",
        force=True,
    )


def _median(card: tfc.Card) -> float:
    return (card.latency_ms or {})["median"]


def table(stages: list[Stage]) -> str:
    """One row for each file; accuracies are those on the 10,000 test images, of the Keras model and of the file."""
    rows: list[tuple[str, ...]] = [
        ("stage", "bytes", "zlib", "tfz", "rate", "Keras acc.", "accuracy", "zeros", "ms", "p90 ms")
    ]
    for stage in stages:
        card, latency = stage.card, stage.card.latency_ms or {}
        sizes = (*map(cell, (card.size_bytes, card.zlib_bytes, card.packed_bytes)), cell(card.compression_rate, ".2f"))
        accuracies = cell(stage.keras_accuracy, ".4f"), cell(card.accuracy, ".4f"), cell(card.sparsity, ".3f")
        rows.append((stage.name, *sizes, *accuracies, cell(latency["median"], ".3f"), cell(latency["p90"], ".3f")))
    return aligned(rows)


def emulated(stages: list[Stage]) -> str:
    """The float and the compressed int8 file on emulated phone CPUs, or why that cannot be had here."""
    try:
        install()
        rows = [("emulated CPU, one thread", "stage", "instructions (exact)", "ms (estimated)", "speedup rate")]
        for device in _PHONES:
            before, after = (tfc.measure(stage.path, device, save=False) for stage in (stages[0], stages[-1]))
            for stage, card in ((stages[0], before), (stages[-1], after)):
                rate = _median(before) / _median(card)
                rows.append((device, stage.name, cell(card.instructions), f"{_median(card):.3f}", f"{rate:.2f}"))
    except tfc.TfCompressError as error:
        return f"Emulated phone CPUs were left out: {error}"
    return aligned(rows, left=2)


def in_words(stages: list[Stage]) -> str:
    """What was gained, and what was not."""
    float32, int8, _, pruned = (stage.card for stage in stages)
    points = 100 * ((pruned.accuracy or 0) - stages[0].keras_accuracy)
    zeros = 100 * (pruned.sparsity or 0)
    smaller = float32.size_bytes / pruned.size_bytes
    zipped, zipped_int8 = ((card.zlib_bytes or 1) / (pruned.zlib_bytes or 1) for card in (float32, int8))
    coded = (pruned.zlib_bytes or 1) / (pruned.packed_bytes or 1)
    lines = (
        f"The pruned int8 file is {smaller:.1f} times smaller than the float32 file, and zipped {zipped:.1f} times.",
        f"Accuracy moved by {points:+.2f} points, from the float Keras model to that file.",
        f"Quantization made the file smaller; the {zeros:.0f} % zeros did not ({pruned.size_bytes:,} bytes against "
        f"{int8.size_bytes:,}). They make its zip {zipped_int8:.1f} times smaller, and its .tfz {coded:.2f} times "
        "smaller than that zip: they save download, not disk.",
        f"They save no time either: {_median(pruned):.3f} ms on this host, against {_median(int8):.3f} ms for int8 "
        f"without zeros and {_median(float32):.3f} ms for float32; LiteRT multiplies by a zero as by any other weight.",
    )
    return "\n".join(textwrap.fill(line, 100) for line in lines)


def broken_promises(stages: list[Stage]) -> list[str]:
    """What the demo stands for and this run did not reach."""
    original, pruned = stages[0], stages[-1]
    drop, zeros = original.keras_accuracy - (pruned.card.accuracy or 0), pruned.card.sparsity or 0
    checks = {
        f"float accuracy {original.keras_accuracy:.4f} < {LOWEST_FLOAT_ACCURACY}": original.keras_accuracy
        < LOWEST_FLOAT_ACCURACY,
        f"the pruned int8 file loses {100 * drop:.2f} points > {100 * LARGEST_DROP}": drop > LARGEST_DROP,
        f"the pruned int8 file has {zeros:.3f} zeros < {LOWEST_SPARSITY}": zeros < LOWEST_SPARSITY,
    }
    return [text for text, broken in checks.items() if broken]


@click.command()
@click.option("-o", "--output", default="runs/demo", show_default=True, type=click.Path(path_type=Path))
@click.option("--data", "folder", type=click.Path(path_type=Path), help="A folder with MNIST's idx files or mnist.npz.")
def main(output: Path, folder: Path | None) -> None:
    """Train LeNet-5 on MNIST, compress it, convert it, prove the files and measure them.

    What is finished in the output folder is not made again; delete the folder to start anew.
    """
    started = time.monotonic()
    try:
        images = load(MNIST, folder)
        model = trained(images, output / "lenet5.keras")
        result = compressed(model, images, output / "compressed")
        stages = packed(measured(converted({"original": model, "pruned": result.model}, images, output)))
        exported(stages, images, output / "app")
    except tfc.TfCompressError as error:
        sys.exit(f"tools/demo: {error}")
    report = f"{table(stages)}\n\n{emulated(stages)}\n\n{in_words(stages)}"
    write_text(output / "table.txt", report + "\n")
    click.echo(report)
    tfc.report(output, output / "report.html")
    where = f"files and their cards are in {output}, an app's in {output / 'app'}, and all of it in report.html"
    click.echo(f"{time.monotonic() - started:.0f} s; {where}", err=True)
    if broken := broken_promises(stages):
        sys.exit(f"tools/demo: {'; '.join(broken)}")


if __name__ == "__main__":
    main()
