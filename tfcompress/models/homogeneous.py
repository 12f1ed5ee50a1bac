"""Which operations hand a positive factor on: f(s x) = s f(x) for every s > 0, channel by channel."""

from collections.abc import Callable
from typing import Any

import keras

from tfcompress.models.graph import LayerCall

_L = keras.layers
_ABSENT = (_L.Dropout, _L.SpatialDropout1D, _L.SpatialDropout2D, _L.SpatialDropout3D, _L.Identity)
SHIFTABLE = (
    *_ABSENT,
    *(_L.Flatten, _L.GlobalAveragePooling1D, _L.GlobalAveragePooling2D, _L.GlobalMaxPooling1D, _L.GlobalMaxPooling2D),
)
"""Of a constant on each channel these give the same constant."""
_HOMOGENEOUS = (
    *SHIFTABLE,
    *(_L.AveragePooling1D, _L.AveragePooling2D, _L.AveragePooling3D, _L.MaxPooling1D, _L.MaxPooling2D, _L.MaxPooling3D),
    *(_L.Cropping1D, _L.Cropping2D, _L.Cropping3D, _L.UpSampling1D, _L.UpSampling2D, _L.UpSampling3D),
    *(_L.ZeroPadding1D, _L.ZeroPadding2D, _L.ZeroPadding3D, _L.GlobalAveragePooling3D, _L.GlobalMaxPooling3D),
    *(_L.Add, _L.Average, _L.Concatenate, _L.Maximum, _L.Minimum, _L.Subtract),
    *(_L.LeakyReLU, _L.PReLU, _L.Permute, _L.RepeatVector, _L.Reshape),
)
# `keras.ops` nodes are told by the names of their classes, which Keras keeps private.
_HOMOGENEOUS_OPS = {"Add", "Concatenate", "Identity", "LeakyRelu", "Maximum", "Mean", "Minimum", "Relu", "Subtract"}
_HOMOGENEOUS_ACTIVATIONS = (keras.activations.linear, keras.activations.relu, keras.activations.leaky_relu)


def is_relu(operation: keras.Operation) -> bool:
    """Whether an operation is max(x, 0) and nothing else."""
    if isinstance(operation, _L.ReLU):
        return operation.max_value is None and not operation.negative_slope and not operation.threshold
    if type(operation) is _L.Activation:
        return operation.activation is keras.activations.relu
    return not isinstance(operation, keras.Layer) and type(operation).__name__ == "Relu"


def is_homogeneous_activation(activation: Callable[..., Any]) -> bool:
    """Whether an activation hands a positive factor on.

    Example:
        >>> is_homogeneous_activation(keras.activations.relu), is_homogeneous_activation(keras.activations.relu6)
        (True, False)
    """
    return any(activation is known for known in _HOMOGENEOUS_ACTIVATIONS)


def is_homogeneous(call: LayerCall) -> bool:
    """Whether an operation hands a positive scale on, all of its operands being tensors of the graph."""
    operation = call.operation
    if isinstance(operation, _L.ReLU):
        return operation.max_value is None and not operation.threshold
    if type(operation) is _L.Activation:
        return is_homogeneous_activation(operation.activation)
    if isinstance(operation, keras.Layer):
        return type(operation) in _HOMOGENEOUS
    constants = [
        item
        for item in keras.tree.flatten([list(call.args), dict(call.kwargs)])
        if not isinstance(item, keras.KerasTensor) and (hasattr(item, "shape") or isinstance(item, (int, float)))
    ]
    return type(operation).__name__ in _HOMOGENEOUS_OPS and not constants
