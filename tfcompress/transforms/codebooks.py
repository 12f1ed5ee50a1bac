"""Codebooks of one array: how the values that weights will share are found, and which weight takes which."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import kmeans1d
import numpy as np

from tfcompress.transforms.named import named

_PART = 1 << 18
_LOOKED_AT = 256  # weights for each centroid, of which the optimum is found before all are looked at
_LEAST_LOOKED_AT = 1 << 12
_MOST_STEPS = 100


class Initialisation(ABC):
    """Finds the first centroids of some weights."""

    @abstractmethod
    def centroids(self, weights: np.ndarray, clusters: int) -> np.ndarray:
        """At most `clusters` values, ascending.

        Args:
            weights: A float32 array of rank 1, not empty.
            clusters: 1 or more.
        """


@dataclass(frozen=True)
class Linear(Initialisation):
    """Evenly between the smallest and the largest weight, c_j = min + j (max - min) / (k - 1): keeps the large weights.

    Example:
        >>> Linear().centroids(np.array([0.0, 1.0, 4.0], "float32"), 3)
        array([0., 2., 4.], dtype=float32)

    Reference:
        Han et al., "Deep Compression", arXiv:1510.00149.
    """

    def centroids(self, weights: np.ndarray, clusters: int) -> np.ndarray:
        """The evenly spaced values."""
        return np.linspace(weights.min(), weights.max(), clusters, dtype="float32")


@dataclass(frozen=True)
class Density(Initialisation):
    """At equal steps of the weights' cumulative distribution, so that clusters are about equally full.

    Without `nodes` the levels are (j - 1/2) / k of the exact distribution. With `nodes` the distribution is looked up
    at that many evenly spaced points, as TFMOT does with 30.

    Example:
        >>> Density().centroids(np.array([1.0, 2.0, 3.0, 10.0], "float32"), 2)
        array([1.5, 6.5], dtype=float32)

    Reference:
        Han et al., arXiv:1510.00149; tensorflow-model-optimization 0.8.1, `clustering_centroids.py`.
    """

    nodes: int | None = None

    def centroids(self, weights: np.ndarray, clusters: int) -> np.ndarray:
        """The values at the levels of the distribution."""
        if self.nodes is None:
            levels = (np.arange(clusters) + 0.5) / clusters
            return np.quantile(weights, levels, method="hazen").astype("float32")
        grid = np.linspace(weights.min() - 0.01, weights.max() + 0.01, self.nodes, dtype="float32")
        below = np.searchsorted(np.sort(weights), grid, side="right").astype("float32") / np.float32(weights.size)
        found = np.searchsorted(below, np.linspace(0.01, 1, clusters, dtype="float32"), side="right")
        return grid[np.minimum(found, self.nodes - 1)]


@dataclass(frozen=True)
class Random(Initialisation):
    """Weights drawn at random (Forgy).

    Example:
        >>> Random().centroids(np.array([1.0, 2.0], "float32"), 2)
        array([1., 2.], dtype=float32)
    """

    seed: int = 0

    def centroids(self, weights: np.ndarray, clusters: int) -> np.ndarray:
        """The drawn weights."""
        distinct = np.unique(weights)
        drawn = np.random.default_rng(self.seed).choice(distinct, min(clusters, distinct.size), replace=False)
        return np.sort(drawn)


@dataclass(frozen=True)
class KMeansPlusPlus(Initialisation):
    """Weights drawn one after another, each with a probability that grows with its distance to those drawn before.

    TensorFlow's own operator draws them, with the seed that TFMOT uses.

    Reference:
        Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
    """

    seed: int = 9

    def centroids(self, weights: np.ndarray, clusters: int) -> np.ndarray:
        """The drawn weights."""
        import tensorflow as tf

        drawn = tf.raw_ops.KmeansPlusPlusInitialization(
            points=weights.reshape(-1, 1), num_to_sample=clusters, seed=self.seed, num_retries_per_sample=-1
        )
        return np.sort(drawn.numpy().ravel())


@dataclass(frozen=True)
class Optimal(Initialisation):
    """The centroids with the least squared distance to the weights, which in one dimension can be found exactly.

    Of more than 256 weights for each centroid, as many are looked at, evenly spaced in ascending order; Lloyd's steps
    over all weights follow. The squared distance was at most 1 % above the least with 16 to 64 centroids of normal,
    Laplace and uniform weights, and 7 % with 256; the exact search would take 20 times as long or more.

    Example:
        >>> Optimal().centroids(np.array([0.0, 1.0, 9.0, 11.0], "float32"), 2)
        array([ 0.5, 10. ], dtype=float32)

    Reference:
        Wu, "Optimal quantization by matrix searching", 1991; the package kmeans1d.
    """

    def centroids(self, weights: np.ndarray, clusters: int) -> np.ndarray:
        """The optimal values."""
        if not more_values_than(clusters, weights):
            return np.unique(weights)  # a rare one among many would not be looked at
        ordered = np.sort(weights)
        looked_at = min(ordered.size, max(_LOOKED_AT * clusters, _LEAST_LOOKED_AT))
        some = ordered[((np.arange(looked_at) + 0.5) * (ordered.size / looked_at)).astype(int)]
        found = np.array(kmeans1d.cluster(some.tolist(), min(clusters, np.unique(some).size)).centroids)
        return (found if looked_at == ordered.size else _settled(ordered, found)).astype("float32")


def _settled(ordered: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Centroids after Lloyd's steps: each the mean of the ascending weights nearest to it, until none moves."""
    for _ in range(_MOST_STEPS):
        midpoints = (centroids[1:] + centroids[:-1]) / 2
        bounds = np.concatenate([[0], np.searchsorted(ordered, midpoints, side="right"), [ordered.size]])
        counts = np.diff(bounds)
        used = counts > 0
        sums = np.add.reduceat(ordered, bounds[:-1][used], dtype="float64")
        moved = centroids.copy()
        moved[used] = sums / counts[used]
        if np.array_equal(moved, centroids):
            break
        centroids = moved
    return centroids


@dataclass(frozen=True)
class AsTheyAre(Initialisation):
    """The values that the weights already have: how clusters of an earlier step are kept.

    Example:
        >>> AsTheyAre().centroids(np.array([2.0, 1.0, 2.0], "float32"), 5)
        array([1., 2.], dtype=float32)
    """

    def centroids(self, weights: np.ndarray, clusters: int) -> np.ndarray:
        """The distinct weights."""
        return np.unique(weights)


_INITIALISATIONS: dict[str, type[Initialisation]] = {
    kind.__name__: kind for kind in (Linear, Density, Random, KMeansPlusPlus, Optimal, AsTheyAre)
}


def make_initialisation(initialisation: Initialisation | Mapping[str, Any] | str) -> Initialisation:
    """An initialisation as it is, or the one that a recipe gives by its name, or by a table with `type` and settings.

    Raises:
        RecipeError: The name or a setting is unknown.

    Example:
        >>> make_initialisation("Linear"), make_initialisation({"type": "Random", "seed": 3})
        (Linear(), Random(seed=3))
    """
    if isinstance(initialisation, Initialisation):
        return initialisation
    return named("initialisation", initialisation, _INITIALISATIONS)


def nearest(values: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """For each value the position of its nearest centroid; of two equally near ones the smaller.

    The values are looked up among the midpoints between neighbours, in O(N log k) and without an array of N x k.

    Args:
        values: Any shape.
        centroids: Ascending, rank 1.

    Returns:
        An int32 array with the shape of `values`.

    Example:
        >>> nearest(np.array([0.4, 0.6, 9.0]), np.array([0.0, 1.0, 2.0]))
        array([0, 1, 2], dtype=int32)
    """
    midpoints = (centroids[1:] + centroids[:-1]) / 2
    flat, found = np.ravel(values), np.empty(np.shape(values), "int32")
    for part in _parts(flat.size):  # searchsorted gives int64, twice the memory of the weights themselves
        found.reshape(-1)[part] = np.searchsorted(midpoints, flat[part], side="left")
    return found


def more_values_than(most: int, values: np.ndarray) -> bool:
    """Whether an array has more than `most` distinct values, told as soon as it is known.

    Example:
        >>> more_values_than(2, np.array([1.0, 2.0, 1.0])), more_values_than(1, np.array([1.0, 2.0, 1.0]))
        (False, True)
    """
    flat, seen = np.ravel(values), np.zeros(0, values.dtype)
    for part in _parts(flat.size):
        seen = np.union1d(seen, flat[part])
        if seen.size > most:
            return True
    return False


def counts_of(indices: np.ndarray, number: int) -> np.ndarray:
    """How often each of the indices 0 to `number` - 1 stands in an array of any shape.

    Example:
        >>> counts_of(np.array([[2, 0], [2, 2]]), 4)
        array([1, 0, 3, 0])
    """
    flat = indices.ravel()
    return sum((np.bincount(flat[part], minlength=number) for part in _parts(flat.size)), np.zeros(number, "int64"))


def _parts(size: int) -> Iterator[slice]:
    """Slices of a long array, so that what is made of each stays small."""
    return (slice(begin, begin + _PART) for begin in range(0, size, _PART))


def with_zero(weights: np.ndarray, clusters: int, initialisation: Initialisation) -> np.ndarray:
    """Centroids of which one is exactly zero; the others are shared out among negative and positive weights by number.

    Args:
        weights: Rank 1; zeros in it are represented by the zero centroid alone.
        clusters: How many centroids, with the zero, 2 or more.
        initialisation: How those of each sign are found.

    Returns:
        The centroids, ascending.

    Example:
        >>> with_zero(np.array([-3.0, -1.0, 0.0, 2.0, 4.0], "float32"), 5, Linear())
        array([-3., -1.,  0.,  2.,  4.], dtype=float32)

    Reference:
        tensorflow-model-optimization 0.8.1, `preserve_sparsity`.
    """
    negative, positive = weights[weights < 0], weights[weights > 0]
    if not negative.size + positive.size:
        return np.zeros(1, "float32")
    below = round((clusters - 1) * negative.size / (negative.size + positive.size))
    shares = ((negative, below), (positive, clusters - 1 - below))
    parts = [initialisation.centroids(part, share) for part, share in shares if share and part.size]
    return np.unique(np.concatenate([*parts, np.zeros(1, "float32")]))
