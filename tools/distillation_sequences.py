"""Sequence-level distillation on a made-up translation: dates in words to dates in one of four notations, seeded.

Which notation a date gets in the training data is chance, so a small student that learns from the data has to spread
its probability over all four; the teacher's beams are of few kinds.
"""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import tfcompress as tfc
from tools.distillation_images import Result, kept

_PADDING, _END, _START = 0, 1, 2
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz -/."
_SOURCE_LENGTH, _LENGTH = 18, 12
_SHARES = (0.4, 0.3, 0.2, 0.1)
"""Of the notations in the training data."""
_MONTHS = [date(2000, month, 1).strftime("%B").lower() for month in range(1, 13)]


@dataclass(frozen=True)
class Pairs:
    """Sources and targets as rows of numbers, and the texts of both."""

    sources: np.ndarray
    targets: np.ndarray
    texts: list[tuple[str, str]]


def splits(seed: int, training: int = 20_000, test: int = 10_000) -> tuple[Pairs, Pairs]:
    """Dates to train on and others to test on, such as "7 march 1998" with one of its `notations` by chance."""
    generator = np.random.default_rng(seed)
    days = [(year, month, day) for year in range(1900, 2100) for month in range(1, 13) for day in range(1, 29)]
    chosen = generator.permutation(len(days))[: training + test]
    kinds = generator.choice(len(_SHARES), len(chosen), p=_SHARES)
    texts = []
    for (year, month, day), kind in zip((days[number] for number in chosen), kinds, strict=True):
        texts.append((f"{day} {_MONTHS[month - 1]} {year}", notations(year, month, day)[kind]))
    return _pairs(texts[:training]), _pairs(texts[training:])


def _pairs(texts: list[tuple[str, str]]) -> Pairs:
    rows = [(_numbers(source, _SOURCE_LENGTH), _numbers(target, _LENGTH)) for source, target in texts]
    sources, targets = (np.array(side, "int32") for side in zip(*rows, strict=True))
    return Pairs(sources, targets, texts)


def notations(year: int, month: int, day: int) -> tuple[str, ...]:
    """The ways in which a date may be written.

    Example:
        >>> notations(1998, 3, 7)
        ('1998-03-07', '07/03/1998', 'mar 7 1998', '7.3.98')
    """
    name = _MONTHS[month - 1][:3]
    return (
        f"{year}-{month:02}-{day:02}",
        f"{day:02}/{month:02}/{year}",
        f"{name} {day} {year}",
        f"{day}.{month}.{year % 100:02}",
    )


def seq2seq(units: int) -> keras.Model:
    """A GRU reads the letters and a GRU that attends to them writes; logits."""
    words = len(_LETTERS) + 3
    source = keras.Input((_SOURCE_LENGTH,), dtype="int32", name="source")
    before = keras.Input((_LENGTH,), dtype="int32", name="before")
    read, state = layers.GRU(units, return_sequences=True, return_state=True, name="reader")(
        layers.Embedding(words, 16, name="letters")(source)
    )
    written = layers.GRU(units, return_sequences=True, name="writer")(
        layers.Embedding(words, 16, name="written")(before), initial_state=state
    )
    attended = layers.Attention(name="attention")([written, read])
    joined = layers.Dense(units, activation="tanh", name="joined")(layers.Concatenate()([written, attended]))
    return keras.Model([source, before], layers.Dense(words, name="next")(joined), name=f"seq2seq{units}")


def sequences(folder: Path, seed: int, epochs: tuple[int, int] = (8, 10)) -> list[Result]:
    """A teacher of 64 units, and a student of 16 before and after sequence-level distillation, on 10,000 new dates.

    Args:
        folder: Where models, what the teacher wrote, float32 files and cards go.
        seed: Of the data and of all weights.
        epochs: Of the teacher, and of each student.
    """
    data, test = splits(seed)
    teacher = kept(
        folder / f"dates-teacher-{seed}.keras", seed, lambda: _fit(seq2seq(64), data.targets, data, epochs[0])
    )
    before = kept(
        folder / f"dates-before-{seed}.keras", seed + 1, lambda: _fit(seq2seq(16), data.targets, data, epochs[1])
    )
    path = folder / f"dates-{seed}.npz"
    if not path.exists():
        tfc.generate_targets(teacher, data.sources, path, start=_START, end=_END, length=_LENGTH, batch_size=500)
    written = tfc.SequenceTargets.load(path).targets
    after = kept(folder / f"dates-after-{seed}.keras", seed + 1, lambda: _fit(seq2seq(16), written, data, epochs[1]))
    return [
        *_results("teacher", teacher, test, folder / f"dates-teacher-{seed}.tflite", beams=(5,)),
        *_results("student before", before, test, folder / f"dates-before-{seed}.tflite", beams=(1, 5)),
        *_results("student after", after, test, folder / f"dates-after-{seed}.tflite", beams=(1, 5)),
    ]


def _results(name: str, model: keras.Model, test: Pairs, path: Path, beams: tuple[int, ...]) -> list[Result]:
    """The errors of a model with each number of beams; the card is that of its float32 file."""
    errors = {("greedy" if number == 1 else f"beam {number}"): _errors(model, test, number) for number in beams}
    card = tfc.convert(model, path, mode="float32", force=True)
    said = ", ".join(f"{count} ({search})" for search, count in errors.items())
    note = f"Dates of {len(test.texts):,} that the Keras model answers in no notation: {said}"
    accuracy = 1 - next(iter(errors.values())) / len(test.texts)
    written = replace(card, accuracy=accuracy, notes=[*card.notes, note]).save_beside(path)
    return [Result(f"{name}, {search}", count, written.name) for search, count in errors.items()]


def _fit(model: keras.Model, targets: np.ndarray, data: Pairs, epochs: int) -> keras.Model:
    steps = epochs * -(-len(targets) // 128)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=_PADDING)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(5e-3, steps)), loss)
    first = np.full((len(targets), 1), _START, "int32")
    shifted = np.concatenate([first, targets[:, :-1]], axis=1)
    model.fit((data.sources, shifted), targets, batch_size=128, epochs=epochs, verbose=0)
    return model


def _errors(model: keras.Model, test: Pairs, beams: int) -> int:
    """How many answers are the date in none of its notations."""
    decoder = tfc.Decoder.of(model, _LENGTH)
    search = tf.function(
        lambda sources: tfc.beam_search(
            decoder.step, decoder.initial(sources), start=_START, end=_END, length=_LENGTH, beams=beams
        ).words[:, 0],
        autograph=False,
    )
    wrong = 0
    for begun in range(0, len(test.texts), 500):
        answers = search(test.sources[begun : begun + 500]).numpy()
        for answer, (source, _) in zip(answers, test.texts[begun:], strict=False):
            day, month, year = source.split()
            wrong += _text(answer) not in notations(int(year), _MONTHS.index(month) + 1, int(day))
    return wrong


def _numbers(text: str, length: int) -> list[int]:
    numbers = [_LETTERS.index(letter) + 3 for letter in text] + [_END]
    return numbers + [_PADDING] * (length - len(numbers))


def _text(numbers: np.ndarray) -> str:
    """The letters before the end."""
    letters = []
    for number in numbers:
        if number == _END:
            break
        letters.append(_LETTERS[number - 3] if number > _START else "?")
    return "".join(letters)
