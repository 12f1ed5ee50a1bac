"""What the runtime would merge anyway is merged in Keras: batch norm into kernels, ReLU into the layer before it."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tfcompress.models.graph import LayerCall, trace
from tfcompress.models.surgery import flatten, rebuild

_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
_FOLDABLE = (*_CONVOLUTIONS, *_TRANSPOSED, *_DEPTHWISE, *_SEPARABLE, keras.layers.Dense)


@dataclass(frozen=True)
class Chain:
    """A layer that multiplies, and what alone reads it: a batch norm, and a ReLU after that.

    Attributes:
        layer: A convolution or dense layer without an activation.
        batch_norm: The one after it, or None.
        rectifier: The layer or `keras.ops` operation after that, or None.
        activation: What that is, `"relu"` or `"relu6"`, or None.
    """

    layer: keras.Layer
    batch_norm: keras.layers.BatchNormalization | None
    rectifier: keras.Operation | None
    activation: str | None


def fold(model: keras.Model) -> keras.Model:
    """Folds each batch norm and ReLU into the convolution or dense layer before it.

    A batch norm in inference is y = scale * x + shift per channel, so the kernel takes the scale and the bias the rest:
    kernel' = scale * kernel, bias' = scale * bias + shift (see `scale_and_shift`). A ReLU or ReLU6, as a layer, an
    Activation or a `keras.ops` node, becomes the layer's own activation.

    Folded is what follows a Conv, DepthwiseConv, SeparableConv, Conv transpose (1D to 3D) or Dense layer without an
    activation, where the graph calls both once and nothing else reads what lies between. All else is left alone: shared
    layers, a batch norm on another axis or called with `training=True`, quantized and LoRA layers.

    Args:
        model: A Functional or Sequential model. It is not changed. Nested models come out flattened.

    Returns:
        The new model, uncompiled, with outputs equal in inference.

    Raises:
        UnsupportedLayerError: A layer cannot be rebuilt from its config; the message names it.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, use_bias=False, name="conv"),
        ...     keras.layers.BatchNormalization(), keras.layers.ReLU()])
        >>> [layer.name for layer in fold(model).layers[1:]]
        ['conv']

    Reference:
        Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
        arXiv:1712.05877, section 3.2.
    """
    flat = flatten(model)
    folds = [chain for chain in chains(flat) if chain.batch_norm is not None or chain.rectifier is not None]
    absorbed = [part for chain in folds for part in (chain.batch_norm, chain.rectifier) if part is not None]
    by_layer = {id(found.layer): found for found in folds}
    made: dict[int, keras.Layer] = {}

    def take_in(clone: keras.Layer, source: keras.Layer) -> keras.Layer:
        if id(source) in by_layer:
            made[id(source)] = _widened(by_layer[id(source)])
            return made[id(source)]
        return clone

    folded = rebuild(flat, take_in, skip=absorbed)
    for found in folds:
        new = made[id(found.layer)]
        new.set_weights(_folded_weights(found))
        new.trainable = found.layer.trainable
    return folded


def scale_and_shift(
    gamma: np.ndarray | None, beta: np.ndarray | None, mean: np.ndarray, variance: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """A batch norm in inference as y = scale * x + shift.

    scale = gamma / sqrt(variance + epsilon), shift = beta - mean * scale, computed in float64.

    Args:
        gamma: The learned scale per channel; None counts as ones.
        beta: The learned shift per channel; None counts as zeros.
        mean: The moving mean per channel.
        variance: The moving variance per channel, not negative.
        epsilon: What the layer adds to the variance, above 0.

    Returns:
        Scale and shift, per channel.

    Example:
        >>> scale, shift = scale_and_shift(np.array([6.0]), np.array([1.0]), np.array([2.0]), np.array([8.0]), 1.0)
        >>> float(scale[0]), float(shift[0])
        (2.0, -3.0)
    """
    scale = (1.0 if gamma is None else np.float64(gamma)) / np.sqrt(np.float64(variance) + epsilon)
    return scale, (0.0 if beta is None else np.float64(beta)) - np.float64(mean) * scale


def chains(flat: keras.Model) -> list[Chain]:
    """Every convolution or dense layer that a flat graph calls once and that has no activation, with what follows it.

    Example:
        >>> layers = [keras.layers.Conv2D(4, 3, name="conv"), keras.layers.BatchNormalization(), keras.layers.ReLU()]
        >>> found = chains(flatten(keras.Sequential([keras.Input((8, 8, 3)), *layers])))
        >>> [(chain.layer.name, chain.batch_norm is not None, chain.activation) for chain in found]
        [('conv', True, 'relu')]
    """
    calls, outputs = trace(flat, flat.inputs)
    times = Counter(id(call.operation) for call in calls)
    readers = Counter(id(tensor) for call in calls for tensor in call.inputs)
    readers.update(id(tensor) for tensor in outputs)
    only_reader = {id(call.inputs[0]): call for call in calls if call.inputs and readers[id(call.inputs[0])] == 1}
    found = []

    def next_call(tensor: Any) -> LayerCall | None:
        """The call that alone reads `tensor`, if its operation is called nowhere else."""
        call = only_reader.get(id(tensor))
        return call if call is not None and times[id(call.operation)] == 1 else None

    for call in calls:
        if times[id(call.operation)] > 1 or not _is_foldable(call.operation):
            continue
        batch_norm, tensor = None, call.outputs[0]
        following = next_call(tensor)
        if following is not None and _is_foldable_batch_norm(following, call):
            batch_norm, tensor = following.operation, following.outputs[0]
            following = next_call(tensor)
        activation = None if following is None else _rectifier(following.operation)
        rectifier = following.operation if following is not None and activation else None
        found.append(Chain(call.operation, batch_norm, rectifier, activation))
    return found


def _is_foldable(operation: keras.Operation) -> bool:
    return (
        type(operation) in _FOLDABLE
        and operation.activation is keras.activations.linear
        and operation.quantization_mode is None
        and not getattr(operation, "lora_enabled", False)
    )


def _is_foldable_batch_norm(call: LayerCall, producer: LayerCall) -> bool:
    layer = call.operation
    if type(layer) is not keras.layers.BatchNormalization or call.kwargs.get("training"):
        return False
    rank = len(producer.output_shape)
    channels_first = getattr(producer.operation, "data_format", "channels_last") == "channels_first"
    return bool(layer.axis % rank == (1 if channels_first else rank - 1))


def _rectifier(operation: keras.Operation) -> str | None:
    """The name of the activation that an operation is, for ReLU and ReLU6."""
    if isinstance(operation, keras.layers.ReLU):
        plain = not operation.negative_slope and not operation.threshold
        return {None: "relu", 6.0: "relu6"}.get(operation.max_value) if plain else None
    if type(operation) is keras.layers.Activation:
        return {keras.activations.relu: "relu", keras.activations.relu6: "relu6"}.get(operation.activation)
    if isinstance(operation, keras.Layer):
        return None
    return {"Relu": "relu", "Relu6": "relu6"}.get(type(operation).__name__)


def _widened(fold: Chain) -> keras.Layer:
    """The layer again, with a bias for the batch norm's shift and with the activation."""
    config = fold.layer.get_config()
    config["use_bias"] = config["use_bias"] or fold.batch_norm is not None
    config["activation"] = fold.activation or config["activation"]
    return type(fold.layer).from_config(config)


def _folded_weights(fold: Chain) -> list[np.ndarray]:
    layer, batch_norm = fold.layer, fold.batch_norm
    if batch_norm is None:
        weights: list[np.ndarray] = layer.get_weights()
        return weights
    gamma, beta = (None if weight is None else weight.numpy() for weight in (batch_norm.gamma, batch_norm.beta))
    mean, variance = batch_norm.moving_mean.numpy(), batch_norm.moving_variance.numpy()
    scale, shift = scale_and_shift(gamma, beta, mean, variance, batch_norm.epsilon)
    *first, kernel = layer.get_weights()[: 2 if isinstance(layer, _SEPARABLE) else 1]
    bias = layer.get_weights()[-1] if layer.use_bias else np.zeros_like(shift)
    if isinstance(layer, _DEPTHWISE):
        by_channel = scale.reshape(kernel.shape[-2:])  # (in, multiplier); the output channels run over both
    elif isinstance(layer, _TRANSPOSED):
        by_channel = scale[:, np.newaxis]  # its kernel is (..., out, in)
    else:
        by_channel = scale
    return [*first, (kernel * by_channel).astype(kernel.dtype), (scale * bias + shift).astype(kernel.dtype)]
