"""Whom a student learns from: a model, several, or the outputs that a model once gave; none of them is changed."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from tfcompress.errors import DataError, ModelError, RecipeError
from tfcompress.models.generation import check_generation
from tfcompress.models.loading import check_finite, load
from tfcompress.teaching.features import Feature, Tapped, features_of
from tfcompress.teaching.logits_cache import SUFFIX, LogitsCache
from tfcompress.teaching.output_kinds import OutputKind, class_logits, output_kinds, plain_values, shapes_agree

Source: TypeAlias = keras.Model | LogitsCache | str | Path
"""What a teacher is given as: a model, cached logits, or the file of either."""


@dataclass(frozen=True)
class Lesson:
    """What a teacher says of one batch.

    Attributes:
        outputs: Its outputs, flat, in float32.
        features: The outputs of the layers that were asked for, by name, in float32.
    """

    outputs: list[Any]
    features: dict[str, Any]


class Teacher(ABC):
    """Gives a lesson for a batch of inputs.

    Attributes:
        name: Of the model or file.
        kinds: What each output holds.
        shapes: The shape of each output without the batch.
        supports_jit: Whether it can be called in a step that XLA compiles.
    """

    name: str
    kinds: list[OutputKind]
    shapes: list[tuple[int | None, ...]]
    supports_jit = True

    @abstractmethod
    def __call__(self, inputs: Any) -> Lesson:
        """The lesson for a batch; no gradient passes it."""

    def features(self) -> list[Feature]:
        """The layers whose features may be asked for.

        Raises:
            RecipeError: This teacher has none.
        """
        raise RecipeError(
            f"The teacher {self.name} gives outputs only. Objectives on layers need one model as their teacher."
        )

    def tap(self, names: Collection[str]) -> None:
        """Asks for the features of these layers in all lessons to come."""
        raise RecipeError(f"The teacher {self.name} has no layers to give features of: {', '.join(sorted(names))}.")


class LiveTeacher(Teacher):
    """A model that runs on each batch, in inference mode.

    Args:
        model: A built model.

    Raises:
        ModelError: It is no Keras 3 model, is not built yet, or a weight is NaN or infinite.
    """

    def __init__(self, model: keras.Model) -> None:
        check_generation(model)
        if not model.built:
            raise ModelError(
                f"The teacher '{model.name}' has no weights yet. Call it once on data, or load it trained."
            )
        check_finite(model)
        self.model, self.name = model, model.name
        self.supports_jit = all(layer.supports_jit for layer in model._flatten_layers())
        self.kinds = output_kinds(model)
        self.shapes = [tuple(tensor.shape)[1:] for tensor in model.outputs] if self.kinds else []
        self._tapped = Tapped(model, ())

    def __call__(self, inputs: Any) -> Lesson:
        """What the model says of a batch."""
        # Whatever a layer assigns while it runs, such as the state of a recurrent one, is dropped with this scope.
        with keras.StatelessScope():
            outputs, features = self._tapped(inputs, training=False)
        return Lesson(
            [_heard(output) for output in keras.tree.flatten(outputs)],
            {name: _heard(feature) for name, feature in features.items()},
        )

    def features(self) -> list[Feature]:
        """The outputs of all of the model's layers."""
        return features_of(self.model)

    def tap(self, names: Collection[str]) -> None:
        """Keeps what these layers give."""
        self._tapped = Tapped(self.model, names)


class Ensemble(Teacher):
    """Several teachers that say together what the mean of their logits says: the geometric mean of their distributions.

    Args:
        teachers: Two or more.

    Raises:
        RecipeError: Their outputs differ in shape or kind.
    """

    def __init__(self, teachers: Sequence[Teacher]) -> None:
        self._teachers, first = teachers, teachers[0]
        self.name = " + ".join(teacher.name for teacher in teachers)
        self.kinds, self.shapes = first.kinds, first.shapes
        self.supports_jit = all(teacher.supports_jit for teacher in teachers)
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


class CachedTeacher(Teacher):
    """The outputs that a model once gave, found by the content of each sample.

    Args:
        cache: The opened file.
    """

    supports_jit = False  # rows are read by Python, which XLA cannot compile

    def __init__(self, cache: LogitsCache) -> None:
        self.cache, self.name = cache, cache.path.name
        self.kinds = [OutputKind(kind) for kind in cache.kinds]
        self.shapes = [output.shape[1:] for output in cache.outputs]
        self.refusal: DataError | None = None

    def __call__(self, inputs: Any) -> Lesson:
        """What the file has for a batch."""
        flat = [canonical(tensor) for tensor in keras.tree.flatten(inputs)]
        outputs = keras.tree.flatten(tf.numpy_function(self._look_up, flat, [tf.float32] * len(self.shapes)))
        for output, shape in zip(outputs, self.shapes, strict=True):
            output.set_shape((flat[0].shape[0], *shape))
        return Lesson(outputs, {})

    def _look_up(self, *inputs: np.ndarray) -> list[np.ndarray]:
        try:
            return self.cache.look_up(inputs)
        except DataError as error:
            self.refusal = error  # TensorFlow hands on the text of an exception only
            raise


def make_teacher(sources: Sequence[Source], student: keras.Model | None = None) -> Teacher:
    """The teacher that models, cached logits or files of either are, alone or together.

    Args:
        sources: One or more.
        student: The model that is to learn, where there is one; its inputs must be the teacher's.

    Raises:
        ModelError: A model cannot be read, or takes other inputs than the student.
        FormatError: A file of cached logits is damaged.
    """
    teachers = [_teacher(source, student) for source in sources]
    return teachers[0] if len(teachers) == 1 else Ensemble(teachers)


def canonical(tensor: Any) -> tf.Tensor:
    """A batch in the type in which samples are known again: float32, or int32 for whole numbers."""
    tensor = tf.convert_to_tensor(tensor)
    return tf.cast(tensor, tf.float32 if tensor.dtype.is_floating else tf.int32)


def _teacher(source: Source, student: keras.Model | None) -> Teacher:
    if isinstance(source, (str, Path)):
        source = LogitsCache.load(source) if Path(source).suffix == SUFFIX else load(source)
    if isinstance(source, LogitsCache):
        return CachedTeacher(source)
    teacher = LiveTeacher(source)
    if teacher.kinds and student is not None:
        shapes = [[tuple(tensor.shape)[1:] for tensor in model.inputs] for model in (student, source)]
        if len(shapes[0]) != len(shapes[1]) or not all(map(shapes_agree, *shapes)):
            raise ModelError(
                f"The teacher '{source.name}' takes inputs of shape {_listed(shapes[1])} and the student "
                f"'{student.name}' {_listed(shapes[0])}. Both see the same batch: give them the same inputs."
            )
    return teacher


def _listed(shapes: Sequence[tuple[int | None, ...]]) -> str:
    return ", ".join(str(shape) for shape in shapes)


def _described(teacher: Teacher) -> str:
    return ", ".join(f"{kind.value} {shape}" for kind, shape in zip(teacher.kinds, teacher.shapes, strict=True))


def _heard(tensor: Any) -> Any:
    return keras.ops.stop_gradient(keras.ops.cast(tensor, "float32"))


def _mean(outputs: Sequence[Any], kind: OutputKind) -> Any:
    if kind is OutputKind.SOFTMAX:
        return keras.ops.softmax(sum(class_logits(output, kind) for output in outputs) / len(outputs))
    total = sum(plain_values(output, kind) for output in outputs) / len(outputs)
    return keras.ops.sigmoid(total) if kind is OutputKind.SIGMOID else total
