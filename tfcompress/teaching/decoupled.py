"""Decoupled distillation: what the teacher says of the right class, and of the others among themselves, apart."""

from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from tfcompress.teaching.objective import OutputObjective, check_number, check_temperature


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class DecoupledKD(OutputObjective):
    """Soft targets in two parts with weights of their own.

        TCKD = KL between (p_t, 1 - p_t) of teacher and student, t the right class
        NCKD = KL between their distributions over the other classes
        L = T^2 (alpha TCKD + beta NCKD)

    Plain soft targets are TCKD + (1 - p_t) NCKD: where the teacher is sure, what it knows of the other classes hardly
    counts. Needs class labels, as numbers or one-hot.

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
        """T^2 (alpha TCKD + beta NCKD), for each sample and position."""
        right = keras.ops.cast(one_hot(target, student), student.dtype)
        log_p, log_q = (_parts(logits / self.temperature, right) for logits in (teacher, student))
        divergences = [keras.ops.sum(keras.ops.exp(p) * (p - q), axis=-1) for p, q in zip(log_p, log_q, strict=True)]
        return self.temperature**2 * (self.alpha * divergences[0] + self.beta * divergences[1])


def one_hot(target: Any, logits: Any) -> Any:
    """Labels as one-hot: class numbers, with or without a last axis of 1, are spread, one-hot ones stay."""
    classes, rank = logits.shape[-1], len(logits.shape)
    target = keras.ops.convert_to_tensor(target)
    if len(target.shape) == rank and target.shape[-1] == classes:
        return target
    if len(target.shape) == rank:
        target = keras.ops.squeeze(target, -1)
    return keras.ops.one_hot(keras.ops.cast(target, "int32"), classes)


def _parts(logits: Any, right: Any) -> tuple[Any, Any]:
    """The logs of (p_t, 1 - p_t), and of the distribution over the other classes, in which the right one has 0."""
    total = keras.ops.logsumexp(logits, axis=-1)
    # Far below every other logit, the right class is out of the sum; infinity would give NaN gradients.
    others = logits - 1e4 * right
    rest = keras.ops.logsumexp(others, axis=-1)
    of_right = keras.ops.sum(logits * right, axis=-1) - total
    return keras.ops.stack([of_right, rest - total], axis=-1), others - rest[..., None]
