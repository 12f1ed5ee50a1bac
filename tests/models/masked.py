"""The other way to remove channels: the whole model, with zeros wherever a removed channel stands or is read inside."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tfcompress.models.channel_labels import Label, Role
from tfcompress.models.channels import Channels
from tfcompress.models.surgery import rebuild

L = keras.layers


def masked(model: keras.Model, found: Channels, kept: Sequence[np.ndarray]) -> keras.Model:
    """A model of the same shapes as `model`, in which the channels that are not kept are zero after every operation.

    Layer and group norms, whose statistics depend on how many channels there are, leave the zeros out of them.
    """
    stays = np.ones(len(found.classes), bool)
    for group, numbers in zip(found.groups, kept, strict=True):
        stays[group.classes] = False
        stays[group.classes[numbers]] = True
    calls: dict[int, list[Any]] = {}
    for call in found.calls:
        calls.setdefault(id(call.operation), []).append(call)
    seen: dict[int, int] = {}
    clones: dict[int, tuple[keras.Layer, keras.Layer]] = {}

    def replace(clone: keras.Layer, source: keras.Layer) -> keras.Layer:
        clones[id(source)] = source, clone
        label = found.labels.of(calls[id(source)][0].inputs[0])
        if label is not None and isinstance(source, (L.LayerNormalization, L.RMSNormalization, L.GroupNormalization)):
            return NormOfSome(source, stays[found.classes[label.ids]], label.axis)
        return clone

    def after(operation: keras.Operation, output: Any) -> Any:
        if isinstance(operation, L.InputLayer):
            return output
        number = seen.get(id(operation), 0)
        seen[id(operation)] = number + 1
        call = calls[id(operation)][number % len(calls[id(operation)])]  # a nested model is rebuilt once, called often
        labels = [found.labels.of(tensor) for tensor in call.outputs]
        outputs = [
            tensor if label is None else zeroed(tensor, label, stays[found.classes[label.ids]])
            for tensor, label in zip(keras.tree.flatten(output), labels, strict=True)
        ]
        return keras.tree.pack_sequence_as(output, outputs)

    result = rebuild(model, replace, after)
    for weight in found.labels.weights.values():
        if weight.role is Role.WITHIN:
            source, clone = clones[id(weight.layer)]
            position = [id(variable) for variable in source.weights].index(id(weight.variable))
            values = np.moveaxis(weight.variable.numpy().copy(), weight.axis, 0)
            values[~stays[found.classes[weight.ids]]] = 0
            clone.weights[position].assign(np.moveaxis(values, 0, weight.axis))
    return result


def zeroed(tensor: Any, label: Label, stays: np.ndarray) -> Any:
    """A tensor with zeros in the entries that do not stay."""
    shape = [1] * len(tensor.shape)
    shape[label.axis] = -1
    return tensor * stays.astype("float32").reshape(shape)


class NormOfSome(keras.layers.Layer):
    """What a layer, RMS or group norm computes, with statistics over the channels that stay."""

    def __init__(self, source: keras.Layer, stays: np.ndarray, axis: int) -> None:
        super().__init__()
        self.source, self.stays, self.axis = source, stays, axis

    def call(self, inputs: Any) -> Any:
        """Normalizes in a shape (batch, ..., groups, channels of a group)."""
        rank, source = len(inputs.shape), self.source
        groups = getattr(source, "groups", 1)
        x = keras.ops.moveaxis(inputs, self.axis, -1)
        moved = keras.ops.shape(x)
        x = keras.ops.reshape(x, (*moved[:-1], groups, -1))
        present = self.stays.reshape(groups, -1).astype("float32")
        axes = (*range(1, rank - 1), rank) if isinstance(source, L.GroupNormalization) else (rank,)
        # The places of one map count as often as there are, the channels as those that stay.
        weights = keras.ops.broadcast_to(present, keras.ops.shape(x))
        total = keras.ops.sum(weights, axes, keepdims=True)
        mean = keras.ops.sum(x * weights, axes, keepdims=True) / keras.ops.maximum(total, 1.0)
        if isinstance(source, L.RMSNormalization):
            mean = 0.0
        variance = keras.ops.sum((x - mean) ** 2 * weights, axes, keepdims=True) / keras.ops.maximum(total, 1.0)
        x = keras.ops.reshape((x - mean) / keras.ops.sqrt(variance + source.epsilon), moved)
        scale = source.scale if isinstance(source, L.RMSNormalization) else source.gamma
        x = x if scale is None else x * np.ravel(scale)
        x = x if getattr(source, "beta", None) is None else x + np.ravel(source.beta)
        return keras.ops.moveaxis(x, -1, self.axis)

    def compute_output_shape(self, shape: Any) -> Any:
        """The shape of the input."""
        return shape
