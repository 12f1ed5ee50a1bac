"""Relational distillation: distances and angles between the samples of a batch are those that the teacher sees."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import keras

from tfcompress.teaching.objective import FeatureObjective, Linear

_LEAST_SQUARE = 1e-12
"""Under a root, so that its gradient stays finite where two samples have the same features."""


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class RelationalDistance(FeatureObjective):
    """The difference between the distances of all pairs in a batch, each divided by the mean distance.

        psi_ij = |t_i - t_j| / mu,   mu = mean |t_i - t_j| over i != j,   L = mean over i, j of huber(psi^S - psi^T)

    Only relations are compared, so features of any two shapes do.

    Example:
        >>> import numpy as np
        >>> points = np.array([[0.0], [1.0], [3.0]])
        >>> float(RelationalDistance().loss(5 * points, points))                # a scale changes nothing
        0.0

    Reference:
        Park et al., "Relational Knowledge Distillation", arXiv:1904.05068; the default weight is theirs.
    """

    pairing: ClassVar[str] = "last"

    weight: float | Linear = field(default=25.0, kw_only=True)

    def loss(self, student: Any, teacher: Any) -> Any:
        """The mean over all pairs of a batch: a scalar."""
        return keras.ops.mean(huber(_distances(flat(student)) - _distances(flat(teacher))))


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class RelationalAngle(FeatureObjective):
    """The difference between the angles that all triplets of a batch make.

        psi_ijk = cos of the angle at t_j between t_i and t_k,   L = mean over i, j, k of huber(psi^S - psi^T)

    It takes memory with the cube of the batch: 8 MB for a batch of 128.

    Example:
        >>> import numpy as np
        >>> points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
        >>> float(RelationalAngle().loss(points[:, ::-1] * 3, points)) < 1e-9   # mirrored and scaled
        True

    Reference:
        Park et al., "Relational Knowledge Distillation", arXiv:1904.05068; the default weight is theirs.
    """

    pairing: ClassVar[str] = "last"

    weight: float | Linear = field(default=50.0, kw_only=True)

    def loss(self, student: Any, teacher: Any) -> Any:
        """The mean over all triplets of a batch: a scalar."""
        return keras.ops.mean(huber(_cosines(flat(student)) - _cosines(flat(teacher))))


def huber(difference: Any) -> Any:
    """d^2 / 2 up to |d| = 1 and |d| - 1/2 beyond.

    Example:
        >>> import numpy as np
        >>> huber(np.array([0.5, -3.0])).numpy()
        array([0.125, 2.5  ])
    """
    size = keras.ops.absolute(difference)
    small = keras.ops.minimum(size, 1.0)
    return small * (size - small / 2)


def flat(features: Any) -> Any:
    """Features of each sample as one vector, shape (batch, entries)."""
    return keras.ops.reshape(features, (keras.ops.shape(features)[0], -1))


def _distances(vectors: Any) -> Any:
    """The distance of each two vectors, divided by the mean of those between different samples."""
    differences = _differences(vectors)
    squares = keras.ops.sum(keras.ops.square(differences), axis=-1)
    distances = keras.ops.sqrt(keras.ops.maximum(squares, _LEAST_SQUARE))
    count = keras.ops.cast(keras.ops.shape(vectors)[0], vectors.dtype)
    apart = distances * (1.0 - keras.ops.eye(vectors.shape[0] or keras.ops.shape(vectors)[0], dtype=vectors.dtype))
    mean = keras.ops.sum(apart) / keras.ops.maximum(count * (count - 1.0), 1.0)
    return apart / keras.ops.maximum(mean, _LEAST_SQUARE**0.5)


def _cosines(vectors: Any) -> Any:
    """The cosine of the angle at each vector between each two others, shape (at, from, to)."""
    differences = _differences(vectors)
    squares = keras.ops.sum(keras.ops.square(differences), axis=-1, keepdims=True)
    directions = differences * keras.ops.rsqrt(keras.ops.maximum(squares, _LEAST_SQUARE))
    return keras.ops.matmul(directions, keras.ops.transpose(directions, (0, 2, 1)))


def _differences(vectors: Any) -> Any:
    return vectors[None, :, :] - vectors[:, None, :]
