"""What samples tell of layers: least squares for the last layer of each chain, and how large each input is."""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfcompress.errors import DataError, RecipeError, first_line
from tfcompress.models.graph import graph_of, is_model, nested_inputs, run
from tfcompress.progress import task
from tfcompress.techniques.factorized import Chain, bare, kernel_of
from tfcompress.techniques.importances import InMemory
from tfcompress.techniques.technique import Technique

_BATCH = 16
_MOST_BYTES = 2**26
"""Of the patches that are looked at together: those of one batch, window by window, may take gigabytes."""
_RIDGE = 1e-4
"""How strongly the fit is drawn to the factor it began with, relative to the mean square of what it reads."""


class Fit:
    """The normal equations of one chain's last layer, gathered over calls and batches.

    With Z what the last layer reads and Y what the original answers, both without bias and activation,

        B = argmin ||Y - Z B||^2 + mu ||B - B_0||^2 = (Z^T Z + mu I)^-1 (Z^T Y + mu B_0).

    Args:
        source: The original layer.
        chain: What stands in its place; its last layer is a Dense, Conv1D or Conv2D.
    """

    def __init__(self, source: keras.Layer, chain: Chain) -> None:
        *self.before, self.last = chain.layers
        self.original = bare(source, f"{source.name}_original", use_bias=False)
        self.original.set_weights([source.kernel.numpy()])
        self.reads = self.answers = self.total = 0.0

    def see(self, inputs: Any) -> None:
        """Adds the inputs of one call."""
        outputs = _rows(np.asarray(keras.ops.convert_to_numpy(self.original(inputs))), self.original)
        for layer in self.before:
            inputs = layer(inputs)
        seen = 0
        for reads in chunks(np.asarray(keras.ops.convert_to_numpy(inputs)), self.last):
            answers = outputs[seen : seen + len(reads)].astype("float64")
            self.reads = self.reads + reads.T @ reads
            self.answers = self.answers + reads.T @ answers
            self.total += float((answers**2).sum())
            seen += len(reads)

    def solve(self) -> tuple[float, float]:
        """Sets the last layer's kernel; the relative errors of the outputs before and after."""
        kernel = kernel_of(self.last).astype("float64")
        start = kernel.reshape(-1, kernel.shape[3])
        ridge = _RIDGE * np.trace(self.reads) / len(start) + np.finfo("float64").tiny
        fitted = np.linalg.solve(self.reads + ridge * np.eye(len(start)), self.answers + ridge * start)
        self.last.kernel.assign(fitted.reshape(self.last.kernel.shape))
        return self._error(start), self._error(fitted)

    def _error(self, kernel: np.ndarray) -> float:
        square = self.total - 2 * (kernel * self.answers).sum() + (kernel * (self.reads @ kernel)).sum()
        return float(np.sqrt(max(square, 0.0) / self.total)) if self.total else 0.0


class Squares:
    """The mean square of each entry that a layer's kernel is multiplied with, gathered over calls and batches."""

    def __init__(self, source: keras.Layer) -> None:
        self.source = source
        self.sum: Any = 0.0
        self.count = 0

    def see(self, inputs: Any) -> None:
        """Adds the inputs of one call."""
        for reads in chunks(np.asarray(keras.ops.convert_to_numpy(inputs)), self.source):
            self.sum, self.count = self.sum + np.einsum("pe,pe->e", reads, reads), self.count + len(reads)

    @property
    def root_mean(self) -> np.ndarray:
        """Their roots; where an input is always zero, a small share of the largest, so that none is without weight."""
        means = np.sqrt(self.sum / self.count)
        return np.maximum(means, 1e-3 * (means.max() or 1.0))


def show_samples(model: keras.Model, seeing: Mapping[int, Fit | Squares], samples: Any) -> None:
    """Shows layers of a model what reaches them when it computes on samples, in inference mode.

    Args:
        model: It is not changed.
        seeing: By the id of a layer, what is to see its inputs.
        samples: Inputs of the model: arrays in the order of its inputs or by their names, or an `.npz` with `x` or with
            one array by the name of each input.

    Raises:
        DataError: The samples do not fit the model, or the file cannot be read.
    """
    graph = graph_of(model)
    arrays = arrays_for(graph, samples)

    def call(operation: keras.Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if is_model(operation):
            inner = graph_of(operation)
            return run(inner, nested_inputs(inner, args, kwargs), call)
        if id(operation) in seeing:
            seeing[id(operation)].see(args[0] if args else kwargs["inputs"])
        return operation(*args, **kwargs)

    with task("looking at samples", total=len(arrays[0])) as progress:
        for begin in range(0, len(arrays[0]), _BATCH):
            batch = [keras.ops.convert_to_tensor(array[begin : begin + _BATCH]) for array in arrays]
            run(graph, batch, call)
            progress.advance(len(batch[0]))


def can_be_fitted(chain: Chain) -> bool:
    """Whether a chain ends in a layer whose kernel least squares can find."""
    return isinstance(chain.layers[-1], (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D))


def patches(features: np.ndarray, layer: keras.Layer) -> np.ndarray:
    """What a layer multiplies its kernel with, a row for each position of its output.

    Args:
        features: Its inputs, the batch in front.
        layer: A Dense, Conv1D or Conv2D.

    Returns:
        (positions of all samples, entries of the kernel per output channel); float64.

    Example:
        >>> layer = keras.layers.Conv1D(1, 2)
        >>> print(patches(np.arange(4.0).reshape(1, 4, 1), layer))
        [[0. 1.]
         [1. 2.]
         [2. 3.]]
    """
    windows = _windows(features, layer)
    return windows.reshape(-1, _entries(windows, layer)).astype("float64")


def chunks(features: np.ndarray, layer: keras.Layer) -> Iterator[np.ndarray]:
    """The rows of `patches` in their order, so few at once that they stay small: samples, or rows of one sample.

    Args:
        features: Its inputs, the batch in front.
        layer: A Dense, Conv1D or Conv2D.
    """
    windows = _windows(features, layer)
    entries = _entries(windows, layer)
    samples = _MOST_BYTES * len(windows) // (8 * windows.size)
    if samples:
        for begin in range(0, len(windows), samples):
            yield windows[begin : begin + samples].reshape(-1, entries).astype("float64")
        return
    rows = max(1, _MOST_BYTES * windows.shape[1] // (8 * windows[0].size))
    for one in windows:
        for begin in range(0, len(one), rows):
            yield one[begin : begin + rows].reshape(-1, entries).astype("float64")


def _entries(windows: np.ndarray, layer: keras.Layer) -> int:
    """How many numbers the kernel is multiplied with for one position."""
    return int(np.prod(windows.shape[-1 if isinstance(layer, keras.layers.Dense) else -1 - len(layer.kernel_size) :]))


def _windows(features: np.ndarray, layer: keras.Layer) -> np.ndarray:
    """A view of the inputs: (batch, positions of the output..., window..., in)."""
    if isinstance(layer, keras.layers.Dense):
        return features
    if layer.data_format == "channels_first":
        features = np.moveaxis(features, 1, -1)
    axes = range(1, 1 + len(layer.kernel_size))
    geometry = list(zip(layer.kernel_size, layer.strides, layer.dilation_rate, strict=True))
    around = [_padding(layer.padding, features.shape[axis], *own) for axis, own in zip(axes, geometry, strict=True)]
    padded = np.pad(features, [(0, 0), *around, (0, 0)])
    spans = tuple((window - 1) * dilation + 1 for window, _, dilation in geometry)
    windows = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=tuple(axes))
    places = tuple(slice(None, None, stride) for _, stride, _ in geometry)
    entries = tuple(slice(None, None, dilation) for _, _, dilation in geometry)
    return np.moveaxis(windows[(slice(None), *places, slice(None), *entries)], len(geometry) + 1, -1)


def _padding(padding: str, size: int, window: int, stride: int, dilation: int) -> tuple[int, int]:
    """How many zeros TensorFlow puts before and after an axis."""
    reach = (window - 1) * dilation
    if padding == "causal":
        return reach, 0
    if padding == "valid":
        return 0, 0
    needed = max((-(-size // stride) - 1) * stride + reach + 1 - size, 0)
    return needed // 2, needed - needed // 2


def _rows(outputs: np.ndarray, layer: keras.Layer) -> np.ndarray:
    """Outputs with a row for each position."""
    if getattr(layer, "data_format", "channels_last") == "channels_first":
        outputs = np.moveaxis(outputs, 1, -1)
    return outputs.reshape(-1, outputs.shape[-1])


def arrays_for(graph: keras.Model, samples: Any) -> list[np.ndarray]:
    """One array for each input of a model, out of the setting `samples`.

    Args:
        graph: The model's graph.
        samples: What `kept_samples` gave.

    Raises:
        DataError: The samples do not fit the model, or the file cannot be read.
    """
    samples = samples.samples if isinstance(samples, InMemory) else Path(samples)
    names = [tensor.name for tensor in graph.inputs]
    if isinstance(samples, Path):
        samples = _read(samples)
        if len(names) == 1 and "x" in samples:
            samples = samples["x"]
    if isinstance(samples, Mapping):
        if missing := [name for name in names if name not in samples]:
            raise DataError(f"The samples have no array {missing[0]!r}; they have {', '.join(map(repr, samples))}.")
        samples = [samples[name] for name in names]
    arrays = [np.asarray(array) for array in (samples if isinstance(samples, (list, tuple)) else [samples])]
    if len(arrays) != len(names):
        raise DataError(f"Model '{graph.name}' has {len(names)} inputs, and the samples are {len(arrays)} arrays.")
    for array, tensor in zip(arrays, graph.inputs, strict=True):
        fits = array.ndim == len(tensor.shape) and all(
            own in (None, given) for own, given in zip(tensor.shape[1:], array.shape[1:], strict=True)
        )
        if fits and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DataError(f"The samples for input '{tensor.name}' have values that are NaN or infinite.")
        if not fits or not len(array) or len(array) != len(arrays[0]):
            raise DataError(
                f"The samples for input '{tensor.name}' have the shape {array.shape}; {tuple(tensor.shape)} is needed, "
                "and as many samples, at least one, for each input."
            )
    return arrays


def kept_samples(samples: Any) -> Any:
    """Samples as a setting keeps them: the path of a file as text, arrays in memory as one object."""
    if samples is None or isinstance(samples, (str, InMemory)):
        return samples
    return str(samples) if isinstance(samples, Path) else InMemory(samples)


class Sampling(Technique):
    """A technique with the setting `samples`: inputs of the model, as `kept_samples` gives them."""

    samples: Any

    @property
    def reads(self) -> tuple[Path, ...]:
        """The samples, where they lie in a file."""
        return (Path(self.samples),) if isinstance(self.samples, str) else ()

    def to_settings(self) -> dict[str, Any]:
        """The settings as plain data.

        Raises:
            RecipeError: The samples are in memory, which no file can hold.
        """
        if isinstance(self.samples, InMemory):
            name = type(self).__name__
            raise RecipeError(
                f"{name} has its samples in memory, which a recipe's file cannot hold. Save them, "
                f'np.savez("batch.npz", x=x), and write {name}(samples="batch.npz").'
            )
        return super().to_settings()


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise DataError(
            f"{path} cannot be read ({first_line(error)}). Give an .npz with the array x, or with one by the "
            "name of each input."
        ) from error
