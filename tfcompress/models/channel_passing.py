"""How layers and operations without kernels treat channels: handed on, merged, moved, normalized, or stopped."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tfcompress.layers import CReLU
from tfcompress.models.channel_labels import ChannelLabels, Label, Role, barrier, title
from tfcompress.models.channel_norms import normalized_by_batch, normalized_by_group, normalized_by_layer
from tfcompress.models.channel_places import ARRANGING, ARRANGING_OPS
from tfcompress.models.graph import LayerCall

_L = keras.layers
Rule = Callable[[LayerCall, ChannelLabels], list[Label | None]]

_COMPARING_ACTIVATIONS = {"glu", "log_softmax", "softmax", "sparsemax", "sparse_max"}

# `keras.ops` nodes are told by the names of their classes, which Keras keeps private.
ELEMENTWISE_OPS = {
    *("Absolute", "Cast", "Celu", "Ceil", "Clip", "Cos", "Elu", "Erf", "Exp", "Expm1", "Floor", "Gelu", "HardSigmoid"),
    *("HardSilu", "HardTanh", "Identity", "LeakyRelu", "Log", "Log1p", "LogSigmoid", "Negative", "Reciprocal", "Relu"),
    *("Relu6", "Round", "Rsqrt", "Selu", "Sigmoid", "Sign", "Silu", "Sin", "Softplus", "Softsign", "Sqrt", "Square"),
    *("StopGradient", "Tanh"),
}
MERGING_OPS = {"Add", "Divide", "Maximum", "Minimum", "Multiply", "Power", "Subtract", "TrueDivide"}
_REDUCING_OPS = {"Amax", "Amin", "Max", "Mean", "Min", "Std", "Sum", "Var"}


def channel_axis(layer: keras.Layer, rank: int) -> int:
    """The channel axis that a layer's data format names, the batch counted as 0."""
    return 1 if getattr(layer, "data_format", "channels_last") == "channels_first" else rank - 1


def is_elementwise(activation: Any) -> bool:
    """Whether an activation is known to compute each value from itself alone.

    Example:
        >>> is_elementwise(keras.activations.relu), is_elementwise(keras.activations.softmax)
        (True, False)
    """
    if isinstance(activation, keras.Layer):
        return isinstance(activation, _ELEMENTWISE)
    name = getattr(activation, "__name__", "")
    return getattr(keras.activations, name, None) is activation and name not in _COMPARING_ACTIVATIONS


def operation_rule(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """The labels of a `keras.ops` node's outputs."""
    operation, name = call.operation, type(call.operation).__name__
    if name in ELEMENTWISE_OPS:
        return _handed_on(call, labels)
    if name in MERGING_OPS:
        return _merged(call, labels)
    if name == "Concatenate":
        return _concatenated(call, labels)
    if name in _REDUCING_OPS:
        return _reduced(call, labels)
    if name in ARRANGING_OPS:
        return ARRANGING_OPS[name](call, labels)
    return barrier(call, labels, f"reach {title(operation)}, for which there is no rule")


def applications_rule(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """The rules of layers that some models of `keras.applications` define for themselves; others have none."""
    operation = call.operation
    if ".applications." in type(operation).__module__:
        name = type(operation).__name__
        if name == "StochasticDepth":
            return _handed_on(call, labels)
        if name == "CustomScaleLayer":  # a + scale * b
            return _merged(call, labels)
        if name == "LayerScale":
            ids = labels.along(call, call.inputs[0], len(call.output_shape) - 1)
            labels.weight(operation, operation.gamma, 0, ids, Role.SCALES)
            labels.setting(operation, "projection_dim", ids)
            return _handed_on(call, labels)
    return barrier(call, labels, f"reach {title(operation)}, for which there is no rule")


def _handed_on(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    return [labels.of(call.inputs[0])]


def _activation(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    if not is_elementwise(call.operation.activation):
        _compared(call, labels)
    return _handed_on(call, labels)


def _softmax(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    axes, label = call.operation.axis, labels.of(call.inputs[0])
    axes = [axis % len(call.input_shape) for axis in ([axes] if isinstance(axes, int) else axes)]
    if label is not None and label.axis in axes:
        _compared(call, labels)
    return [label]


def _compared(call: LayerCall, labels: ChannelLabels) -> None:
    """Keeps channels of which each changes the others; they go on, as far as the model's output."""
    barrier(call, labels, f"are compared with each other by {title(call.operation)}")


def _rescaling(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    if np.ndim(call.operation.scale) == np.ndim(call.operation.offset) == 0:
        return _handed_on(call, labels)
    return barrier(call, labels, f"have each a scale of its own in {title(call.operation)}")


def _spatial(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """Pooling, padding, cropping, upsampling: all work on the axes that are no channels."""
    label, axis = labels.of(call.inputs[0]), channel_axis(call.operation, len(call.input_shape))
    if label is None or label.axis == axis:
        return [label]
    return barrier(call, labels, f"lie on an axis that {title(call.operation)} changes")


def _global_pooling(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    label = _spatial(call, labels)[0]
    if label is None or call.operation.keepdims:
        return [label]
    return [Label(1, label.ids)]


def _reduced(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    operation, label, rank = call.operation, labels.of(call.inputs[0]), len(call.input_shape)
    if label is None:
        return [None]
    axes = range(rank) if operation.axis is None else [axis % rank for axis in operation.axis]
    if label.axis in axes:
        return barrier(call, labels, f"are merged into one by {title(operation)}")
    shift = 0 if operation.keepdims else sum(axis < label.axis for axis in axes)
    return [Label(label.axis - shift, label.ids)]


def _merged(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """Sums, products and the like: entries that meet are tied; a single one may meet all of another's."""
    rank, is_layer = len(call.output_shape), isinstance(call.operation, keras.Layer)
    given = [(tensor, labels.of(tensor)) for tensor in call.inputs]
    axes = set()
    for tensor, label in given:
        missing = rank - len(tensor.shape)
        if missing and not is_layer and len(tensor.shape):  # numpy's rule would lay its batch over another axis
            return barrier(call, labels, f"meet a tensor of another rank in {title(call.operation)}")
        if label is not None:
            # A merging layer puts new axes behind the batch.
            axes.add((label.axis + missing, label.ids.size > 1))
    wide = {axis for axis, several in axes if several} or {axis for axis, _ in axes}
    if not wide:
        return [None]
    if len(wide) > 1 or _spreads(call, wide):
        return barrier(call, labels, f"meet others, or constants, along another axis in {title(call.operation)}")
    axis = wide.pop()
    size = call.output_shape[axis]
    known = [label.ids for _, label in given if label is not None and label.ids.size == size]
    for tensor, label in given:
        own = axis - (rank - len(tensor.shape))
        if label is not None and label.ids.size == size:
            labels.tie(known[0], label.ids)
        elif label is not None:
            labels.keep(label.ids, f"are spread over all channels by {title(call.operation)}")
        elif own > 0 and tensor.shape[own] != 1:
            labels.keep(known[0], f"meet a tensor without channels in {title(call.operation)}")
    return [Label(axis, known[0])]


def _spreads(call: LayerCall, axes: set[int]) -> bool:
    """Whether a constant among the arguments has a value for each entry of the channel axis."""
    rank = len(call.output_shape)
    for value in keras.tree.flatten([list(call.args), dict(call.kwargs)]):
        if isinstance(value, keras.KerasTensor) or not hasattr(value, "shape"):
            continue
        padded = (1,) * (rank - len(value.shape)) + tuple(value.shape)
        if any(padded[axis] != 1 for axis in axes):
            return True
    return False


def _concatenated(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    axis = call.operation.axis % len(call.output_shape)
    found = [labels.of(tensor) for tensor in call.inputs]
    axes = {label.axis for label in found if label is not None}
    if not axes:
        return [None]
    sizes = [tensor.shape[axis] for tensor in call.inputs]
    if axes == {axis} and None not in sizes:
        reason = f"stand beside channels that cannot be told in {title(call.operation)}"
        parts = [
            labels.kept(size, reason) if label is None else label.ids for size, label in zip(sizes, found, strict=True)
        ]
        return [Label(axis, np.concatenate(parts))]
    known = [label for label in found if label is not None]
    if len(axes) == 1 and axis not in axes and len(known) == len(found):
        for label in known[1:]:
            labels.tie(known[0].ids, label.ids)
        return [known[0]]
    return barrier(call, labels, f"meet others along another axis in {title(call.operation)}")


def _both_parts(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """CReLU: each channel is there twice, one half of the channels behind the other."""
    label = labels.of(call.inputs[0])
    if label is None or label.axis != len(call.input_shape) - 1:
        return [label]
    return [Label(label.axis, np.concatenate([label.ids, label.ids]))]


def _prelu(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    layer, tensor = call.operation, call.inputs[0]
    for axis, size in enumerate(layer.alpha.shape):
        if size > 1:
            labels.weight(layer, layer.alpha, axis, labels.along(call, tensor, axis + 1), Role.SHIFTS)
    return [labels.of(tensor)]


_ELEMENTWISE = (
    *(
        _L.ActivityRegularization,
        _L.AlphaDropout,
        _L.Dropout,
        _L.ELU,
        _L.GaussianDropout,
        _L.GaussianNoise,
        _L.Identity,
    ),
    *(_L.LeakyReLU, _L.ReLU, _L.SpatialDropout1D, _L.SpatialDropout2D, _L.SpatialDropout3D),
)
_SPATIAL = (
    *(_L.AveragePooling1D, _L.AveragePooling2D, _L.AveragePooling3D, _L.MaxPooling1D, _L.MaxPooling2D, _L.MaxPooling3D),
    *(_L.Cropping1D, _L.Cropping2D, _L.Cropping3D, _L.UpSampling1D, _L.UpSampling2D, _L.UpSampling3D),
    *(_L.ZeroPadding1D, _L.ZeroPadding2D, _L.ZeroPadding3D),
)
_GLOBAL_POOLING = (
    *(_L.GlobalAveragePooling1D, _L.GlobalAveragePooling2D, _L.GlobalAveragePooling3D),
    *(_L.GlobalMaxPooling1D, _L.GlobalMaxPooling2D, _L.GlobalMaxPooling3D),
)
_MERGING = (_L.Add, _L.Average, _L.Maximum, _L.Minimum, _L.Multiply, _L.Subtract)

PASSING: dict[type[keras.Layer], Rule] = ARRANGING | {
    _L.Activation: _activation,
    _L.BatchNormalization: normalized_by_batch,
    _L.Concatenate: _concatenated,
    CReLU: _both_parts,
    _L.GroupNormalization: normalized_by_group,
    _L.LayerNormalization: normalized_by_layer,
    _L.PReLU: _prelu,
    _L.RMSNormalization: normalized_by_layer,
    _L.Rescaling: _rescaling,
    _L.Softmax: _softmax,
    **dict.fromkeys(_ELEMENTWISE, _handed_on),
    **dict.fromkeys(_GLOBAL_POOLING, _global_pooling),
    **dict.fromkeys(_MERGING, _merged),
    **dict.fromkeys(_SPATIAL, _spatial),
}
"""The rules by layer class."""
