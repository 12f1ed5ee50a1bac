"""How layers with kernels treat channels: which axis of which weight makes them, which reads them."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tfcompress.layers import DoubleConv2D
from tfcompress.models.channel_labels import ChannelLabels, Label, Role, barrier, title
from tfcompress.models.channel_passing import (
    PASSING,
    applications_rule,
    channel_axis,
    is_elementwise,
    operation_rule,
)
from tfcompress.models.graph import LayerCall

_L = keras.layers
Rule = Callable[[LayerCall, ChannelLabels], list[Label | None]]


def follow(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """The labels of a call's outputs; what the call says of weights, ties and kept channels goes into `labels`.

    A layer or operation without a rule is a barrier: the channels that reach it are kept.
    """
    operation = call.operation
    if not isinstance(operation, keras.Layer):
        return operation_rule(call, labels)
    for parent in type(operation).__mro__:
        if parent in _RULES:
            if type(operation).call is not parent.call:
                return barrier(call, labels, f"reach {title(operation)}, whose own call() may do anything with them")
            if getattr(operation, "quantization_mode", None) or getattr(operation, "lora_enabled", False):
                return barrier(call, labels, f"reach {title(operation)}, which is quantized or has LoRA weights")
            return _RULES[parent](call, labels)
    return applications_rule(call, labels)


def _bias(call: LayerCall, labels: ChannelLabels, ids: np.ndarray) -> None:
    layer = call.operation
    if layer.use_bias:
        labels.weight(layer, layer.bias, 0, ids, Role.SHIFTS)


def _activated(call: LayerCall, labels: ChannelLabels, ids: np.ndarray) -> None:
    """Keeps channels that the layer's own activation compares with each other."""
    layer = call.operation
    if not is_elementwise(layer.activation):
        name = getattr(layer.activation, "__name__", type(layer.activation).__name__)
        labels.keep(ids, f"are compared with each other by the activation {name} of {title(layer)}")


def _dense(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    layer, last = call.operation, len(call.output_shape) - 1
    labels.read(call, call.inputs[0], last, layer.kernel, 0)
    ids = labels.made(layer, layer.kernel, 1)
    _bias(call, labels, ids)
    _activated(call, labels, ids)
    labels.setting(layer, "units", ids)
    return [Label(last, ids)]


def _convolution(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    layer, axis = call.operation, channel_axis(call.operation, len(call.output_shape))
    if layer.groups > 1:
        return _grouped_convolution(call, labels, axis)
    labels.read(call, call.inputs[0], axis, layer.kernel, len(layer.kernel.shape) - 2)
    return _filters(call, labels, axis, labels.made(layer, layer.kernel, len(layer.kernel.shape) - 1))


def _filters(call: LayerCall, labels: ChannelLabels, axis: int, ids: np.ndarray) -> list[Label | None]:
    _bias(call, labels, ids)
    _activated(call, labels, ids)
    labels.setting(call.operation, "filters", ids)
    return [Label(axis, ids)]


def _grouped_convolution(call: LayerCall, labels: ChannelLabels, axis: int) -> list[Label | None]:
    """With one input channel to a group, groups go with their channels; else each group loses the same places."""
    layer, last = call.operation, len(call.operation.kernel.shape) - 1
    own = labels.entering(call, call.inputs[0], axis)
    if own.size == layer.groups:
        ids = np.repeat(own, layer.filters // own.size)
        labels.weight(layer, layer.kernel, last, ids, Role.FILTERS)
        labels.setting(layer, "groups", own)
        return _filters(call, labels, axis, ids)
    places = own.reshape(layer.groups, -1)
    labels.tie(places, np.broadcast_to(places[0], places.shape))
    labels.weight(layer, layer.kernel, last - 1, places[0], Role.READS)
    ids = labels.made(layer, layer.kernel, last)
    places = ids.reshape(layer.groups, -1)
    labels.tie(places, np.broadcast_to(places[0], places.shape))
    return _filters(call, labels, axis, ids)


def _doubly_convolutional(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """A meta filter makes several channels, side by side, which go together."""
    layer, last = call.operation, len(call.output_shape) - 1
    labels.read(call, call.inputs[0], last, layer.kernel, 2)
    ids = labels.made(layer, layer.kernel, 3)
    _filters(call, labels, last, ids)
    return [Label(last, np.repeat(ids, layer.copies))]


def _transposed_convolution(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """Its kernel is (..., out, in)."""
    layer, axis = call.operation, channel_axis(call.operation, len(call.output_shape))
    last = len(layer.kernel.shape) - 1
    labels.read(call, call.inputs[0], axis, layer.kernel, last)
    return _filters(call, labels, axis, labels.made(layer, layer.kernel, last - 1))


def _through_depthwise_kernel(call: LayerCall, labels: ChannelLabels, kernel: keras.Variable) -> tuple[int, np.ndarray]:
    """Labels a depthwise kernel (..., in, multiplier); gives the channel axis and the ids of what it makes."""
    layer, axis = call.operation, channel_axis(call.operation, len(call.input_shape))
    ids = labels.entering(call, call.inputs[0], axis)
    labels.weight(layer, kernel, len(kernel.shape) - 2, ids, Role.FILTERS)
    return axis, np.repeat(ids, layer.depth_multiplier)


def _depthwise_convolution(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    axis, ids = _through_depthwise_kernel(call, labels, call.operation.kernel)
    _bias(call, labels, ids)
    _activated(call, labels, ids)
    return [Label(axis, ids)]


def _separable_convolution(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    layer, last = call.operation, len(call.operation.pointwise_kernel.shape) - 1
    axis, ids = _through_depthwise_kernel(call, labels, layer.depthwise_kernel)
    labels.weight(layer, layer.pointwise_kernel, last - 1, ids, Role.READS)
    return _filters(call, labels, axis, labels.made(layer, layer.pointwise_kernel, last))


def _embedding(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    layer = call.operation
    _keep(labels, call.inputs[0], f"are looked up by {title(layer)}")
    ids = labels.made(layer, layer.embeddings, 1)
    labels.setting(layer, "output_dim", ids)
    return [Label(len(call.output_shape) - 1, ids)]


def _einsum_dense(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """Channels that are summed over can go; those that it makes have their sizes in its equation and are kept."""
    layer, label = call.operation, labels.of(call.inputs[0])
    inputs, kernel = layer.equation.replace(" ", "").split("->")[0].split(",")
    outputs = layer.equation.replace(" ", "").split("->")[1]
    letters = [] if "." in inputs else [letter for letter in inputs if letter in kernel and letter not in outputs]
    for letter in letters:
        ids = labels.along(call, call.inputs[0], inputs.index(letter))
        labels.weight(layer, layer.kernel, kernel.index(letter), ids, Role.READS)
    if label is not None and ("." in inputs or inputs[label.axis] not in letters):
        barrier(call, labels, f"are not summed over by {title(layer)}")
    return [None]


def _recurrent(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    layer = call.operation
    ids = _units(call, labels, layer)
    labels.setting(layer, "units", ids)
    _keep_states(call, labels, ids)
    return [Label(len(tensor.shape) - 1, ids) for tensor in call.outputs]


def _bidirectional(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """Two directions; the units of one go with those of the other, since Keras takes them to be equally many."""
    layer = call.operation
    directions = {"layer": layer.forward_layer, "backward_layer": layer.backward_layer}
    for direction in directions.values():
        if type(direction) not in _RECURRENT:
            return barrier(call, labels, f"reach {title(layer)} around a {type(direction).__name__}")
    both = []
    for name, direction in directions.items():
        both.append(_units(call, labels, direction))
        labels.setting(layer, f"{name}.config.units", both[-1])
        _keep_states(call, labels, both[-1])
    labels.tie(*both)
    if layer.return_state:
        labels.keep(both[0], f"are states that {title(layer)} gives out")
        return [None] * len(call.outputs)
    ids = np.concatenate(both) if layer.merge_mode == "concat" else both[0]
    return [Label(len(tensor.shape) - 1, ids) for tensor in call.outputs]


def _units(call: LayerCall, labels: ChannelLabels, recurrent: keras.Layer) -> np.ndarray:
    """Labels the weights of a SimpleRNN, GRU or LSTM, in which each gate has a column for each unit; gives the ids."""
    owner, cell = call.operation, recurrent.cell
    labels.read(call, call.inputs[0], 2, cell.kernel, 0)
    known = labels.weights.get((id(cell.recurrent_kernel), 0))
    ids = labels.fresh(recurrent.units) if known is None else known.ids
    gates = np.tile(ids, cell.kernel.shape[1] // recurrent.units)
    labels.weight(owner, cell.kernel, 1, gates, Role.MAKES)
    labels.weight(owner, cell.recurrent_kernel, 0, ids, Role.WITHIN)
    labels.weight(owner, cell.recurrent_kernel, 1, gates, Role.MAKES)
    if cell.use_bias:
        labels.weight(owner, cell.bias, len(cell.bias.shape) - 1, gates, Role.SHIFTS)
    if not is_elementwise(recurrent.activation) or recurrent.stateful:
        labels.keep(ids, f"are units of {title(owner)}, which is stateful or has an activation of its own")
    return ids


def _keep_states(call: LayerCall, labels: ChannelLabels, ids: np.ndarray) -> None:
    """Keeps units whose first states come from outside, and the channels of these."""
    for tensor in call.inputs[1:]:
        labels.keep(ids, f"have states from outside in {title(call.operation)}")
        _keep(labels, tensor, f"are a state of {title(call.operation)}")


def _multi_head_attention(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """What it reads, its values' width and what it makes can go; keys stay: their width is in the scale of scores."""
    layer = call.operation
    query, value = call.argument("query"), call.argument("value")
    key = call.argument("key")
    key = value if key is None else key
    if layer.get_config().get("use_gate") or len(layer.output_dense.kernel.shape) != 3:
        return barrier(call, labels, f"reach {title(layer)}, which has a gate or an output of several axes")
    for tensor, dense in ((query, layer.query_dense), (key, layer.key_dense), (value, layer.value_dense)):
        labels.read(call, tensor, len(tensor.shape) - 1, dense.kernel, 0)
    for tensor in call.inputs:
        if not any(tensor is known for known in (query, key, value)):
            _keep(labels, tensor, f"are a mask of {title(layer)}")
    values = labels.made(layer, layer.value_dense.kernel, 2)
    labels.weight(layer, layer.output_dense.kernel, 1, values, Role.WITHIN)
    ids = labels.made(layer, layer.output_dense.kernel, 2)
    if layer.use_bias:
        labels.weight(layer, layer.value_dense.bias, 1, values, Role.SHIFTS)
        labels.weight(layer, layer.output_dense.bias, 0, ids, Role.SHIFTS)
    labels.setting(layer, "value_dim", values)
    labels.setting(layer, "output_shape", ids)
    return [Label(len(call.output_shape) - 1, ids), *[None] * (len(call.outputs) - 1)]


def _attention(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """The channels of queries and keys are summed over together; those of the values go on."""
    layer, (query, value, *key) = call.operation, call.args[0]
    last, (own, other) = len(query.shape) - 1, (labels.of(query), labels.of(key[0] if key else value))
    if getattr(layer, "scale", None) is not None and len(layer.scale.shape) == 1:
        labels.weight(layer, layer.scale, 0, labels.along(call, query, last), Role.READS)
    others = len(call.inputs) > len({id(tensor) for tensor in call.args[0]})  # masks
    moved = any(label is not None and label.axis != last for label in (own, other, labels.of(value)))
    if own is None or other is None or moved or others:
        return barrier(call, labels, f"are compared by {title(layer)} with others that cannot be told")
    labels.tie(own.ids, other.ids)
    return [labels.of(value), *[None] * (len(call.outputs) - 1)]


def _keep(labels: ChannelLabels, tensor: Any, reason: str) -> None:
    label = labels.of(tensor)
    if label is not None:
        labels.keep(label.ids, reason)


_RECURRENT = (_L.SimpleRNN, _L.GRU, _L.LSTM)

_RULES: dict[type[keras.Layer], Rule] = PASSING | {
    _L.AdditiveAttention: _attention,
    _L.Attention: _attention,
    _L.Bidirectional: _bidirectional,
    _L.Dense: _dense,
    DoubleConv2D: _doubly_convolutional,
    _L.EinsumDense: _einsum_dense,
    _L.Embedding: _embedding,
    _L.MultiHeadAttention: _multi_head_attention,
    **dict.fromkeys((_L.Conv1D, _L.Conv2D, _L.Conv3D), _convolution),
    **dict.fromkeys((_L.Conv1DTranspose, _L.Conv2DTranspose, _L.Conv3DTranspose), _transposed_convolution),
    **dict.fromkeys((_L.DepthwiseConv1D, _L.DepthwiseConv2D), _depthwise_convolution),
    **dict.fromkeys((_L.SeparableConv1D, _L.SeparableConv2D), _separable_convolution),
    **dict.fromkeys(_RECURRENT, _recurrent),
}
