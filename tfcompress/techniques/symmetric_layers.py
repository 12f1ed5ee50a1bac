"""Which layers and operations keep the symmetry of what they read, read it out, or tell places apart."""

from typing import Any

import keras

from tfcompress.models.channel_passing import ELEMENTWISE_OPS, MERGING_OPS, is_elementwise

_L = keras.layers
WINDOWS = (_L.MaxPooling2D, _L.AveragePooling2D)
BORDERS = (_L.ZeroPadding2D, _L.Cropping2D)
_MERGING = (_L.Add, _L.Subtract, _L.Multiply, _L.Average, _L.Maximum, _L.Minimum)
_KEEPING = (
    *(_L.ReLU, _L.LeakyReLU, _L.ELU, _L.Identity, _L.UpSampling2D, _L.ActivityRegularization),
    *(_L.Dropout, _L.SpatialDropout2D, _L.AlphaDropout, _L.GaussianDropout, _L.GaussianNoise),
)
_READING_OUT = (
    *(_L.GlobalAveragePooling2D, _L.GlobalMaxPooling2D, _L.Flatten, _L.Reshape, _L.Dense, _L.Softmax, _L.Activation),
)
# `keras.ops` nodes are told by the names of their classes, which Keras keeps private.
_READING_OUT_OPS = {"Flatten", "Max", "Mean", "Reshape", "Softmax", "Sum"}


def keeps_symmetry(operation: keras.Operation) -> bool:
    """Whether an operation of one tensor does the same at every place and to every channel, or moves windows."""
    if isinstance(operation, _L.Activation):
        return is_elementwise(operation.activation)
    if isinstance(operation, keras.Layer):
        scaling = isinstance(operation, _L.Rescaling) and isinstance(operation.scale, (int, float))
        return scaling or isinstance(operation, (*_KEEPING, *WINDOWS, *BORDERS))
    return type(operation).__name__ in ELEMENTWISE_OPS


def merges(operation: keras.Operation) -> bool:
    """Whether an operation of several tensors keeps what stands side by side side by side."""
    if isinstance(operation, _L.Concatenate) or type(operation).__name__ == "Concatenate":
        return operation.axis in (-1, 3)
    return isinstance(operation, _MERGING) or type(operation).__name__ in MERGING_OPS


def reads_out(operation: keras.Operation) -> bool:
    """Whether an operation reads channels as channels, so that their orientations must be pooled before."""
    return isinstance(operation, _READING_OUT) or type(operation).__name__ in _READING_OUT_OPS


def normalizes_channels(operation: keras.Operation) -> bool:
    """Whether an operation is a batch norm of channels."""
    return isinstance(operation, _L.BatchNormalization) and operation.axis in (-1, 3)


def scales_channels(operation: keras.Operation) -> bool:
    """Whether an operation may scale each channel of an image on its own, the same at every place."""
    return normalizes_channels(operation) or isinstance(operation, (_L.Rescaling, _L.Normalization))


def reshapes(operation: keras.Operation) -> bool:
    """Whether an operation lays the values of each sample out in another shape."""
    return isinstance(operation, (_L.Flatten, _L.Reshape)) or type(operation).__name__ in ("Flatten", "Reshape")


def tells_places(operation: keras.Operation, before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    """Whether an operation that reads a map tells its places or its two axes apart, which a turn swaps.

    Args:
        operation: One that reads channels as channels.
        before: The shape of the map, (batch, height, width, channels).
        after: The shape of what the operation makes.
    """
    if before[1:3] == (1, 1):
        return False
    if reshapes(operation):
        return len(after) != 4 or after[1:3] != before[1:3]
    axes = getattr(operation, "axis", None)
    axes = () if axes is None else (axes,) if isinstance(axes, int) else axes
    return len({axis % len(before) for axis in axes} & {1, 2}) == 1
