"""The transforms that let the weights of a kernel share few values: each weight is an index into a codebook."""

import math
from typing import Any, ClassVar

import keras
import numpy as np

from tfcompress.transforms.channels import channel_axes
from tfcompress.transforms.codebooks import (
    Initialisation,
    Linear,
    counts_of,
    make_initialisation,
    nearest,
    with_zero,
)
from tfcompress.transforms.masks import has_zeros
from tfcompress.transforms.named import as_table
from tfcompress.transforms.transform import Transform, counter

_LARGEST = 127


class _Indexed(Transform):
    """A kernel as indices into a row of values, whose entry 0 is an exact zero that is never trained."""

    def __init__(self, clusters: int, initialisation: Any = None, mean_gradient: bool = False) -> None:
        self.clusters, self.mean_gradient = clusters, mean_gradient
        self.initialisation = make_initialisation(initialisation or Linear())

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        initialisation = as_table(self.initialisation)
        return {"clusters": self.clusters, "initialisation": initialisation, "mean_gradient": self.mean_gradient}

    @property
    def trained_instead(self) -> keras.Variable | None:
        """The centroids."""
        return self.centroids

    def figures(self) -> dict[str, float]:
        """How many values are in use, the fixed ones too."""
        return {"centroids": float(len(np.unique(self.indices.numpy())))}

    def _add_variables(self, owner: keras.Layer, kernel: keras.Variable, name: str, trained: int) -> None:
        """Adds the trained centroids, how many weights share each, and the indices of the weights."""
        fixed = {"trainable": False, "aggregation": "only_first_replica", "initializer": "zeros"}
        self.centroids = owner.add_weight(
            shape=(trained,), initializer="zeros", dtype=kernel.dtype, name=f"{name}_centroids"
        )
        self.counts = owner.add_weight(shape=(trained,), dtype=kernel.dtype, name=f"{name}_counts", **fixed)
        self.indices = owner.add_weight(shape=kernel.shape, dtype="int32", name=f"{name}_indices", **fixed)

    def _set(self, centroids: np.ndarray, indices: np.ndarray, first: int) -> None:
        """Sets the variables; the trained centroids have the indices from `first` on."""
        self.centroids.assign(centroids)
        self.indices.assign(indices)
        self.counts.assign(np.maximum(counts_of(indices, first + centroids.size)[first:], 1))

    def _trained(self) -> Any:
        """The centroids; their gradient is the sum, or the mean, of the gradients of the weights that share them."""
        centroids = self.centroids.value
        if not self.mean_gradient:
            return centroids
        share = 1.0 / self.counts.value
        return centroids * share + keras.ops.stop_gradient(centroids * (1.0 - share))


@keras.saving.register_keras_serializable("tfcompress")
class Codebook(_Indexed):
    """Float centroids for a whole kernel, or for each output channel of it, with indices that stay as they are.

    Where the kernel has zeros, one centroid is exactly zero and stays so.

    Args:
        clusters: How many distinct values, with the zero, 2 or more; for each channel where `per_channel`.
        initialisation: How the first centroids are found.
        mean_gradient: Whether a centroid gets the mean of its weights' gradients instead of their sum.
        per_channel: Whether each output channel has centroids of its own.

    Reference:
        Han et al., "Deep Compression", arXiv:1510.00149.
    """

    def __init__(
        self, clusters: int, initialisation: Any = None, mean_gradient: bool = False, per_channel: bool = False
    ) -> None:
        super().__init__(clusters, initialisation, mean_gradient)
        self.per_channel = per_channel

    def build(self, owner: keras.Layer, kernel: keras.Variable, name: str) -> None:
        """Adds the variables."""
        self._axes = channel_axes(owner.layer, kernel) if self.per_channel else ()
        codebooks = math.prod(kernel.shape[axis] for axis in self._axes)
        self._add_variables(owner, kernel, name, trained=self.clusters * codebooks)

    def start(self, kernel: Any) -> Any:
        """Finds the centroids and the index of each weight."""
        weights = np.asarray(kernel)  # convert_to_numpy would copy it
        find = with_zero if (zeros := has_zeros(weights)) else _without_zero
        centroids = np.zeros(self.centroids.shape, "float32")
        indices = np.zeros(weights.shape, "int32")
        parts = zip(_by_channel(weights, self._axes), _by_channel(indices, self._axes), strict=True)
        for number, (own, places) in enumerate(parts):
            begin = number * self.clusters
            found = find(own.ravel(), self.clusters, self.initialisation)
            table = np.arange(1 + begin, 1 + begin + found.size, dtype="int32")
            places[...] = np.where(zeros & (found == 0), 0, table).astype("int32")[nearest(own, found)]
            centroids[begin : begin + self.clusters] = found[-1]  # what is not needed repeats the last
            centroids[begin : begin + found.size] = found
        self._set(centroids, indices, first=1)
        return kernel

    def __call__(self, kernel: Any) -> Any:
        """The centroid of each weight; `kernel` itself is not looked at."""
        values = keras.ops.concatenate([keras.ops.zeros((1,), self.centroids.dtype), self._trained()])
        return keras.ops.take(values, self.indices.value)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"per_channel": self.per_channel}


@keras.saving.register_keras_serializable("tfcompress")
class IntegerCodebook(_Indexed):
    """One codebook of integers in [-127, 127] for the kernel, times a scale for each output channel.

    A `.tflite` stores w / s_c with s_c = max |w_c| / 127, and the converter finds s_c anew after it has folded batch
    norm into the kernel. Float centroids therefore become many integers, and an integer codebook stays one only when
    each channel reaches 127: so -127 and 127 are in the codebook, the largest weight of each channel holds one of them,
    and the scales are fixed. The kernel then has at most `clusters` distinct values in the file.

    Args:
        clusters: How many distinct integers, with -127, 127 and, where the kernel has zeros, 0; 4 or more.
        initialisation: How the first of the other integers are found.
        mean_gradient: Whether a centroid gets the mean of its weights' gradients instead of their sum.

    Reference:
        Jacob et al., arXiv:1712.05877, for the grid.
    """

    _PINNED: ClassVar[tuple[int, ...]] = (0, -_LARGEST, _LARGEST)

    def build(self, owner: keras.Layer, kernel: keras.Variable, name: str) -> None:
        """Adds the variables."""
        self._axes = tuple(axis for axis in range(len(kernel.shape)) if axis not in channel_axes(owner.layer, kernel))
        shape = tuple(1 if axis in self._axes else size for axis, size in enumerate(kernel.shape))
        self._add_variables(owner, kernel, name, trained=max(1, self.clusters - 2))
        fixed = {"trainable": False, "aggregation": "only_first_replica", "initializer": "ones", "dtype": kernel.dtype}
        self.scales = owner.add_weight(shape=shape, name=f"{name}_scales", **fixed)
        self.unit = owner.add_weight(shape=(), name=f"{name}_unit", **fixed)

    def start(self, kernel: Any) -> Any:
        """Fixes the scales, and finds the integers and the index of each weight."""
        scales, trained, indices = self._fitted(np.array(kernel))
        # Centroids are kept in units of a mean weight, so that a learning rate means what it means for weights.
        unit = float(scales.mean())
        padded = np.zeros(self.centroids.shape, "float32")
        padded[: trained.size] = trained * unit
        self.scales.assign(scales)
        self.unit.assign(unit)
        self._set(padded, indices, first=len(self._PINNED))
        return kernel

    def _fitted(self, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The scales, the integers to train, ascending, and the index of each weight among the pinned ones and these.

        Large kernels are many of a model's bytes: the weights are divided in place, and nothing outlives its use.
        """
        zeros, scales = has_zeros(grid), integer_scales(grid, self._axes)
        grid /= scales
        free = grid[np.abs(grid) < _LARGEST - 0.5]
        find = with_zero if zeros else _without_zero
        found = find(free, self.clusters - 2, self.initialisation) if free.size else np.zeros(0, "float32")
        found = np.unique(np.concatenate([np.round(found), [-_LARGEST, _LARGEST]])).astype("float32")
        trained = np.setdiff1d(found, self._PINNED if zeros else self._PINNED[1:]).astype("float32")
        indices = len(self._PINNED) + np.searchsorted(trained, found)
        for index, value in enumerate(self._PINNED):
            indices = np.where((found == value) & ~np.isin(value, trained), index, indices)
        del free
        return scales, trained, indices.astype("int32")[nearest(grid, found)]

    def __call__(self, kernel: Any) -> Any:
        """The integer of each weight times its channel's scale; `kernel` itself is not looked at."""
        trained = keras.ops.clip(self._trained() / self.unit.value, -_LARGEST, _LARGEST)
        rounded = trained + keras.ops.stop_gradient(keras.ops.round(trained) - trained)
        pinned = keras.ops.convert_to_tensor(self._PINNED, dtype=self.centroids.dtype)
        return keras.ops.take(keras.ops.concatenate([pinned, rounded]), self.indices.value) * self.scales.value


@keras.saving.register_keras_serializable("tfcompress")
class RefreshedCodebook(Codebook):
    """A codebook whose indices follow the raw weights: every `every` steps each takes its nearest centroid again.

    The raw kernel is trained too, with the gradient that the shared values get (straight through), as TFMOT does.

    Args:
        clusters: As in `Codebook`.
        initialisation: As in `Codebook`.
        mean_gradient: As in `Codebook`.
        every: Steps of the optimizer between two refreshes.

    Reference:
        tensorflow-model-optimization 0.8.1, `cluster_wrapper.py`.
    """

    def __init__(self, clusters: int, initialisation: Any = None, mean_gradient: bool = False, every: int = 1) -> None:
        super().__init__(clusters, initialisation, mean_gradient)
        self.every = every

    def build(self, owner: keras.Layer, kernel: keras.Variable, name: str) -> None:
        """Adds the variables."""
        super().build(owner, kernel, name)
        self.steps = counter(owner, f"{name}_steps")

    @property
    def trained_instead(self) -> keras.Variable | None:
        """Nothing: the raw kernel is trained."""
        return None

    def __call__(self, kernel: Any) -> Any:
        """The centroid of each weight, with a gradient for both."""
        return super().__call__(kernel) + (kernel - keras.ops.stop_gradient(kernel))

    def after_update(self, kernel: Any) -> Any:
        """Counts the step, and looks the indices up again when it is time; zeros stay zeros."""
        self.steps.assign_add(1)
        indices = self.indices.value
        due = keras.ops.equal(self.steps.value % self.every, 0)
        self.indices.assign(keras.ops.cond(due, lambda: self._looked_up(kernel, indices), lambda: indices))
        return kernel

    def figures(self) -> dict[str, float]:
        """How many values are in use, and the steps that were counted."""
        return super().figures() | {"steps": float(self.steps.numpy())}

    def _looked_up(self, kernel: Any, indices: Any) -> Any:
        centroids = self.centroids.value
        order = keras.ops.argsort(centroids)
        ascending = keras.ops.take(centroids, order)
        midpoints = (ascending[1:] + ascending[:-1]) / 2
        position = keras.ops.searchsorted(midpoints, keras.ops.reshape(kernel, (-1,)))
        found = keras.ops.cast(keras.ops.take(order, position), "int32") + 1
        return keras.ops.where(indices == 0, indices, keras.ops.reshape(found, kernel.shape))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        del config["per_channel"]
        return config | {"every": self.every}


def integer_scales(weights: np.ndarray, inside: tuple[int, ...]) -> np.ndarray:
    """The scale of each output channel, max |w_c| / 127, or 1 for a channel of zeros; axes of the channel have size 1.

    Args:
        weights: A kernel.
        inside: The axes that are not output channels.

    Example:
        >>> integer_scales(np.array([[1.27, 0.0], [-2.54, 0.0]]), (0,))
        array([[0.02, 1.  ]])
    """
    scales = np.abs(weights).max(axis=inside, keepdims=True) / _LARGEST
    return np.where(scales > 0, scales, np.ones_like(scales))


def _by_channel(array: np.ndarray, axes: tuple[int, ...]) -> list[np.ndarray]:
    """A view for each index along `axes`, in their order; of the whole where there are none."""
    moved = np.moveaxis(array, axes, range(len(axes)))
    return [moved[index] for index in np.ndindex(moved.shape[: len(axes)])]


def _without_zero(weights: np.ndarray, clusters: int, initialisation: Initialisation) -> np.ndarray:
    return np.unique(initialisation.centroids(weights, clusters))
