"""Relational distillation: distances and angles between the samples of a batch are those that the teacher sees."""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from tfcompress.teaching.objective import Linear
from tfcompress.teaching.relations import LEAST_SQUARE, RelationObjective, mean_over, others

_ROUNDINGS = 64
"""Two samples are one and the same where their squared distance is below that many roundings of their squared norms."""


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class RelationalDistance(RelationObjective):
    """The difference between the distances of all pairs in a batch, each divided by the mean distance.

        psi_ij = |t_i - t_j| / mu,   mu = mean |t_i - t_j| over i != j,   L = mean over i, j of huber(psi^S - psi^T)

    Only relations are compared, so features of any two shapes do. It takes memory with the square of the batch.

    Example:
        >>> import numpy as np
        >>> points = np.array([[0.0], [1.0], [3.0]])
        >>> losses = RelationalDistance().loss(5 * points, points)              # a scale changes nothing
        >>> float(keras.ops.mean(losses)) < 1e-9
        True

    Reference:
        Park et al., "Relational Knowledge Distillation", arXiv:1904.05068; the default weight is theirs.
    """

    weight: float | Linear = field(default=25.0, kw_only=True)

    def related(self, student: Any, teacher: Any, counted: Any) -> Any:
        """The mean over all pairs that a sample is in, shape (batch,)."""
        return mean_over(huber(_distances(student, counted) - _distances(teacher, counted)), counted)


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class RelationalAngle(RelationObjective):
    """The difference between the angles that all triplets of a batch make.

        psi_ijk = cos of the angle at t_j between t_i and t_k,   L = mean over i, j, k of huber(psi^S - psi^T)

    It takes memory with the cube of the batch, however many features there are: some arrays of 8 MB for a batch of 128,
    of 67 MB for one of 256. Samples that are closer to each other than about 0.4 % of their distance from the batch's
    mean count as one, which makes no angle: in float32 theirs would be rounding.

    Example:
        >>> import numpy as np
        >>> points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
        >>> losses = RelationalAngle().loss(points[:, ::-1] * 3, points)        # mirrored and scaled
        >>> float(keras.ops.mean(losses)) < 1e-9
        True

    Reference:
        Park et al., "Relational Knowledge Distillation", arXiv:1904.05068; the default weight is theirs.
    """

    weight: float | Linear = field(default=50.0, kw_only=True)

    def related(self, student: Any, teacher: Any, counted: Any) -> Any:
        """The mean over all angles at a sample, shape (batch,)."""
        return mean_over(mean_over(huber(_cosines(student) - _cosines(teacher)), counted), counted)


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


def _distances(vectors: Any, counted: Any) -> Any:
    """The distance of each two vectors, divided by the mean of those between different samples that count."""
    _, squares = _products(vectors)
    apart = squares > 0.0
    distances = keras.ops.where(apart, keras.ops.sqrt(keras.ops.where(apart, squares, 1.0)), 0.0)
    pairs = others(counted)
    mean = keras.ops.sum(distances * pairs) / keras.ops.maximum(keras.ops.sum(pairs), 1.0)
    return distances / keras.ops.maximum(mean, LEAST_SQUARE**0.5)


def _cosines(vectors: Any) -> Any:
    """The cosine of the angle at each vector between each two others, shape (at, from, to)."""
    products, squares = _products(vectors)
    apart = squares > 0.0
    # 0 where there is no direction: from a sample to itself or to one of the same features.
    inverse = keras.ops.where(apart, keras.ops.rsqrt(keras.ops.where(apart, squares, 1.0)), 0.0)
    norms = keras.ops.diagonal(products)
    along = products[None, :, :] - products[:, :, None] - products[:, None, :] + norms[:, None, None]
    return along * inverse[:, :, None] * inverse[:, None, :]


def _products(vectors: Any) -> tuple[Any, Any]:
    """The products of each two vectors, seen from their mean, and the squares of their distances, (batch, batch) each.

    Both come from one matrix product, so that nothing of size batch x batch x entries is made. A distance is 0 where it
    would be nothing but rounding.
    """
    centred = vectors - keras.ops.mean(vectors, axis=0, keepdims=True)
    products = keras.ops.matmul(centred, keras.ops.transpose(centred))
    norms = keras.ops.diagonal(products)
    both = norms[:, None] + norms[None, :]
    squares = both - 2.0 * products
    rounding = _ROUNDINGS * float(np.finfo(keras.backend.standardize_dtype(vectors.dtype)).eps)
    known = squares > keras.ops.maximum(rounding * both, LEAST_SQUARE)
    return products, keras.ops.where(known, squares, 0.0)
