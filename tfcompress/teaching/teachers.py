"""Whom a student learns from: a model, several, or the outputs that a model once gave; none of them is changed."""

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import record

from tfcompress.errors import DataError, ModelError, RecipeError
from tfcompress.models.generation import check_generation
from tfcompress.models.graph import graph_of
from tfcompress.models.loading import check_finite, load
from tfcompress.teaching.features import Feature, Tapped, features_of
from tfcompress.teaching.logits_cache import SUFFIX, LogitsCache
from tfcompress.teaching.matching import input_names, order_like, output_names
from tfcompress.teaching.output_kinds import (
    OutputKind,
    Said,
    class_logits,
    in_half,
    output_kinds,
    plain_values,
    said_kinds,
    shapes_agree,
)
from tfcompress.teaching.teacher import EXAMPLES, Lesson, Teacher

Source: TypeAlias = keras.Model | LogitsCache | str | Path
"""What a teacher is given as: a model, cached logits, or the file of either."""


class LiveTeacher(Teacher):
    """A model that runs on each batch, in inference mode.

    Args:
        model: A built model.
        student_inputs: The names of the inputs of the model that learns, in flat order.

    Raises:
        ModelError: It is no Keras 3 model, is not built yet, or a weight is NaN or infinite.
    """

    def __init__(self, model: keras.Model, student_inputs: Sequence[str] = ()) -> None:
        check_generation(model)
        if not model.built:
            raise ModelError(
                f"The teacher '{model.name}' has no weights yet. Call it once on data, or load it trained."
            )
        check_finite(model)
        self.model, self.name = model, model.name
        self.supports_jit = all(layer.supports_jit for layer in model._flatten_layers())
        self.names, self.input_names, self.kinds = output_names(model), input_names(model), output_kinds(model)
        self.shapes = [tuple(tensor.shape)[1:] for tensor in model.outputs] if self.kinds else []
        self.in_half = bool(self.kinds) and in_half(model)
        self._student_inputs = student_inputs
        self._wanted: Sequence[str] = ()
        self._order: list[int] = []
        self._tapped = Tapped(model, ())

    def __call__(self, inputs: Any) -> Lesson:
        """What the model says of a batch."""
        # Whatever a layer assigns while it runs, such as the state of a recurrent one, is dropped with this scope. A
        # tape would keep what each layer gives; a `tf.GradientTape` of the user's own is not at hand to be stopped, and
        # TensorFlow 2.21 has no public way to stop whichever tapes there are.
        with keras.StatelessScope(), record.stop_recording():
            outputs, features = self._tapped(self._arranged(inputs), training=False)
        return Lesson(
            [_heard(output) for output in self._in_order(outputs)],
            {name: _heard(feature) for name, feature in features.items()},
        )

    @property
    def weights_hash(self) -> str:
        """Of the values of all its variables, in their order."""
        digest = hashlib.sha256()
        for variable in self.model.weights:
            digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes())
        return digest.hexdigest()[:16]

    def features(self) -> list[Feature]:
        """The outputs of all of the model's layers."""
        return features_of(self.model)

    def tap(self, names: Collection[str]) -> None:
        """Keeps what these layers give."""
        self._tapped = Tapped(self.model, names)

    def _reorder(self, names: Sequence[str], order: list[int]) -> None:
        self._wanted, self._order = names, order

    def _arranged(self, inputs: Any) -> Any:
        """A batch for the student as this model takes it: by the names of inputs where they agree, else in order."""
        flat = in_order(inputs, self.input_names, self._student_inputs)
        fits = len(flat) == len(self.input_names)
        return keras.tree.pack_sequence_as(graph_of(self.model).input, flat) if fits else inputs

    def _in_order(self, outputs: Any) -> list[Any]:
        """The outputs, flat, in the order of the student's.

        Raises:
            ModelError: A model whose graph is hidden gives another number of outputs than the student.
        """
        if not self._order and isinstance(outputs, dict) and self._wanted and set(self._wanted) <= set(outputs):
            return keras.tree.flatten([outputs[name] for name in self._wanted])
        flat = keras.tree.flatten(outputs)
        if self._order:
            return [flat[place] for place in self._order]
        if self._wanted and len(flat) != len(self._wanted):
            raise ModelError(
                f"The teacher {self.name} gives {len(flat)} outputs and the student has {len(self._wanted)}: "
                f"{', '.join(self._wanted)}. Give both the same, or let the teacher give a dict that has these names."
            )
        return flat


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


class CachedTeacher(Teacher):
    """The outputs that a model once gave, found by the content of each sample.

    Args:
        cache: The opened file.
        student_inputs: The names of the inputs of the model that learns, in flat order.
    """

    supports_jit = False  # rows are read by Python, which XLA cannot compile

    def __init__(self, cache: LogitsCache, student_inputs: Sequence[str] = ()) -> None:
        self.cache, self.name = cache, cache.path.name
        self.kinds = [OutputKind(kind) for kind in cache.kinds]
        self.shapes = [output.shape[1:] for output in cache.outputs]
        self.names, self.input_names = cache.origin.outputs, cache.origin.inputs
        self._student_inputs, self._order = student_inputs, list(range(len(self.shapes)))
        self._refusal: DataError | None = None

    def __call__(self, inputs: Any) -> Lesson:
        """What the file has for a batch.

        Raises:
            DataError: A sample is not in it. Inside TensorFlow's graph this comes as an error of TensorFlow's, and
                `refusal` has the reason.
        """
        flat = [canonical(tensor) for tensor in in_order(inputs, self.input_names, self._student_inputs)]
        try:
            found = keras.tree.flatten(tf.numpy_function(self._look_up, flat, [tf.float32] * len(self.shapes)))
        except tf.errors.OpError as error:
            if self._refusal is None:
                raise
            raise self._refusal from error
        outputs = [found[place] for place in self._order]
        for output, shape in zip(outputs, self.shapes, strict=True):
            output.set_shape((flat[0].shape[0], *shape))
        return Lesson(outputs, {})

    @property
    def weights_hash(self) -> str:
        """That of the teacher that gave the outputs."""
        return self.cache.origin.weights

    @property
    def description(self) -> str:
        """The file, and whose outputs are in it."""
        return f"{self.name} ({self.cache.origin})"

    @property
    def refusal(self) -> DataError | None:
        """Which samples are not in the file."""
        return self._refusal

    def forget_refusal(self) -> None:
        """Forgets why an earlier batch was refused."""
        self._refusal = None

    def examples(self, inputs: Any) -> list[tuple[str, list[np.ndarray]]]:
        """The first outputs in the file, whatever the inputs."""
        return [(self.name, [np.asarray(self.cache.outputs[place][:EXAMPLES]) for place in self._order])]

    def _reorder(self, names: Sequence[str], order: list[int]) -> None:
        self._order = [self._order[place] for place in order]

    def _look_up(self, *inputs: np.ndarray) -> list[np.ndarray]:
        try:
            return self.cache.look_up(inputs)
        except DataError as error:
            self._refusal = error
            raise


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


def canonical(tensor: Any) -> tf.Tensor:
    """A batch as TensorFlow's; `sample_keys` takes it in whichever width of its type."""
    return tf.convert_to_tensor(tensor)


def in_order(inputs: Any, wanted: Sequence[str], known: Sequence[str] = ()) -> list[Any]:
    """The inputs of a batch, flat, in the order of a model's input names: a dict and a list give the same samples.

    Args:
        inputs: Arrays in any structure.
        wanted: The names of the inputs in the order that is asked for.
        known: The names of what the batch has, where that is a list.

    Example:
        >>> in_order({"age": 1, "name": 2, "unread": 3}, ["name", "age"]), in_order([1, 2], ["b", "a"], ["a", "b"])
        ([2, 1], [2, 1])
    """
    if isinstance(inputs, dict):
        names = next((names for names in (wanted, known) if names and set(names) <= set(inputs)), sorted(inputs))
        return keras.tree.flatten([inputs[name] for name in names])
    flat = keras.tree.flatten(inputs)
    order = order_like(wanted, known)
    return [flat[place] for place in order] if len(order) == len(flat) else flat


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


def _heard(tensor: Any) -> Any:
    return keras.ops.stop_gradient(keras.ops.cast(tensor, "float32"))


def _mean(outputs: Sequence[Any], kind: OutputKind) -> Any:
    if kind is OutputKind.SOFTMAX:
        return keras.ops.softmax(sum(class_logits(output, kind) for output in outputs) / len(outputs))
    total = sum(plain_values(output, kind) for output in outputs) / len(outputs)
    return keras.ops.sigmoid(total) if kind is OutputKind.SIGMOID else total
