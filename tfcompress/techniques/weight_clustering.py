"""Weight clustering: the weights of a kernel share few values, so that each is an index into a codebook."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import keras
import numpy as np

from tfcompress.errors import RecipeError, TfCompressWarning
from tfcompress.techniques.kernels import Kernel, WeightTechnique
from tfcompress.techniques.technique import Property
from tfcompress.transforms.codebook import Codebook, IntegerCodebook, RefreshedCodebook
from tfcompress.transforms.codebooks import Initialisation, Optimal, make_initialisation, more_values_than
from tfcompress.transforms.named import named
from tfcompress.transforms.soft_codebook import SoftCodebook
from tfcompress.transforms.transform import Transform


class Sharing(ABC):
    """Which weights share a codebook, and what its values may be."""

    fewest: ClassVar[int] = 2

    @abstractmethod
    def transform(self, clusters: int, initialisation: Initialisation, mean_gradient: bool) -> Transform:
        """The transform of one kernel."""


@dataclass(frozen=True)
class Integers(Sharing):
    """One codebook of integers for a kernel, times a scale per output channel: it survives into an int8 file."""

    fewest: ClassVar[int] = 4

    def transform(self, clusters: int, initialisation: Initialisation, mean_gradient: bool) -> Transform:
        """See `IntegerCodebook`."""
        return IntegerCodebook(clusters, initialisation, mean_gradient)


@dataclass(frozen=True)
class PerKernel(Sharing):
    """One codebook of float values for a kernel; batch norm folding and int8 scales multiply their number in a file."""

    def transform(self, clusters: int, initialisation: Initialisation, mean_gradient: bool) -> Transform:
        """See `Codebook`."""
        return Codebook(clusters, initialisation, mean_gradient)


@dataclass(frozen=True)
class PerChannel(Sharing):
    """A codebook of float values for each output channel."""

    def transform(self, clusters: int, initialisation: Initialisation, mean_gradient: bool) -> Transform:
        """See `Codebook`."""
        return Codebook(clusters, initialisation, mean_gradient, per_channel=True)


@dataclass(frozen=True)
class Refreshed(Sharing):
    """One codebook of float values for a kernel; weights change their cluster while the model trains."""

    every: int = 1

    def transform(self, clusters: int, initialisation: Initialisation, mean_gradient: bool) -> Transform:
        """See `RefreshedCodebook`."""
        return RefreshedCodebook(clusters, initialisation, mean_gradient, self.every)


@dataclass(frozen=True)
class Soft(Sharing):
    """One codebook of float values for a kernel, found by differentiable k-means while weights and values train."""

    temperature: float = 0.25
    iterations: int = 3

    def transform(self, clusters: int, initialisation: Initialisation, mean_gradient: bool) -> Transform:
        """See `SoftCodebook`; the gradient goes through k-means, so there is no sum or mean to choose."""
        return SoftCodebook(clusters, initialisation, self.temperature, self.iterations)


_SHARINGS: dict[str, type[Sharing]] = {
    kind.__name__: kind for kind in (Integers, PerKernel, PerChannel, Refreshed, Soft)
}


@dataclass(frozen=True)
class WeightClustering(WeightTechnique):
    """Lets the weights of each kernel share few values.

    Each weight w_i becomes its nearest centroid c[I_i]. While the model trains, the indices stay and the centroids
    move, with the sum of their weights' gradients:

        dL/dc_k = sum_i dL/dw_i [I_i = k]

    Zeros of an earlier pruning stay zero: one centroid is exactly zero and is not trained. A kernel with no more
    entries than clusters is left alone.

    Args:
        clusters: How many distinct values a kernel ends with, 2 or more (4 or more for `Integers`). Or give `bits`.
        bits: Stands for 2^bits clusters, in [1, 8].
        sharing: `Integers()`, `PerKernel()`, `PerChannel()`, `Soft()` or `Refreshed(every)`, or its name. Integers are
            the default, since no other form keeps its number of values in an int8 file.
        initialisation: `Optimal()`, `Linear()`, `Density()`, `KMeansPlusPlus()` or `Random()`, or its name.
        mean_gradient: Whether a centroid gets the mean of its weights' gradients instead of their sum.
        layers: The number of clusters of particular kernels, by pattern; see `WeightTechnique`.
        skip: Patterns of kernels to leave alone.

    Raises:
        RecipeError: A number is out of range, or a name is unknown.

    Example:
        >>> import tfcompress as tfc
        >>> model = keras.Sequential([keras.Input((32,)), keras.layers.Dense(16, name="hidden")])
        >>> clustering = tfc.WeightClustering(clusters=8, initialisation="Linear")
        >>> plain = clustering.strip(clustering.wrap(model))
        >>> kernel = plain.get_layer("hidden").kernel.numpy()
        >>> len(np.unique(np.round(kernel / (np.abs(kernel).max(axis=0) / 127))))
        8

    Reference:
        Han et al., "Deep Compression", arXiv:1510.00149.
    """

    establishes: ClassVar[frozenset[Property]] = frozenset({Property.CLUSTERS})
    preserves: ClassVar[frozenset[Property]] = frozenset({Property.SPARSITY, Property.CLUSTERS})

    clusters: int | None = None
    bits: int | None = None
    sharing: Sharing = field(default_factory=Integers)
    initialisation: Initialisation = field(default_factory=Optimal)
    mean_gradient: bool = False
    layers: Mapping[str, int] = field(default_factory=dict)
    skip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "sharing", named("sharing", self.sharing, _SHARINGS))
        object.__setattr__(self, "initialisation", make_initialisation(self.initialisation))
        object.__setattr__(self, "skip", tuple(self.skip))
        if self.clusters is not None and self.bits is not None:
            raise RecipeError(f"WeightClustering: give clusters or bits, not both ({self.clusters} and {self.bits}).")
        if self.bits is not None and not _is_count(self.bits, 1, 8):
            raise RecipeError(f"WeightClustering: bits must be a whole number from 1 to 8, not {self.bits!r}.")
        for what, number in {"clusters": self.most, **self.layers}.items():
            if not _is_count(number, self.sharing.fewest, 65536):
                raise RecipeError(
                    f"WeightClustering: {what} must be a whole number of {self.sharing.fewest} or more with "
                    f"{type(self.sharing).__name__}, not {number!r}."
                )

    @property
    def most(self) -> Any:
        """The number of clusters, as it was resolved from `clusters` and `bits`; 16 where neither is given."""
        return 2**self.bits if self.bits is not None else 16 if self.clusters is None else self.clusters

    def with_fewer_values(self) -> "WeightClustering":
        """The same with one cluster fewer, where something else adds a value to the kernels."""
        return replace(self, clusters=self.most - 1, bits=None, layers={name: k - 1 for name, k in self.layers.items()})

    def stacks(self, model: keras.Model) -> dict[Kernel, list[Transform]]:
        """A codebook for each kernel that has more distinct weights than clusters."""
        chosen = self.choose(model, self.most)
        few = {
            kernel: len(np.unique(values))
            for kernel, clusters in chosen.items()
            if not more_values_than(clusters, values := kernel.variable.numpy())
        }
        if few:
            names = ", ".join(f"{kernel.name} ({distinct} distinct weights)" for kernel, distinct in few.items())
            warnings.warn(
                f"WeightClustering left alone what has no more weights than clusters: {names}.",
                TfCompressWarning,
                stacklevel=3,
            )
        return {
            kernel: [self.sharing.transform(clusters, self.initialisation, self.mean_gradient)]
            for kernel, clusters in chosen.items()
            if kernel not in few
        }


def _is_count(number: Any, least: int, most: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and least <= number <= most
