"""Logit regression: the student's outputs are drawn to the teacher's by their squared difference."""

from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from tfcompress.teaching.objective import OutputObjective


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class LogitRegression(OutputObjective):
    """Half the squared difference between the outputs of student and teacher.

        L = 1/2 sum_i (z_i - v_i)^2

    The limit of soft targets at high temperature, and the objective for regression models, whose outputs are taken as
    they are. Of a softmax the logits are recovered up to a constant, so they are compared with their mean taken off. A
    class that both exclude by -inf counts for nothing.

    Example:
        >>> import numpy as np
        >>> LogitRegression().loss(np.array([[1.0, 5.0]]), np.array([[3.0, 6.0]]), None).numpy()
        array([2.5])

    Reference:
        Ba and Caruana, "Do Deep Nets Really Need to be Deep?", arXiv:1312.6184.
    """

    of_values: ClassVar[bool] = True

    def loss(self, student: Any, teacher: Any, target: Any) -> Any:
        """Half the squared difference, for each sample and position."""
        # Put in before the difference: the gradient of infinity less infinity would be NaN, whatever is done after it.
        student, teacher = (keras.ops.where(student == teacher, 0.0, values) for values in (student, teacher))
        return keras.ops.sum(keras.ops.square(student - teacher), axis=-1) / 2
