"""Attention transfer: the student looks where the teacher looks."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import keras

from tfcompress.errors import RecipeError
from tfcompress.teaching.objective import FeatureObjective, Linear, check_number, difference
from tfcompress.teaching.output_kinds import shapes_agree


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class AttentionTransfer(FeatureObjective):
    """The squared difference between the normed attention maps of student and teacher.

        Q = vec(sum_c |A_c|^p),   L = mean over positions of (Q_S / |Q_S| - Q_T / |Q_T|)^2

    The paper prints the norm of the difference; this is the mean square of its authors' code, for which their weight of
    1000 holds, and whose gradient is finite where both maps agree.

    Args:
        power: p, from 1.

    Raises:
        RecipeError: The power is below 1, where the gradient is infinite at the zeros that a ReLU gives.

    Example:
        >>> import numpy as np
        >>> student = np.array([[[[3.0], [4.0]]]])                              # one map of 1 x 2
        >>> print(f"{float(AttentionTransfer(power=1.0).loss(student, student[:, :, ::-1])[0]):.3f}")
        0.040

    Reference:
        Zagoruyko and Komodakis, "Paying More Attention to Attention", arXiv:1612.03928.
    """

    over_positions: ClassVar[bool] = True

    weight: float | Linear = field(default=1000.0, kw_only=True)

    power: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("AttentionTransfer: power", self.power, above=0)
        if self.power < 1:
            raise RecipeError(
                f"AttentionTransfer: power must be from 1, not {self.power!r}: below it the gradient at the zeros that "
                "a ReLU gives is infinite. The paper has 2."
            )

    def loss(self, student: Any, teacher: Any) -> Any:
        """The mean squared difference of the maps, for each sample."""
        squares = keras.ops.square(difference(self._map(student), self._map(teacher)))
        return keras.ops.mean(squares, axis=tuple(range(1, len(squares.shape))))

    def misfit(self, student: tuple[Any, ...], teacher: tuple[Any, ...]) -> str | None:
        """Maps of equal size are needed; the numbers of channels may differ."""
        if len(student) < 3 or len(teacher) < 3:
            return "features without an axis of space or time have no attention map"
        if set(student[1:-1]) == {1}:
            return "a map of one position is the same whatever it holds"
        if not shapes_agree(student[1:-1], teacher[1:-1]):
            return f"the student's size {student[1:-1]} differs from the teacher's {teacher[1:-1]}"
        return None

    def _map(self, features: Any) -> Any:
        sizes = keras.ops.absolute(features)
        # In units of the largest, which changes no map, so that no power of it leaves float32.
        largest = keras.ops.max(sizes, axis=tuple(range(1, len(sizes.shape))), keepdims=True)
        sizes = sizes / keras.ops.stop_gradient(keras.ops.maximum(largest, 1e-30))
        strength = keras.ops.sum(keras.ops.power(sizes, self.power), axis=-1)
        positions = tuple(range(1, len(strength.shape)))
        squares = keras.ops.sum(keras.ops.square(strength), axis=positions, keepdims=True)
        return strength * keras.ops.rsqrt(keras.ops.maximum(squares, 1e-24))
