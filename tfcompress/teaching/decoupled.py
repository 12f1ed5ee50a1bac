"""Decoupled distillation: what the teacher says of the right class, and of the others among themselves, apart."""

from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from tfcompress.errors import DataError
from tfcompress.teaching.objective import OutputObjective, check_number, check_temperature
from tfcompress.teaching.output_kinds import shapes_agree
from tfcompress.teaching.soft_targets import softened

_OUT = -1e30
"""Far below the logit of a class that the teacher excludes, whose share among the other classes may count."""


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class DecoupledKD(OutputObjective):
    """Soft targets in two parts with weights of their own.

        TCKD = KL between (p_t, 1 - p_t) of teacher and student, t the right class
        NCKD = KL between their distributions over the other classes
        L = T^2 (alpha TCKD + beta NCKD)

    Plain soft targets are TCKD + (1 - p_t) NCKD: where the teacher is sure, what it knows of the other classes hardly
    counts. Needs class labels, as numbers, one-hot or smoothed: of the latter the right class is the most probable one.
    The loss is 0 where there is no label: a number outside the classes, such as -1, or zeros instead of one-hot.

    Args:
        alpha: The weight of the right class, from 0.
        beta: The weight of the other classes, from 0; 1 to 10, more for surer teachers.
        temperature: T, above 0.

    Raises:
        RecipeError: A setting is out of range.

    Example:
        >>> import numpy as np
        >>> same = np.array([[2.0, 1.0, 0.0]])
        >>> float(DecoupledKD().loss(same, same, np.array([0]))[0])
        0.0

    Reference:
        Zhao et al., "Decoupled Knowledge Distillation", arXiv:2203.08679. The authors let the weight of the whole grow
        over the first 20 epochs: `weight=Linear(0, 1, steps=...)`.
    """

    needs_labels: ClassVar[bool] = True

    alpha: float = 1.0
    beta: float = 8.0
    temperature: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("DecoupledKD: alpha", self.alpha)
        check_number("DecoupledKD: beta", self.beta)
        check_temperature("DecoupledKD", self.temperature)

    def loss(self, student: Any, teacher: Any, target: Any) -> Any:
        """T^2 (alpha TCKD + beta NCKD), for each sample and position.

        Raises:
            DataError: The labels have another shape than the outputs.
        """
        classes, labelled = class_numbers(target, student)
        right = keras.ops.one_hot(classes, student.shape[-1], dtype=student.dtype)
        log_p, log_q = (_parts(softened(logits, self.temperature), right) for logits in (teacher, student))
        divergences = [keras.ops.sum(keras.ops.exp(p) * (p - q), axis=-1) for p, q in zip(log_p, log_q, strict=True)]
        loss = self.temperature**2 * (self.alpha * divergences[0] + self.beta * divergences[1])
        return loss * keras.ops.cast(labelled, loss.dtype)


def class_numbers(target: Any, logits: Any) -> tuple[Any, Any]:
    """The number of each right class, 0 where there is none, and whether there is one.

    Args:
        target: Class numbers of the shape of `logits` without its last axis or with one of 1, or distributions over the
            classes of the shape of `logits`. Those of a single unit or position may be without its axis too.
        logits: Shape (..., classes).

    Raises:
        DataError: The shape is another one.

    Example:
        >>> import numpy as np
        >>> numbers, labelled = class_numbers(np.array([2, -1]), np.zeros((2, 3)))
        >>> numbers.numpy(), labelled.numpy()
        (array([2, 0], dtype=int32), array([ True, False]))
    """
    classes, rank = logits.shape[-1], len(logits.shape)
    target = keras.ops.convert_to_tensor(target)
    given = tuple(target.shape)
    if len(given) == rank - 2 and logits.shape[-2] == 1:
        target = keras.ops.expand_dims(target, -1)
    _check_shape(given, tuple(target.shape), tuple(logits.shape))
    if len(given) == rank and given[-1] == classes:
        numbers = keras.ops.cast(keras.ops.argmax(target, axis=-1), "int32")
        return numbers, keras.ops.any(target > 0, axis=-1)
    if len(given) == rank:
        target = keras.ops.squeeze(target, -1)
    # Smoothed labels of a sigmoid, 0.05 and 0.95, are those of its two classes.
    numbers = keras.ops.cast(keras.ops.round(keras.ops.cast(target, "float64")), "int32")
    labelled = keras.ops.logical_and(numbers >= 0, numbers < classes)
    return keras.ops.where(labelled, numbers, 0), labelled


def _check_shape(given: tuple[Any, ...], target: tuple[Any, ...], logits: tuple[Any, ...]) -> None:
    """Refuses labels that would be compared with each other's logits, as arrays of other shapes are."""
    right = logits[:-1], (*logits[:-1], 1), logits
    if not any(shapes_agree(target, shape) for shape in right):
        raise DataError(
            f"DecoupledKD: the labels have shape {given}, and the logits of the classes {logits}. Give labels as "
            f"numbers of classes, shape {logits[:-1]}, or as distributions over them, shape {logits}."
        )


def _parts(logits: Any, right: Any) -> tuple[Any, Any]:
    """The logs of (p_t, 1 - p_t), and of the distribution over the other classes, in which the right one has 0."""
    total = keras.ops.logsumexp(logits, axis=-1)
    # Far below every other logit, the right class is out of the sum; infinity would give NaN gradients.
    others = keras.ops.where(right > 0, _OUT, logits)
    of_right = keras.ops.sum(logits * right, axis=-1) - total
    of_others = keras.ops.logsumexp(others, axis=-1) - total
    return keras.ops.stack([of_right, of_others], axis=-1), keras.ops.log_softmax(others, axis=-1)
