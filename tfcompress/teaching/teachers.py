"""Whom a student learns from: a model, several, or the outputs that a model once gave; none of them is changed."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np

from tfcompress.errors import DataError, ModelError, RecipeError
from tfcompress.models.loading import load
from tfcompress.teaching.cached_teacher import CachedTeacher
from tfcompress.teaching.live_teacher import LiveTeacher
from tfcompress.teaching.logits_cache import SUFFIX, LogitsCache
from tfcompress.teaching.matching import input_names, order_like, output_names
from tfcompress.teaching.output_kinds import (
    OutputKind,
    Said,
    class_logits,
    output_kinds,
    plain_values,
    said_kinds,
    shapes_agree,
)
from tfcompress.teaching.teacher import Lesson, Teacher

Source: TypeAlias = keras.Model | LogitsCache | str | Path
"""What a teacher is given as: a model, cached logits, or the file of either."""


class Ensemble(Teacher):
    """Several teachers that say together what the mean of their logits says: the geometric mean of their distributions.

    Args:
        teachers: Two or more, whose outputs are in the same order.

    Raises:
        RecipeError: Their outputs differ in shape or kind.
    """

    def __init__(self, teachers: Sequence[Teacher]) -> None:
        self._teachers, first = teachers, teachers[0]
        self.name = " + ".join(teacher.name for teacher in teachers)
        self.kinds, self.shapes, self.input_names = first.kinds, first.shapes, first.input_names
        alike = {teacher.names for teacher in teachers}
        together = zip(*(teacher.names for teacher in teachers), strict=False)
        self.names = first.names if len(alike) == 1 else tuple(" + ".join(names) for names in together)
        self.supports_jit = all(teacher.supports_jit for teacher in teachers)
        self.in_half = any(teacher.in_half for teacher in teachers)
        for other in teachers[1:]:
            if (other.shapes, other.kinds) != (first.shapes, first.kinds):
                raise RecipeError(
                    f"The teachers {first.name} and {other.name} do not go together: their outputs are "
                    f"{_described(first)} and {_described(other)}."
                )

    def __call__(self, inputs: Any) -> Lesson:
        """What the teachers say of a batch together."""
        each = [teacher(inputs).outputs for teacher in self._teachers]
        kinds = self.kinds or [OutputKind.LOGITS] * len(each[0])
        return Lesson([_mean(outputs, kind) for outputs, kind in zip(zip(*each, strict=True), kinds, strict=True)], {})

    @property
    def weights_hash(self) -> str:
        """Of the hashes of all teachers."""
        return hashlib.sha256("".join(teacher.weights_hash for teacher in self._teachers).encode()).hexdigest()[:16]

    @property
    def description(self) -> str:
        """The teachers' own."""
        return " + ".join(teacher.description for teacher in self._teachers)

    @property
    def refusal(self) -> DataError | None:
        """The first of the teachers' own."""
        return next((teacher.refusal for teacher in self._teachers if teacher.refusal), None)

    def forget_refusal(self) -> None:
        """Has each teacher forget its own."""
        for teacher in self._teachers:
            teacher.forget_refusal()

    def examples(self, inputs: Any) -> list[tuple[str, list[np.ndarray]]]:
        """The teachers' own."""
        return [example for teacher in self._teachers for example in teacher.examples(inputs)]

    def _reorder(self, names: Sequence[str], order: list[int]) -> None:
        for teacher in self._teachers:
            teacher.align(names)


def make_teacher(sources: Sequence[Source], student: keras.Model | None = None, said: Said = None) -> Teacher:
    """The teacher that models, cached logits or files of either are, alone or together.

    Args:
        sources: One or more.
        student: The model that is to learn, where there is one. Its inputs must be the teacher's, and outputs are put
            in the order of its own: by name for each teacher whose outputs have the names of its own.
        said: What the outputs of both hold, where the user said it.

    Raises:
        ModelError: A model cannot be read, or takes other inputs than the student.
        FormatError: A file of cached logits is damaged.
        RecipeError: Several teachers do not go together, or the student has no output of a name that `said` has.
    """
    teachers = [_teacher(source, student) for source in sources]
    names = teachers[0].names if student is None else output_names(student)
    known, assumed = ([], []) if student is None else (said_kinds(names, said), output_kinds(student))
    for teacher in teachers:
        teacher.align(names, known, [one or other for one, other in zip(known, assumed, strict=True)])
    return teachers[0] if len(teachers) == 1 else Ensemble(teachers)


def _teacher(source: Source, student: keras.Model | None) -> Teacher:
    if isinstance(source, (str, Path)):
        source = LogitsCache.load(source) if Path(source).suffix == SUFFIX else load(source)
    known = () if student is None else input_names(student)
    if isinstance(source, LogitsCache):
        return CachedTeacher(source, known)
    teacher = LiveTeacher(source, known)
    if teacher.shapes and student is not None:
        shapes = [[tuple(tensor.shape)[1:] for tensor in model.inputs] for model in (student, source)]
        order = order_like(teacher.input_names, known)
        shapes[0] = [shapes[0][place] for place in order] if len(order) == len(shapes[0]) else shapes[0]
        if len(shapes[0]) != len(shapes[1]) or not all(map(shapes_agree, *shapes)):
            raise ModelError(
                f"The teacher '{source.name}' takes inputs of shape {_listed(shapes[1])} and the student "
                f"'{student.name}' {_listed(shapes[0])}. Both see the same batch: give them the same inputs."
            )
    return teacher


def _listed(shapes: Sequence[tuple[int | None, ...]]) -> str:
    return ", ".join(str(shape) for shape in shapes)


def _described(teacher: Teacher) -> str:
    shapes = map(str, teacher.shapes) if teacher.shapes else ["of unknown shape"] * len(teacher.kinds)
    return ", ".join(f"{kind.value} {shape}" for kind, shape in zip(teacher.kinds, shapes, strict=True))


def _mean(outputs: Sequence[Any], kind: OutputKind) -> Any:
    if kind is OutputKind.SOFTMAX:
        return keras.ops.softmax(sum(class_logits(output, kind) for output in outputs) / len(outputs))
    total = sum(plain_values(output, kind) for output in outputs) / len(outputs)
    return keras.ops.sigmoid(total) if kind is OutputKind.SIGMOID else total
