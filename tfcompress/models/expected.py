"""The mean of each channel that a model's batch norms let one expect, without any data."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tfcompress.models.graph import LayerCall, graph_of, trace

_L = keras.layers
_ABSENT = (_L.Dropout, _L.SpatialDropout1D, _L.SpatialDropout2D, _L.SpatialDropout3D, _L.Identity)
# Zero padding lowers the mean a little at the borders; it is taken as it is.
_KEEPING = (
    *(_L.AveragePooling1D, _L.AveragePooling2D, _L.GlobalAveragePooling1D, _L.GlobalAveragePooling2D),
    *(_L.ZeroPadding1D, _L.ZeroPadding2D, _L.UpSampling1D, _L.UpSampling2D, _L.Cropping1D, _L.Cropping2D),
)
_ERF: Callable[[np.ndarray], np.ndarray] = np.vectorize(math.erf, otypes=["float64"])


@dataclass(frozen=True, eq=False)
class _Expected:
    """A tensor's channels, the last axis: their means, and their deviations while they are still normal."""

    mean: np.ndarray
    deviation: np.ndarray | None = None


def clipped_mean(mean: np.ndarray, deviation: np.ndarray, most: float = math.inf) -> np.ndarray:
    """The mean of min(max(x, 0), most) for normal x.

    With phi and Phi the density and the distribution of the standard normal, a = -mean / deviation and, for a finite
    `most`, b = (most - mean) / deviation,

        E = deviation (phi(a) - phi(b)) + mean (Phi(b) - Phi(a)) + most (1 - Phi(b))

    Args:
        mean: Any shape.
        deviation: Of the same shape, not negative.
        most: The upper end, above 0.

    Example:
        >>> clipped_mean(np.array([0.0, 5.0, -5.0]), np.array([1.0, 0.0, 0.0])).round(4).tolist()
        [0.3989, 5.0, 0.0]

    Reference:
        Nagel et al., arXiv:1906.04721, appendix C.
    """
    spread = np.maximum(np.asarray(deviation, "float64"), 1e-12)
    low, high = -mean / spread, (most - mean) / spread
    inside = _distribution(high) - _distribution(low)
    beyond = 0.0 if math.isinf(most) else most * (1 - _distribution(high))
    expected: np.ndarray = spread * (_density(low) - _density(high)) + mean * inside + beyond
    return expected


def expected_means(model: keras.Model) -> dict[int, np.ndarray]:
    """The expected mean of each channel that reaches a layer, where batch norms tell it.

    A batch norm gives normal values of mean beta and deviation |gamma|; ReLU and ReLU6 clip these; pooling by means,
    padding, dropout and sums hand means on.

    Args:
        model: A Functional or Sequential model, channels last. It is not changed.

    Returns:
        By the id of each layer that is called once: (channels,) of its first input.

    Example:
        >>> layers = [keras.layers.BatchNormalization(), keras.layers.ReLU(), keras.layers.Dense(1, name="head")]
        >>> model = keras.Sequential([keras.Input((2,)), *layers])
        >>> expected_means(model)[id(model.get_layer("head"))].round(4).tolist()
        [0.3989, 0.3989]
    """
    graph = graph_of(model)
    inputs = [keras.KerasTensor((1, *tensor.shape[1:]), tensor.dtype) for tensor in graph.inputs]
    calls, _ = trace(graph, inputs)
    known: dict[int, _Expected] = {}
    means: dict[int, np.ndarray] = {}
    seen: set[int] = set()
    for call in calls:
        first = known.get(id(call.inputs[0])) if call.inputs else None
        if id(call.operation) in seen:
            means.pop(id(call.operation), None)
        elif first is not None:
            means[id(call.operation)] = first.mean
        seen.add(id(call.operation))
        found = _after(call, [known.get(id(tensor)) for tensor in call.inputs])
        if found is not None:
            known[id(call.outputs[0])] = found
    return means


def _after(call: LayerCall, given: list[_Expected | None]) -> _Expected | None:
    """What is expected of a call's output."""
    layer = call.operation
    if type(layer) is _L.BatchNormalization and layer.axis % len(call.input_shape) == len(call.input_shape) - 1:
        channels = call.input_shape[-1]
        gamma, beta = (
            np.full(channels, default) if weight is None else weight.numpy().astype("float64")
            for weight, default in ((layer.gamma, 1.0), (layer.beta, 0.0))
        )
        return _Expected(beta, np.abs(gamma))
    if not given or any(item is None for item in given):
        return None
    known = [item for item in given if item is not None]
    if isinstance(layer, _ABSENT):
        return known[0]
    if isinstance(layer, _KEEPING):
        return _Expected(known[0].mean)
    if isinstance(layer, _L.Add):
        sizes = {item.mean.size for item in known}
        return _Expected(np.sum([item.mean for item in known], axis=0)) if len(sizes) == 1 else None
    most = _upper_end(layer)
    if most is None or known[0].deviation is None:
        return None
    return _Expected(clipped_mean(known[0].mean, known[0].deviation, most))


def _upper_end(operation: Any) -> float | None:
    """Where a rectifier ends; None for what is none."""
    if isinstance(operation, _L.ReLU) and not operation.negative_slope and not operation.threshold:
        return math.inf if operation.max_value is None else float(operation.max_value)
    activation = operation.activation if type(operation) is _L.Activation else None
    if isinstance(operation, keras.Layer):
        return {keras.activations.relu: math.inf, keras.activations.relu6: 6.0}.get(activation)
    return {"Relu": math.inf, "Relu6": 6.0}.get(type(operation).__name__)


def _density(values: np.ndarray) -> np.ndarray:
    density: np.ndarray = np.exp(-np.square(np.clip(values, -40, 40)) / 2) / math.sqrt(2 * math.pi)
    return density


def _distribution(values: np.ndarray) -> np.ndarray:
    return (1 + _ERF(np.asarray(values) / math.sqrt(2))) / 2
