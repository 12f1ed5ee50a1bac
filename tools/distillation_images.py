"""Distillation on full MNIST and Fashion-MNIST: the networks, their training, and each experiment of one seed.

Teachers and students that were trained are kept in the folder, so that a run that was stopped goes on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
from keras import layers

import tfcompress as tfc
from tfcompress.files import replacing
from tfcompress.progress import task
from tfcompress.teaching.logits_cache import LogitsCache
from tfcompress.teaching.teachers import make_teacher
from tools import train_fashion
from tools.bench_techniques import accuracy, slug
from tools.datasets import FASHION_MNIST, MNIST, LabelledImages, load
from tools.train_lenet5 import compile_for, pixels

_JITTER = 2


@dataclass(frozen=True)
class Result:
    """One trained model on 10,000 test samples, its int8 file on the same, and the file of its card."""

    name: str
    errors: int
    card: str
    int8_errors: int | None = None


@dataclass(frozen=True)
class Effort:
    """How things train: for how many epochs (teachers, students, and under a technique), by which batches, how fast."""

    teacher: int
    student: int
    technique: int = 0
    batch: int = 128
    rate: float = 1e-3

    def steps(self, images: LabelledImages) -> int:
        """Of one epoch."""
        return -(-len(images.x_train) // self.batch)


class Jittered(keras.utils.PyDataset):
    """Images moved by up to two pixels in each direction, anew in each epoch."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, batch: int, seed: int) -> None:
        super().__init__()
        padding = ((0, 0), (_JITTER, _JITTER), (_JITTER, _JITTER))
        self._windows = np.lib.stride_tricks.sliding_window_view(np.pad(images, padding), images.shape[1:], (1, 2))
        self._labels, self._batch, self._generator = labels, batch, np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self._labels) // self._batch)

    def on_epoch_end(self) -> None:
        """Shuffles."""
        self._order = self._generator.permutation(len(self._labels))

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self._order[number * self._batch : (number + 1) * self._batch]
        down, right = self._generator.integers(0, 2 * _JITTER + 1, (2, len(chosen)))
        return pixels(self._windows[chosen, down, right]), self._labels[chosen]


def hinton(folder: Path, seed: int, effort: Effort) -> list[Result]:
    """Hinton's experiment: 1200 and 1200 units, trained with dropout and jitter, teach 800 and 800 without any.

    In so few epochs the paper's dropout of a half underfits: a quarter is dropped here, and none of the inputs. All
    seeds' students have the same teacher.
    """
    images = load(MNIST)
    teacher = kept(
        folder / "hinton-teacher.keras",
        0,
        lambda: _fit(dense(1200, dropout=0.25), images, replace(effort, student=effort.teacher), jitter=0),
    )
    alone = kept(folder / f"hinton-alone-{seed}.keras", seed + 1, lambda: _fit(dense(800), images, effort))
    said = _logits(teacher, images, folder / "hinton.logits")
    distillation = tfc.Distillation(said, [tfc.SoftTargets(temperature=20.0)], alpha=0.9)
    distilled = kept(
        folder / f"hinton-distilled-{seed}.keras",
        seed + 1,
        lambda: distillation.strip(_fit(distillation.wrap(dense(800)), images, effort)),
    )
    return [
        result("teacher", teacher, images, folder / "hinton"),
        result("student alone", alone, images, folder / f"hinton-{seed}"),
        result("student distilled, T = 20", distilled, images, folder / f"hinton-{seed}"),
    ]


def dense(units: int, *, dropout: float = 0.0) -> keras.Model:
    """784 inputs, two layers of ReLUs, each followed by dropout if any, and 10 logits."""
    tensor = inputs = keras.Input((28, 28, 1))
    tensor = layers.Flatten()(tensor)
    for number in (1, 2):
        tensor = layers.Dense(units, activation="relu", name=f"hidden{number}")(tensor)
        tensor = layers.Dropout(dropout)(tensor) if dropout else tensor
    return keras.Model(inputs, layers.Dense(10, name="logits")(tensor), name=f"dense{units}")


def fitnets(folder: Path, seed: int, effort: Effort) -> list[Result]:
    """FitNets' student of six thin maxout convolutions: alone, with soft targets, and with hints first.

    The teacher has the paper's three layers of 48, 48 and 24 maps with kernels of 3 instead of 8, 8 and 5: a twelfth of
    the work, and 65,482 parameters instead of 361,000; it sees jittered images. The student has the paper's widths and
    21,426 parameters instead of 30,000. Adam stands for SGD. As in the paper the hints are a stage before the same
    training with soft targets, whose weight falls from 4 to 1; here the square of the temperature stands beside it.
    All seeds' students have the same teacher.
    """
    images = load(MNIST)
    teacher = _fitnets_teacher(folder, images, effort)
    said = _logits(teacher, images, folder / "fitnets.logits")

    def hinted() -> keras.Model:
        hints = tfc.Distillation(teacher, [tfc.Hints(layers={"maxout4": "maxout2"})], alpha=1.0)
        return hints.strip(_fit(hints.wrap(_thin()), images, replace(effort, student=effort.technique)))

    made = {
        "student alone": lambda: _fit(_thin(), images, effort),
        "student, soft targets": lambda: _softly(_thin(), said, images, effort),
        "student, hints, then soft targets": lambda: _softly(hinted(), said, images, effort),
    }
    results = [result("teacher", teacher, images, folder / "fitnets")]
    return results + [_fitnets_student(name, make, folder, seed, images) for name, make in made.items()]


def fitnets_longer(folder: Path, seed: int, effort: Effort) -> list[Result]:
    """FitNets' student with soft targets alone, for as many epochs as hints and soft targets take together.

    It has the teacher of `fitnets`, which is kept in the folder of that name beside this one.
    """
    images, longer = load(MNIST), replace(effort, student=effort.technique + effort.student)
    beside = folder.with_name("fitnets")
    said = _logits(_fitnets_teacher(beside, images, effort), images, beside / "fitnets.logits")
    name = "student, soft targets for as long"
    return [_fitnets_student(name, lambda: _softly(_thin(), said, images, longer), folder, seed, images)]


def _fitnets_teacher(folder: Path, images: LabelledImages, effort: Effort) -> keras.Model:
    effort = replace(effort, student=effort.teacher)
    path = folder / "fitnets-teacher.keras"
    return kept(path, 0, lambda: _fit(maxout((48, 48, 24), dropout=0.5), images, effort, jitter=0))


def _fitnets_student(
    name: str, make: Callable[[], keras.Model], folder: Path, seed: int, images: LabelledImages
) -> Result:
    model = kept(folder / f"fitnets-{slug(name)}-{seed}.keras", seed + 1, make)
    return result(name, model, images, folder / f"fitnets-{seed}")


def _thin() -> keras.Model:
    return maxout((16, 16, 16, 16, 12, 12))


def _softly(model: keras.Model, said: Path, images: LabelledImages, effort: Effort) -> keras.Model:
    soft = tfc.SoftTargets(temperature=3.0, weight=tfc.Linear(4.0, 1.0, effort.student * effort.steps(images)))
    kd = tfc.Distillation(said, [soft], alpha=0.5)
    return kd.strip(_fit(kd.wrap(model), images, effort))


def _logits(teacher: keras.Model, images: LabelledImages, path: Path) -> Path:
    """The file of what a teacher says of the training images, which it is asked once."""
    if not path.exists() or LogitsCache.load(path).origin.weights != make_teacher([teacher]).weights_hash:
        tfc.cache_logits(teacher, pixels(images.x_train), path, force=True)
    return path


def maxout(widths: tuple[int, ...], *, dropout: float = 0.0) -> keras.Model:
    """Convolutions with maxout of two pieces on the middle 24 x 24, pooled to 12, 6 and 3, and a layer of 10 logits."""
    inputs = keras.Input((28, 28, 1))
    tensor = layers.Cropping2D(2)(inputs)
    between = len(widths) // 3
    for number, width in enumerate(widths, 1):
        pieces = layers.Conv2D(2 * width, 3, padding="same", name=f"conv{number}")(tensor)
        tensor = layers.Maximum(name=f"maxout{number}")(keras.ops.split(pieces, 2, axis=-1))
        if number % between == 0:
            size = 4 if number < len(widths) else 2
            tensor = layers.MaxPooling2D(size, 2, padding="same", name=f"pool{number // between}")(tensor)
    tensor = layers.Dropout(dropout)(layers.Flatten()(tensor)) if dropout else layers.Flatten()(tensor)
    return keras.Model(inputs, layers.Dense(10, name="logits")(tensor), name=f"maxout{len(widths)}")


def apprentice(folder: Path, seed: int, effort: Effort) -> list[Result]:
    """Apprentice on Fashion-MNIST: 4-bit weights trained alone and with a wider teacher, from the same weights.

    All seeds' students have the same teacher.
    """
    images = load(FASHION_MNIST)
    student = kept(folder / f"fashion-student-{seed}.keras", seed, lambda: _fit(train_fashion.build(), images, effort))
    teacher = kept(
        folder / "fashion-teacher.keras",
        0,
        lambda: _fit(fashion_teacher(), images, replace(effort, student=effort.teacher), jitter=0),
    )
    four_bits = tfc.QuantizationAware(bits=4, activations="Calibrated")
    said = _logits(teacher, images, folder / "fashion.logits")
    taught = tfc.Distillation(said, [tfc.SoftTargets(temperature=1.0)], alpha=0.5, during=four_bits)
    results = [
        result("teacher, float", teacher, images, folder / "apprentice"),
        result("student, float", student, images, folder / f"apprentice-{seed}"),
    ]
    for name, technique in (("4 bits alone", four_bits), ("4 bits with the teacher", taught)):
        keras.utils.set_random_seed(seed + 2)
        wrapped = _fit(technique.wrap(student), images, replace(effort, student=effort.technique))
        results.append(result(name, technique.strip(wrapped), images, folder / f"apprentice-{seed}"))
    return results


def fashion_teacher() -> keras.Model:
    """A convolutional network of 391,082 parameters."""
    tensor = inputs = keras.Input((28, 28, 1))
    for number, filters in enumerate((32, 64, 128), 1):
        tensor = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{number}")(tensor)
        tensor = layers.MaxPooling2D()(layers.ReLU()(layers.BatchNormalization()(tensor)))
    tensor = layers.Dropout(0.5)(layers.Dense(256, activation="relu")(layers.Flatten()(tensor)))
    return keras.Model(inputs, layers.Dense(10, name="logits")(tensor), name="fashion_teacher")


def kept(path: Path, seed: int, make: Callable[[], keras.Model]) -> keras.Model:
    """The model in a file; made, from a fixed random state, and written where there is none."""
    if not path.exists():
        keras.utils.set_random_seed(seed)
        with task(f"training {path.stem}"), replacing(path) as temporary:
            make().save(temporary)
    return tfc.load(path)


def _fit(model: keras.Model, images: LabelledImages, effort: Effort, jitter: int | None = None) -> keras.Model:
    """Trains with Adam, its rate falling to zero over the epochs of a student."""
    compile_for(model, effort.student * effort.steps(images), effort.rate)
    if jitter is None:
        model.fit(pixels(images.x_train), images.y_train, effort.batch, effort.student, verbose=0)
    else:
        data = Jittered(images.x_train, images.y_train, effort.batch, jitter)
        model.fit(data, epochs=effort.student, verbose=0)
    return model


def result(name: str, model: keras.Model, images: LabelledImages, base: Path) -> Result:
    """The errors of a model and of its int8 file on the test images; the file and its card lie beside `base`."""
    share = accuracy(model.predict(pixels(images.x_test), batch_size=500, verbose=0), images.y_test)
    path = base.with_name(f"{base.name}-{slug(name)}.tflite")
    card = tfc.convert(model, path, representative=pixels(images.x_train[:200]), force=True)
    int8 = accuracy(np.asarray(tfc.predict(path, pixels(images.x_test))), images.y_test)
    card = replace(card, accuracy=int8, notes=[*card.notes, f"float model: {share:.4f}"])
    return Result(name, _errors(share, images), card.save_beside(path).name, _errors(int8, images))


def _errors(share: float, images: LabelledImages) -> int:
    return round((1 - share) * len(images.y_test))
