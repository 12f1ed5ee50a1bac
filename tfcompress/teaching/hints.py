"""Hints: a middle layer of the student learns to give what a middle layer of the teacher gives."""

from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from tfcompress.teaching.objective import FeatureObjective, check_count, difference


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class Hints(FeatureObjective):
    """The squared difference between a teacher's features and what a regressor makes of the student's.

        L = 1/2 mean |u - r(v)|^2

    The mean over entries, where the paper has the sum, makes the weight independent of the size. Where shapes differ, r
    is a layer trained along and dropped afterwards: a convolution whose kernel k fits the sizes, N_g - k + 1 = N_h, or
    a dense layer; where they agree there is none.

    The paper trains in two stages, for joint training of both losses failed to learn: with `steps` the hints alone for
    as many batches, then everything else without them. Two steps of a recipe do the same with an optimizer of its own
    each: `Distillation(objectives=[Hints()], alpha=1.0)`, then `Distillation(objectives=[SoftTargets()])`.

    Args:
        steps: The number of training batches of the first stage, those among them that a loss scale skips; by default
            the hints count all along.

    Raises:
        RecipeError: A setting is out of range.

    Example:
        >>> import numpy as np
        >>> float(Hints().loss(np.array([[1.0, 2.0]]), np.array([[3.0, 2.0]]))[0])
        1.0

    Reference:
        Romero et al., "FitNets: Hints for Thin Deep Nets", arXiv:1412.6550.
    """

    pairing: ClassVar[str] = "middle"
    over_positions: ClassVar[bool] = True

    steps: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps is not None:
            check_count("Hints: steps", self.steps)

    @property
    def first_steps(self) -> int:
        """The length of the first stage."""
        return self.steps or 0

    def loss(self, student: Any, teacher: Any) -> Any:
        """Half the mean squared difference, for each sample."""
        axes = tuple(range(1, len(student.shape)))
        return keras.ops.mean(keras.ops.square(difference(student, teacher)), axis=axes) / 2

    def misfit(self, student: tuple[Any, ...], teacher: tuple[Any, ...]) -> str | None:
        """Ranks must agree, and the student's maps must not be smaller than the teacher's."""
        if len(student) != len(teacher):
            return f"shape {student[1:]} of the student has another number of axes than {teacher[1:]} of the teacher"
        sizes = list(zip(student[1:-1], teacher[1:-1], strict=True))
        if any((ours is None) != (theirs is None) for ours, theirs in sizes):
            return f"only one of the sizes {student[1:-1]} and {teacher[1:-1]} is fixed"
        if any(ours is not None and ours < theirs for ours, theirs in sizes):
            return f"the student's size {student[1:-1]} is smaller than the teacher's {teacher[1:-1]}"
        return "there is no regressor for more than 3 axes of space" if len(sizes) > 3 else None

    def regressor(self, student: tuple[Any, ...], teacher: tuple[Any, ...]) -> keras.Layer | None:
        """A convolution without padding, or a dense layer, that makes the teacher's shape of the student's."""
        if student[1:] == teacher[1:]:
            return None
        sizes = zip(student[1:-1], teacher[1:-1], strict=True)
        kernel = tuple(1 if ours is None else ours - theirs + 1 for ours, theirs in sizes)
        convolutions = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}
        # float32 whatever the policy: it stands behind the student and takes part in the loss only.
        layer = (
            convolutions[len(kernel)](teacher[-1], kernel, dtype="float32")
            if kernel
            else keras.layers.Dense(teacher[-1], dtype="float32")
        )
        layer.build(student)
        return layer
