"""How normalizations treat channels: their factors and statistics go with the channels."""

import keras
import numpy as np

from tfcompress.models.channel_labels import ChannelLabels, Label, Role, title
from tfcompress.models.graph import LayerCall


def normalized_by_batch(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """BatchNormalization; on another axis it leaves channels alone."""
    layer, label = call.operation, labels.of(call.inputs[0])
    if label is not None and layer.axis % len(call.input_shape) == label.axis:
        _normalization_weights(labels, layer, 0, label)
        for statistic in (layer.moving_mean, layer.moving_variance):
            labels.weight(layer, statistic, 0, label.ids, Role.SHIFTS)
    return [label]


def normalized_by_layer(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """LayerNormalization and RMSNormalization; the statistics become those of the channels that are left."""
    layer, label = call.operation, labels.of(call.inputs[0])
    if label is None:
        return [None]
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    axes = [axis % len(call.input_shape) for axis in axes]
    if label.axis in axes:
        _normalization_weights(labels, layer, axes.index(label.axis), label)
    return [label]


def normalized_by_group(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """Each group loses the same places; with one channel to a group, groups go with their channels."""
    layer, label = call.operation, labels.of(call.inputs[0])
    if label is None:
        return [None]
    if layer.axis % len(call.input_shape) != label.axis:
        labels.keep(label.ids, f"lie on an axis that {title(layer)} does not group")
        return [label]
    if layer.groups in (-1, label.ids.size):
        labels.setting(layer, "groups", label.ids)
    else:
        places = label.ids.reshape(layer.groups, -1)
        labels.tie(places, np.broadcast_to(places[0], places.shape))
    _normalization_weights(labels, layer, 0, label)
    return [label]


def _normalization_weights(labels: ChannelLabels, layer: keras.Layer, axis: int, label: Label) -> None:
    for name, role in (("gamma", Role.SCALES), ("scale", Role.SCALES), ("beta", Role.SHIFTS)):
        weight = getattr(layer, name, None)  # `scale` is a weight in RMSNormalization and a flag in others
        if isinstance(weight, keras.Variable):
            labels.weight(layer, weight, axis, label.ids, role)
