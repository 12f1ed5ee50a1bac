"""Similarity of samples: which inputs of a batch are alike is what the teacher finds alike."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import keras

from tfcompress.teaching.objective import FeatureObjective, Linear
from tfcompress.teaching.relational import flat

_LEAST_SQUARE = 1e-12


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class SimilarityPreserving(FeatureObjective):
    """The squared difference between the normed similarity matrices of a batch.

        G = A A^T, each row divided by its norm,   L = |G_S - G_T|_F^2 / b^2

    with the b samples' features as the rows of A.

    Example:
        >>> import numpy as np
        >>> features = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> float(SimilarityPreserving().loss(np.ones((2, 3)), features).numpy().round(4))
        0.2929

    Reference:
        Tung and Mori, "Similarity-Preserving Knowledge Distillation", arXiv:1907.09682; the default weight is theirs.
    """

    pairing: ClassVar[str] = "last"

    weight: float | Linear = field(default=3000.0, kw_only=True)

    def loss(self, student: Any, teacher: Any) -> Any:
        """The mean squared difference over all pairs of a batch: a scalar."""
        return keras.ops.mean(keras.ops.square(_similarities(student) - _similarities(teacher)))


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class ProbabilisticTransfer(FeatureObjective):
    """The divergence between the probabilities with which a sample picks each other one as its neighbour.

        K_ij = (cos(t_i, t_j) + 1) / 2,   p_j|i = K_ij / sum over k != i of K_ik,   L = mean over i of KL(p^T || p^S)

    Example:
        >>> import numpy as np
        >>> features = np.random.default_rng(0).normal(size=(4, 3))
        >>> abs(float(ProbabilisticTransfer().loss(2 * features, features))) < 1e-6
        True

    Reference:
        Passalis and Tefas, "Learning Deep Representations with Probabilistic Knowledge Transfer", arXiv:1803.10837.
    """

    pairing: ClassVar[str] = "last"

    def loss(self, student: Any, teacher: Any) -> Any:
        """The mean over the samples of a batch: a scalar."""
        p, q = _neighbours(teacher), _neighbours(student)
        tiny = keras.config.epsilon()
        return keras.ops.mean(keras.ops.sum(p * keras.ops.log((p + tiny) / (q + tiny)), axis=-1))


def _similarities(features: Any) -> Any:
    vectors = flat(features)
    return _normed(keras.ops.matmul(vectors, keras.ops.transpose(vectors)))


def _neighbours(features: Any) -> Any:
    vectors = _normed(flat(features))
    kernel = (keras.ops.matmul(vectors, keras.ops.transpose(vectors)) + 1.0) / 2.0
    others = kernel * (1.0 - keras.ops.eye(kernel.shape[0] or keras.ops.shape(kernel)[0], dtype=kernel.dtype))
    total = keras.ops.sum(others, axis=-1, keepdims=True)
    return others / keras.ops.maximum(total, keras.config.epsilon())


def _normed(rows: Any) -> Any:
    squares = keras.ops.sum(keras.ops.square(rows), axis=-1, keepdims=True)
    return rows * keras.ops.rsqrt(keras.ops.maximum(squares, _LEAST_SQUARE))
