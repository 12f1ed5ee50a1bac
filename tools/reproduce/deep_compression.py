"""The LeNet rows of "Deep Compression", in stages: train, prune, cluster, round biases, convert, pack, decode, test.

What is tested is the `.tflite` that comes out of the packed file, and nothing else of it is used. Settings were chosen
with --validate, which trains on 55,000 images and tests on the other 5,000; the test images are for the final files.
Runs that were stopped go on where they were.

Reference:
    Han, Mao, Dally, "Deep Compression", arXiv:1510.00149.
"""

import hashlib
import statistics
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import keras
import numpy as np

import tfcompress as tfc
from tfcompress.card import card_path
from tfcompress.files import replacing
from tfcompress.packing.inspection import inspect_packed
from tfcompress.progress import task
from tfcompress.table import aligned, cell
from tfcompress.techniques.kernels import kernels_of
from tfcompress.techniques.technique import Technique
from tools.bench_techniques import accuracy
from tools.datasets import MNIST, LabelledImages, load
from tools.reproduce.lenets import EXPERIMENTS, Experiment, Training
from tools.reproduce.stored import stored_kernels
from tools.train_lenet5 import pixels

_BATCH = 256
_VALIDATION = 5_000
_BIAS_STEP = 1 / 32
_QUICK_IMAGES = 12_800
_MOVES = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))  # pixels down and to the right


@dataclass(frozen=True)
class Digits:
    """Images to train on and others to test on, float32 (samples, 28, 28, 1) in [0, 1], and their digits."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def test_split(images: LabelledImages) -> Digits:
    """All training images, and the test images."""
    return Digits(pixels(images.x_train), images.y_train, pixels(images.x_test), images.y_test)


def validation_split(images: LabelledImages) -> Digits:
    """55,000 of the training images, and the other 5,000 in place of the test images."""
    order = np.random.default_rng(0).permutation(len(images.x_train))
    held, trained = order[:_VALIDATION], order[_VALIDATION:]
    x, y = pixels(images.x_train), images.y_train
    return Digits(x[trained], y[trained], x[held], y[held])


def quick(experiment: Experiment, digits: Digits) -> tuple[Experiment, Digits]:
    """The same with one epoch a stage on few images: to see that the whole path works, not what it reaches."""
    few = Digits(digits.x_train[:_QUICK_IMAGES], digits.y_train[:_QUICK_IMAGES], digits.x_test, digits.y_test)
    steps = tuple(replace(step, training=replace(step.training, epochs=1)) for step in experiment.steps)
    return replace(experiment, dense=replace(experiment.dense, epochs=1), steps=steps), few


@dataclass(frozen=True)
class Outcome:
    """The cards of one seed's two files: the float model as it was trained, and the one decoded from the `.tfz`."""

    reference: tfc.Card
    compressed: tfc.Card


def outcome(experiment: Experiment, digits: Digits, seed: int, folder: Path) -> Outcome:
    """All stages of one network with one seed."""
    base = folder / f"{experiment.slug}-{seed}"
    dense = model = trained(experiment, digits, seed, base / "dense.keras")
    for step in experiment.steps:
        technique = step.technique(steps(step.training, digits))
        model = compressed(technique, model, digits, step.training, seed, base / step.name)
    small = with_rounded_biases(model, base / "rounded.keras")
    return Outcome(
        tested(dense, dense, digits, folder / f"{base.name}-reference.tflite", describe=False),
        tested(small, dense, digits, folder / f"{base.name}-compressed.tflite", describe=True),
    )


def trained(experiment: Experiment, digits: Digits, seed: int, path: Path) -> Path:
    """The float model of a seed, trained once and kept."""
    if not path.exists():
        keras.utils.set_random_seed(seed)
        model = experiment.build()
        with task(f"training {experiment.name}, seed {seed}") as progress:
            progress.say(f"{experiment.dense.epochs} epochs")
            fit(model, digits, experiment.dense, [])
        with replacing(path) as temporary:
            model.save(temporary)
    return path


def compressed(
    technique: Technique, model: Path, digits: Digits, training: Training, seed: int, directory: Path
) -> Path:
    """The model after one technique and its training."""

    def train(wrapped: keras.Model, callbacks: list[keras.callbacks.Callback]) -> None:
        fit(wrapped, digits, training, callbacks)

    settings = f"MNIST, {len(digits.x_train)} images, batches of {_BATCH}, {training}"
    result = tfc.compress(model, tfc.Recipe([technique]), train, directory, seed=seed, data=settings)
    return result.steps[-1].directory / "model.keras"


def fit(model: keras.Model, digits: Digits, training: Training, callbacks: list[keras.callbacks.Callback]) -> None:
    """Trains a model, or what is behind the layer whose outputs it is to be trained on."""
    if training.features:
        trained, batches = _behind(model, training.features, digits)
    else:
        trained, batches = model, _batches(digits.x_train, digits.y_train).map(_moved)
    decay = keras.optimizers.schedules.CosineDecay(training.learning_rate, steps(training, digits))
    trained.compile(
        keras.optimizers.AdamW(decay, weight_decay=training.weight_decay),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,  # XLA takes twice as long for these networks on a CPU
    )
    trained.fit(batches.prefetch(2), epochs=training.epochs, callbacks=callbacks, verbose=0)


def steps(training: Training, digits: Digits) -> int:
    """How many steps of the optimizer a training takes."""
    images = len(digits.x_train) * (len(_MOVES) if training.features else 1)
    return training.epochs * -(-images // _BATCH)


def _behind(model: keras.Model, name: str, digits: Digits) -> tuple[keras.Model, Any]:
    """The layers behind the one of this name, which they share with the model, and the outputs of that one."""
    place = [layer.name for layer in model.layers].index(name)
    front = keras.Model(model.inputs, model.layers[place].output)
    back = keras.Sequential([keras.Input(front.output.shape[1:]), *model.layers[place + 1 :]])
    # The list goes as soon as it is one array: for MNIST each of the two has a gigabyte.
    outputs = np.concatenate(
        [front.predict(np.roll(digits.x_train, move, (1, 2)), batch_size=500, verbose=0) for move in _MOVES]
    )
    return back, _batches(outputs, np.tile(digits.y_train, len(_MOVES)))


def _batches(inputs: np.ndarray, labels: np.ndarray) -> Any:
    """Shuffled batches of inputs with their labels."""
    import tensorflow as tf

    samples, classes = tf.constant(inputs), tf.constant(labels.astype("int32"))
    order = tf.data.Dataset.range(len(labels)).shuffle(len(labels)).batch(_BATCH)
    return order.map(lambda chosen: (tf.gather(samples, chosen), tf.gather(classes, chosen)))


def _moved(images: Any, labels: Any) -> tuple[Any, Any]:
    """A batch whose images are moved together by at most one pixel in each direction; their margins are empty."""
    import tensorflow as tf

    return tf.roll(images, tf.random.uniform((2,), -1, 2, tf.int32), (1, 2)), labels


def with_rounded_biases(path: Path, target: Path) -> Path:
    """The model with biases that are multiples of 1/32: as float32 of any value they would be a tenth of the file."""
    model = tfc.load(path)
    for layer in model.layers:
        if getattr(layer, "bias", None) is not None:
            layer.bias.assign(np.round(layer.bias.numpy() / _BIAS_STEP) * _BIAS_STEP)
    with replacing(target, force=True) as temporary:
        model.save(temporary)
    return target


def tested(source: Path, against: Path, digits: Digits, path: Path, *, describe: bool) -> tfc.Card:
    """Converts and packs a model, and tests what comes out of the packed file; once for each model.

    Args:
        source: The model.
        against: The model whose float32 parameters are the denominator.
        digits: Those to test on.
        path: The `.tflite` to write; the `.tfz` and what is decoded from it go beside it.
        describe: Whether the card is to have each kernel as the paper stores it, which needs shared values.
    """
    origin = f"Made of the weights {_weights_digest(source)}"
    if card_path(path).exists() and origin in (card := tfc.Card.load_beside(path)).notes:
        return card
    packed, decoded = path.with_suffix(".tfz"), path.with_suffix(".decoded.tflite")
    card = tfc.convert(source, path, mode="float32", against=against, force=True)
    tfc.pack(path, packed, force=True)
    tfc.unpack(packed, decoded, force=True)
    with task(f"testing {decoded.name}"):
        logits = np.asarray(tfc.predict(decoded, digits.x_test))
    names = [kernel.layer.name for kernel in kernels_of(tfc.load(source))]
    card = replace(
        card,
        accuracy=accuracy(logits, digits.y_test),
        packed_bytes=packed.stat().st_size,
        layers=described(decoded, packed, names) if describe else [],
        notes=[*card.notes, origin, f"Tested on {len(digits.x_test)} images, as decoded from {packed.name}"],
    )
    card.save_beside(path)
    return card


def _weights_digest(path: Path) -> str:
    """Names a model's weights; the file itself has the time in it."""
    digest = hashlib.sha256()
    for weight in tfc.load(path).weights:
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.hexdigest()


def described(decoded: Path, packed: Path, names: list[str]) -> list[dict[str, Any]]:
    """Each kernel of the decoded file as the paper stores it, and its bytes in the packed file."""
    taken = {part.name: part.packed_bytes for part in inspect_packed(packed)[0].parts}
    return [asdict(one) | {"packed_bytes": taken[one.tensor]} for one in stored_kernels(decoded, names)]


def summary(results: Mapping[str, list[Outcome]]) -> str:
    """A line for each network: means over the seeds."""
    lines: list[tuple[str, ...]] = [("network", "seeds", "error before, %", "error, %", ".tfz bytes", "rate")]
    for name, outcomes in results.items():
        errors = [[_error(card) for card in (one.reference, one.compressed)] for one in outcomes]
        before, after = (f"{statistics.mean(column):.2f}" for column in zip(*errors, strict=True))
        size = statistics.mean(one.compressed.packed_bytes or 0 for one in outcomes)
        rate = 4 * (outcomes[0].compressed.parameters or 0) / size
        lines.append((name, str(len(outcomes)), before, after, cell(round(size)), f"{rate:.1f}"))
    return aligned(lines)


def _error(card: tfc.Card) -> float:
    return 100 - 100 * (card.accuracy or 0)


@click.command()
@click.option("-o", "--output", default="runs/deep_compression", show_default=True, type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="A folder with MNIST's idx files or mnist.npz.")
@click.option("--only", default="", help="The network whose name contains this.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--first-seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--validate", is_flag=True, help="Train on 55,000 of the training images and test on the other 5,000.")
@click.option("--quick", "is_quick", is_flag=True, help="One epoch a stage, few images, one seed; implies --validate.")
def main(
    output: Path, data: Path | None, only: str, seeds: int, first_seed: int, validate: bool, is_quick: bool
) -> None:
    """Compress LeNet-300-100 and LeNet-5 as Deep Compression did, and test what comes out of the packed files.

    What is finished in the output folder is not made again; delete the folder to start anew.
    """
    output = output / "quick" if is_quick else output / "validation" if validate else output
    output.mkdir(parents=True, exist_ok=True)
    try:
        images = load(MNIST, data)
        digits = validation_split(images) if validate or is_quick else test_split(images)
        results = {}
        for experiment in EXPERIMENTS:
            if only.lower() in experiment.slug:
                chosen, used = quick(experiment, digits) if is_quick else (experiment, digits)
                numbers = range(first_seed, first_seed + (1 if is_quick else seeds))
                results[experiment.name] = [outcome(chosen, used, seed, output) for seed in numbers]
    except tfc.TfCompressError as error:
        sys.exit(f"tools/reproduce/deep_compression: {error}")
    click.echo(summary(results))


if __name__ == "__main__":
    main()
