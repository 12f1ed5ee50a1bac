"""What objectives on the relations between the samples of a batch share: whose relations count, and how they weigh."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from tfcompress.teaching.objective import FeatureObjective, of_samples

LEAST_SQUARE = 1e-12
"""What a sum of squares counts as at least, where something is divided by its root; for features `in_units`."""


@dataclass(frozen=True)
class RelationObjective(FeatureObjective):
    """An objective on how the samples of a batch relate to each other, so that features of any two shapes compare.

    Each sample has a loss, the mean over its relations, which the weight of the sample multiplies. A sample of weight 0
    is left out of the relations of the others too, as if it were not in the batch.
    """

    pairing: ClassVar[str] = "last"

    def loss(self, student: Any, teacher: Any, sample_weight: Any = None) -> Any:
        """The loss of each sample, shape (batch,).

        Args:
            student: Features, shape (batch, ...).
            teacher: Features of the same samples, shape (batch, ...).
            sample_weight: None, or weights of shape (batch, ...); only whether they are 0 counts here.
        """
        ours, theirs = flat(student), flat(teacher)
        counted = keras.ops.ones_like(ours[:, 0])
        if sample_weight is not None:
            weights = of_samples(keras.ops.absolute(keras.ops.cast(sample_weight, ours.dtype)))
            counted = keras.ops.cast(weights > 0, ours.dtype)
        return self.related(in_units(ours, counted), in_units(theirs, counted), counted)

    @abstractmethod
    def related(self, student: Any, teacher: Any, counted: Any) -> Any:
        """The mean over the relations of each sample with those that count.

        Args:
            student: Shape (batch, entries), `in_units`.
            teacher: Shape (batch, other entries), `in_units`.
            counted: 1 for a sample that counts and 0 for one that does not, shape (batch,).
        """


def flat(features: Any) -> Any:
    """Features of each sample as one vector, shape (batch, entries)."""
    return keras.ops.reshape(features, (keras.ops.shape(features)[0], -1))


def in_units(vectors: Any, counted: Any) -> Any:
    """Vectors in units of the root mean square of the norms of those that count.

    No relation changes by it. The unit takes no gradient, for a scale has none.

    Example:
        >>> import numpy as np
        >>> in_units(np.array([[3e-9], [5e-9], [7.0]]), np.array([1.0, 1.0, 0.0])).numpy().round(2)[:2]
        array([[0.73],
               [1.21]])
    """
    mean = mean_over(keras.ops.sum(keras.ops.square(vectors), axis=-1), counted)
    return vectors * keras.ops.stop_gradient(keras.ops.rsqrt(keras.ops.maximum(mean, 1e-30)))


def others(counted: Any) -> Any:
    """1 where two different samples count, shape (batch, batch)."""
    size = counted.shape[0] or keras.ops.shape(counted)[0]
    return counted[:, None] * counted[None, :] * (1.0 - keras.ops.eye(size, dtype=counted.dtype))


def mean_over(values: Any, counted: Any) -> Any:
    """The mean over the last axis of the samples that count.

    Example:
        >>> import numpy as np
        >>> mean_over(np.array([[1.0, 3.0, 9.0]]), np.array([1.0, 1.0, 0.0])).numpy()
        array([2.])
    """
    return keras.ops.sum(values * counted, axis=-1) / keras.ops.maximum(keras.ops.sum(counted), 1.0)
