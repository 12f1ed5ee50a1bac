"""A smaller model of the same family, made from a model's own graph: fewer channels, fewer repeated blocks."""

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfcompress.errors import ModelError, TfCompressWarning
from tfcompress.models.channels import channel_groups
from tfcompress.models.graph import LayerCall, graph_of, input_layers, is_model, trace
from tfcompress.models.narrowing import narrow, newly_initialized
from tfcompress.models.surgery import flatten, rebuild


def student(model: keras.Model, width: float = 0.5, depth: float = 0.5, round_to: int = 8) -> keras.Model:
    """Makes a student for a teacher: the teacher's architecture, narrower and shallower, newly initialized.

    Channels that belong together stay together (`tfc.channel_groups`), so residual sums and depthwise convolutions keep
    fitting. Of blocks that follow one another, are built alike, and give the shape that they take, a share is left out:
    convolutions of a plain network, residual blocks, layers of a transformer. Inputs and outputs keep their shapes.

    Args:
        model: A Functional or Sequential model. It is not changed.
        width: The share of channels to keep in each group, in (0, 1].
        depth: The share of each run of repeated blocks to keep, in (0, 1]; one block always stays.
        round_to: What the number of channels is rounded to a multiple of, from 1.

    Returns:
        The student, uncompiled. Nested models are dissolved where blocks are left out.

    Raises:
        ModelError: A setting is out of range, or there is nothing that can be made smaller.
        UnsupportedLayerError: A layer cannot be made again from its config.

    Warns:
        TfCompressWarning: `depth` is below 1 and no block is repeated, or `width` is below 1 and no channel can be left
            out of what remains.

    Example:
        >>> blocks = [keras.layers.Dense(32, activation="relu", name=f"block{number}") for number in range(4)]
        >>> head = keras.layers.Dense(3, name="head")
        >>> teacher = keras.Sequential([keras.Input((5,)), keras.layers.Dense(32, name="stem"), *blocks, head])
        >>> [(layer.name, layer.units) for layer in student(teacher).layers[1:]]
        [('stem', 16), ('block0', 16), ('block1', 16), ('head', 3)]
    """
    for name, share in (("width", width), ("depth", depth)):
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise ModelError(f"student: {name} must be a share in (0, 1], not {share!r}.")
    shallow, dropped = _shallower(model, depth) if depth < 1 else (model, 0)
    if not dropped:
        shallow = model
        if depth < 1:
            _warn(f"the model '{model.name}' has no repeated blocks to leave out, so its depth stays.")
    if width == 1:
        return newly_initialized(shallow)
    if dropped and not (found := channel_groups(shallow)).groups:
        reasons = "; ".join(found.reasons)
        _warn(f"the model '{model.name}' has no channels that can be left out, so its width stays: {reasons}.")
        return newly_initialized(shallow)
    return narrow(shallow, width, round_to)


def _warn(text: str) -> None:
    warnings.warn(f"student: {text}", TfCompressWarning, stacklevel=3)


@dataclass(frozen=True)
class _Segment:
    """A part of a graph between two places at which one tensor carries everything.

    Attributes:
        calls: The calls in it.
        start: The tensor that goes in.
        end: The tensor that comes out.
        signature: How it is built, without names; None where it must stay.
    """

    calls: tuple[LayerCall, ...]
    start: Any
    end: Any
    signature: str | None


def _shallower(model: keras.Model, depth: float) -> tuple[keras.Model, int]:
    """The model without a share of its repeated blocks, and how many were left out."""
    graph = graph_of(model)
    if any(is_model(operation) for operation in graph.operations):
        graph = graph_of(flatten(model))
    calls, outputs = trace(graph, graph.inputs)
    segments = _segments(calls, outputs, graph.inputs)
    makers = {id(tensor): call.operation for call in calls for tensor in call.outputs}
    makers |= {id(tensor): layer for tensor, layer in zip(graph.inputs, input_layers(graph), strict=True)}
    shortcuts: dict[int, keras.Operation] = {}
    for run in _runs(segments):
        for block in run[max(1, round(depth * len(run))) :]:
            shortcuts[id(block[-1].calls[-1].operation)] = makers[id(block[0].start)]
    seen: dict[int, Any] = {}

    def after(source: keras.Operation, output: Any) -> Any:
        # A block that is left out is still called, and is no part of the model, since nothing reads what it gives.
        begun = shortcuts.get(id(source))
        seen[id(source)] = output if begun is None else seen[id(begun)]
        return seen[id(source)]

    return rebuild(graph, after=after), len(shortcuts)


def _segments(calls: Sequence[LayerCall], outputs: Sequence[Any], inputs: Sequence[Any]) -> list[_Segment]:
    """The graph cut wherever a single tensor is all that the rest of it reads."""
    last_read = {id(tensor): len(calls) for tensor in outputs}
    for place, call in reversed(list(enumerate(calls))):
        for tensor in call.inputs:
            last_read.setdefault(id(tensor), place)
    uses = Counter(id(call.operation) for call in calls)
    segments: list[_Segment] = []
    live, start, begun = {id(tensor): tensor for tensor in inputs}, None, 0
    if len(live) == 1:
        start = inputs[0]
    for place, call in enumerate(calls):
        live |= {id(tensor): tensor for tensor in call.outputs}
        live = {key: tensor for key, tensor in live.items() if last_read.get(key, -1) > place}
        if len(live) == 1:
            (end,) = live.values()
            part = tuple(calls[begun : place + 1])
            if start is not None and part and any(end is tensor for tensor in part[-1].outputs):
                segments.append(_Segment(part, start, end, _signature(part, start, uses)))
            start, begun = end, place + 1
    return segments


def _signature(calls: Sequence[LayerCall], start: Any, uses: Counter[int]) -> str | None:
    """How a segment is built: each call's type, settings, and where its inputs come from."""
    if any(uses[id(call.operation)] > 1 or len(call.outputs) > 1 for call in calls):
        return None
    places = {id(start): -1} | {id(call.outputs[0]): place for place, call in enumerate(calls)}
    parts = []
    for call in calls:
        config = call.operation.get_config() if isinstance(call.operation, keras.Layer) else {}
        settings = {key: value for key, value in config.items() if key not in ("name", "seed")}
        read = [places[id(tensor)] for tensor in call.inputs]
        other = "" if isinstance(call.operation, keras.Layer) else repr(_constants(call))
        parts.append([type(call.operation).__name__, settings, read, other])
    return json.dumps(parts, sort_keys=True, default=repr)


def _constants(call: LayerCall) -> list[Any]:
    """What a `keras.ops` node was called with besides tensors."""
    flat = keras.tree.flatten([list(call.args), dict(call.kwargs)])
    return [value for value in flat if not isinstance(value, keras.KerasTensor)]


def _runs(segments: Sequence[_Segment]) -> list[list[Sequence[_Segment]]]:
    """Runs of blocks, each of one or more segments, that are built alike and give the shape that they take."""
    runs, place = [], 0
    while place < len(segments):
        blocks = _longest(segments, place)
        if len(blocks) > 1:
            runs.append(blocks)
        place += sum(len(block) for block in blocks)
    return runs


def _longest(segments: Sequence[_Segment], place: int) -> list[Sequence[_Segment]]:
    """The blocks that repeat from a place on, for the shortest block that does; one segment where none does."""
    for length in range(1, (len(segments) - place) // 2 + 1):
        block = segments[place : place + length]
        built = [segment.signature for segment in block]
        weights = any(call.operation.weights for part in block for call in part.calls if _has_weights(call))
        if None in built or not weights or tuple(block[0].start.shape) != tuple(block[-1].end.shape):
            continue
        blocks, following = [block], place + length
        while [segment.signature for segment in segments[following : following + length]] == built:
            blocks.append(segments[following : following + length])
            following += length
        if len(blocks) > 1:
            return blocks
    return [segments[place : place + 1]]


def _has_weights(call: LayerCall) -> bool:
    return isinstance(call.operation, keras.Layer)
