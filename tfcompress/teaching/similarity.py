"""Similarity of samples: which inputs of a batch are alike is what the teacher finds alike."""

from dataclasses import dataclass, field
from typing import Any

import keras

from tfcompress.teaching.objective import Linear
from tfcompress.teaching.relations import LEAST_SQUARE, RelationObjective, mean_over, others

_LEAST_SHARE = 1e-6
"""A sample whose squared norm is below this share of the batch's mean has no direction: its gradient would be noise."""


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class SimilarityPreserving(RelationObjective):
    """The squared difference between the normed similarity matrices of a batch.

        G = A A^T, each row divided by its norm,   L = |G_S - G_T|_F^2 / b^2

    with the b samples' features as the rows of A.

    Example:
        >>> import numpy as np
        >>> features = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> SimilarityPreserving().loss(np.ones((2, 3)), features).numpy().round(4)
        array([0.2929, 0.2929])

    Reference:
        Tung and Mori, "Similarity-Preserving Knowledge Distillation", arXiv:1907.09682; the default weight is theirs.
    """

    weight: float | Linear = field(default=3000.0, kw_only=True)

    def related(self, student: Any, teacher: Any, counted: Any) -> Any:
        """The mean squared difference over all pairs that a sample is in, shape (batch,)."""
        return mean_over(keras.ops.square(_similarities(student, counted) - _similarities(teacher, counted)), counted)


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class ProbabilisticTransfer(RelationObjective):
    """The divergence between the probabilities with which a sample picks each other one as its neighbour.

        K_ij = (cos(t_i, t_j) + 1) / 2,   p_j|i = K_ij / sum over k != i of K_ik,   L = mean over i of KL(p^T || p^S)

    Example:
        >>> import numpy as np
        >>> features = np.random.default_rng(0).normal(size=(4, 3))
        >>> bool((abs(ProbabilisticTransfer().loss(2 * features, features).numpy()) < 1e-6).all())
        True

    Reference:
        Passalis and Tefas, "Learning Deep Representations with Probabilistic Knowledge Transfer", arXiv:1803.10837.
        The default weight is that of RepDistiller (Tian et al., "Contrastive Representation Distillation",
        arXiv:1910.10699): 30,000 on the mean over all b^2 entries, which for its batches of b = 64 is 30,000 / 64 on
        the mean over samples.
    """

    weight: float | Linear = field(default=470.0, kw_only=True)

    def related(self, student: Any, teacher: Any, counted: Any) -> Any:
        """The divergence of each sample's neighbours, shape (batch,)."""
        p, q = _neighbours(teacher, counted), _neighbours(student, counted)
        tiny = keras.config.epsilon()
        return keras.ops.sum(p * keras.ops.log((p + tiny) / (q + tiny)), axis=-1)


def _similarities(vectors: Any, counted: Any) -> Any:
    return _directions(keras.ops.matmul(vectors, keras.ops.transpose(vectors)) * counted, _known(vectors))


def _neighbours(vectors: Any, counted: Any) -> Any:
    directions = _directions(vectors, _known(vectors))
    kernel = (keras.ops.matmul(directions, keras.ops.transpose(directions)) + 1.0) / 2.0 * others(counted)
    return kernel / keras.ops.maximum(keras.ops.sum(kernel, axis=-1, keepdims=True), keras.config.epsilon())


def _known(vectors: Any) -> Any:
    """Which vectors have a direction, shape (batch, 1)."""
    return keras.ops.sum(keras.ops.square(vectors), axis=-1, keepdims=True) > _LEAST_SHARE


def _directions(rows: Any, known: Any) -> Any:
    """Rows of norm 1; those that are not known, and with them their gradients, are 0."""
    squares = keras.ops.sum(keras.ops.square(keras.ops.where(known, rows, 1.0)), axis=-1, keepdims=True)
    return keras.ops.where(known, rows * keras.ops.rsqrt(keras.ops.maximum(squares, LEAST_SQUARE)), 0.0)
