"""Soft targets: the student's distribution over classes is drawn to the teacher's, both softened."""

from dataclasses import dataclass
from typing import Any

import keras

from tfcompress.teaching.objective import OutputObjective, check_temperature

_LOWEST = -1e15
"""The logit of an excluded class: its probability is 0 in each float type, and its square is no infinity in float32."""


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class SoftTargets(OutputObjective):
    """The divergence between the softened distributions of teacher and student over the classes.

        q_i = exp(z_i / T) / sum_j exp(z_j / T),   L = T^2 sum_i p_i log(p_i / q_i)

    T^2 keeps its gradient as large as that of the hard loss: without it that would shrink with 1 / T^2. It has the
    gradient of Hinton's cross-entropy, from which it differs by the teacher's entropy, and is 0 where both agree.
    Outputs may be logits, softmax or sigmoid; of the latter two the logits are recovered (`output_kinds`). Each unit of
    a sigmoid is a distribution over two classes of its own.

    Args:
        temperature: T, above 0. High ones show the teacher's small probabilities to a student that can learn from
            them; a small student does better with 2 to 4.

    Raises:
        RecipeError: The temperature is not above 0.

    Example:
        >>> import numpy as np
        >>> student, teacher = np.array([[0.0, 0.0]]), np.array([[np.log(3.0), 0.0]])    # p = 3/4, 1/4
        >>> print(f"{float(SoftTargets(temperature=1).loss(student, teacher, None)[0]):.4f}")
        0.1308

    Reference:
        Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531.
    """

    temperature: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperature("SoftTargets", self.temperature)

    def loss(self, student: Any, teacher: Any, target: Any) -> Any:
        """T^2 times the divergence, for each sample and position."""
        return softened_divergence(student, teacher, self.temperature)


def softened_divergence(student: Any, teacher: Any, temperature: float) -> Any:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)) along the last axis.

    Args:
        student: Logits, shape (..., classes).
        teacher: Logits of the same shape. A class that they exclude by -inf counts for nothing.
        temperature: T, above 0.

    Returns:
        The divergence, shape (...).
    """
    log_p, log_q = (keras.ops.log_softmax(softened(logits, temperature), axis=-1) for logits in (teacher, student))
    return temperature**2 * keras.ops.sum(keras.ops.exp(log_p) * (log_p - log_q), axis=-1)


def softened(logits: Any, temperature: float) -> Any:
    """Logits divided by a temperature; -inf, by which models exclude classes, becomes a very low logit.

    It has the probability 0 as well, and 0 times its logarithm is 0 instead of NaN.
    """
    return keras.ops.maximum(logits / temperature, _LOWEST)
