"""How normalizations treat channels: their factors and statistics go with the channels."""

import keras
import numpy as np

from tfcompress.models.channel_labels import ChannelLabels, Label, Role, title
from tfcompress.models.graph import LayerCall


def normalized_by_batch(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """BatchNormalization; on another axis it leaves channels alone."""
    layer, tensor = call.operation, call.inputs[0]
    ids = labels.along(call, tensor, layer.axis % len(call.input_shape))
    _normalization_weights(labels, layer, 0, ids)
    for statistic in (layer.moving_mean, layer.moving_variance):
        labels.weight(layer, statistic, 0, ids, Role.SHIFTS)
    return [labels.of(tensor)]


def normalized_by_layer(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """LayerNormalization and RMSNormalization; the statistics become those of the channels that are left."""
    layer, tensor = call.operation, call.inputs[0]
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    for number, axis in enumerate(axes):
        _normalization_weights(labels, layer, number, labels.along(call, tensor, axis % len(call.input_shape)))
    return [labels.of(tensor)]


def normalized_by_group(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """Each group loses the same places; with one channel to a group, groups go with their channels."""
    layer, label = call.operation, labels.of(call.inputs[0])
    axis = layer.axis % len(call.input_shape)
    if label is not None and label.axis != axis:
        labels.keep(label.ids, f"lie on an axis that {title(layer)} does not group")
    ids = labels.along(call, call.inputs[0], axis)
    if layer.groups in (-1, ids.size):
        labels.setting(layer, "groups", ids)
    else:
        places = ids.reshape(layer.groups, -1)
        labels.tie(places, np.broadcast_to(places[0], places.shape))
    _normalization_weights(labels, layer, 0, ids)
    return [label]


def _normalization_weights(labels: ChannelLabels, layer: keras.Layer, axis: int, ids: np.ndarray) -> None:
    for name, role in (("gamma", Role.SCALES), ("scale", Role.SCALES), ("beta", Role.SHIFTS)):
        weight = getattr(layer, name, None)  # `scale` is a weight in RMSNormalization and a flag in others
        if isinstance(weight, keras.Variable):
            labels.weight(layer, weight, axis, ids, role)
