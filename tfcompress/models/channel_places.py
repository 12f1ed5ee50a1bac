"""How layers and operations that arrange values in other shapes treat channels: reshaped, moved, picked, divided."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from tfcompress.models.channel_labels import ChannelLabels, Label, barrier, title
from tfcompress.models.graph import LayerCall

_L = keras.layers
Rule = Callable[[LayerCall, ChannelLabels], list[Label | None]]


def _moved(call: LayerCall, labels: ChannelLabels, order: list[int]) -> list[Label | None]:
    label = labels.of(call.inputs[0])
    return [None if label is None else Label(order.index(label.axis), label.ids)]


def _transposed(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    if call.operation.axes is None:
        return barrier(call, labels, f"change places with the batch in {title(call.operation)}")
    return _moved(call, labels, [axis % len(call.input_shape) for axis in call.operation.axes])


def _permuted(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    return _moved(call, labels, [0, *call.operation.dims])


def _repeated(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    label = labels.of(call.inputs[0])
    return [None if label is None else Label(2, label.ids)]


def _reshaped(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """Flatten and Reshape: each entry takes its id along; the last axis over which ids vary has the channels.

    Where channels were divided over several axes, those in one place of the last go together.
    """
    operation, label = call.operation, labels.of(call.inputs[0])
    before, after = call.input_shape[1:], call.output_shape[1:]
    if label is None or None in before or None in after or call.output_shape[0] != call.input_shape[0]:
        _sizes_of_shape(operation, labels)
        return barrier(call, labels, f"reach {title(operation)} with an open size, or with the batch among others")
    along = [1] * len(before)
    along[label.axis - 1] = -1
    grid = np.broadcast_to(label.ids.reshape(along), before)
    if getattr(operation, "data_format", "channels_last") == "channels_first":  # Flatten moves channels to the end
        grid = np.moveaxis(grid, 0, -1)
    grid = grid.reshape(after)
    varying = [axis for axis in range(grid.ndim) if (grid != grid.take([0], axis)).any()]
    axis = varying[-1] if varying else grid.ndim - 1
    rows = np.moveaxis(grid, axis, -1).reshape(-1, after[axis])
    if len(varying) > 1:
        labels.tie(rows, np.broadcast_to(rows[0], rows.shape))
    _sizes_of_shape(operation, labels, axis, rows[0])
    return [Label(axis + 1, rows[0])]


def _sizes_of_shape(
    operation: keras.Operation, labels: ChannelLabels, axis: int = 0, ids: np.ndarray | None = None
) -> None:
    """Says which size in the setting of a Reshape is the number of some ids; axes are those of one sample."""
    if isinstance(operation, _L.Flatten):
        return
    is_layer = isinstance(operation, _L.Reshape)
    sizes: list[Any] = list(operation.target_shape if is_layer else operation.newshape)
    place = axis if is_layer else axis + 1
    if ids is not None and sizes[place] != -1:
        sizes[place] = ids
    labels.setting(operation, "target_shape" if is_layer else "newshape", *sizes)


def _squeezed(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    rank, given = len(call.input_shape), call.operation.axis
    gone = range(rank) if given is None else [axis % rank for axis in _axes(given)]
    return _arranged(call, labels, [axis for axis in range(rank) if axis not in gone])


def _expanded(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    rank, old = len(call.output_shape), iter(range(len(call.input_shape)))
    new = [axis % rank for axis in _axes(call.operation.axis)]
    return _arranged(call, labels, [None if axis in new else next(old) for axis in range(rank)])


def _indexed(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """`x[:, None, 0, 1:]`: new axes, and places picked along axes that have no channels."""
    label, rank, key = labels.of(call.inputs[0]), len(call.input_shape), call.argument("key")
    key = key if isinstance(key, tuple) else (key,)
    known = all(entry is None or entry is Ellipsis or type(entry) in (int, slice) for entry in key)
    if label is None or not known:
        return barrier(call, labels, f"are picked by {title(call.operation)}")
    rest = [slice(None)] * (rank - sum(type(entry) in (int, slice) for entry in key))
    dots = key.index(Ellipsis) if Ellipsis in key else len(key)
    axes: list[int | None] = []
    old = 0
    for entry in (*key[:dots], *rest, *key[dots + 1 :]):
        if entry is None:
            axes.append(None)
            continue
        if old in (0, label.axis) and entry != slice(None):
            return barrier(call, labels, f"are picked by {title(call.operation)}")
        if isinstance(entry, slice):
            axes.append(old)
        old += 1
    return _arranged(call, labels, axes)


def _arranged(call: LayerCall, labels: ChannelLabels, axes: Sequence[int | None]) -> list[Label | None]:
    """The label where each axis of the output is one of the input, or new; the batch must stay in front."""
    label = labels.of(call.inputs[0])
    if label is None or axes[:1] != [0] or label.axis not in axes:
        return barrier(call, labels, f"lie on an axis that {title(call.operation)} takes away")
    return [Label(axes.index(label.axis), label.ids)]


def _divided(call: LayerCall, labels: ChannelLabels) -> list[Label | None]:
    """Split into equal parts: along the channels all parts lose the same places."""
    operation, label, parts = call.operation, labels.of(call.inputs[0]), len(call.outputs)
    if label is None or operation.axis % len(call.input_shape) != label.axis:
        return [label] * parts
    if not isinstance(operation.indices_or_sections, int):
        return barrier(call, labels, f"are divided at fixed places by {title(operation)}")
    places = label.ids.reshape(parts, -1)
    labels.tie(places, np.broadcast_to(places[0], places.shape))
    return [Label(label.axis, own) for own in places]


def _axes(given: int | Sequence[int]) -> Sequence[int]:
    return (given,) if isinstance(given, int) else given


ARRANGING: dict[type[keras.Layer], Rule] = {
    _L.Flatten: _reshaped,
    _L.Permute: _permuted,
    _L.RepeatVector: _repeated,
    _L.Reshape: _reshaped,
}
"""The rules by layer class."""

ARRANGING_OPS: dict[str, Rule] = {
    "ExpandDims": _expanded,
    "GetItem": _indexed,
    "Reshape": _reshaped,
    "Split": _divided,
    "Squeeze": _squeezed,
    "Transpose": _transposed,
}
"""The rules of `keras.ops` nodes by the names of their classes, which Keras keeps private."""
