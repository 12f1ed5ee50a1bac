"""Which channels of which layers must be removed together: groups, found from the graph of a model alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import keras
import numpy as np

from tfcompress.models.channel_labels import ChannelLabels, Label, Role, WeightLabel, title
from tfcompress.models.channel_rules import follow
from tfcompress.models.graph import LayerCall, graph_of, input_layers, trace

INPUT, OUTPUT = "are the model's input", "are the model's output"
"""The reasons why channels are kept that need no saying."""

_MOST_INDICES = 3


@dataclass(frozen=True, eq=False)
class Slice:
    """What a group has in one weight: for each of its channels the entries along one axis.

    Attributes:
        layer: The layer whose weight it is.
        variable: The weight.
        axis: The axis.
        role: What the entries do with the channel.
        indices: (channels, entries): the places along the axis that go with each channel.
    """

    layer: keras.Layer
    variable: keras.Variable
    axis: int
    role: Role
    indices: np.ndarray

    def rows(self) -> np.ndarray:
        """The values of each channel: (channels, values)."""
        return self.of(self.variable.numpy())

    def of(self, values: np.ndarray) -> np.ndarray:
        """The entries of each channel in an array of the weight's shape, such as its gradient: (channels, values)."""
        taken = np.moveaxis(values, self.axis, 0)[self.indices]
        return taken.reshape(len(self.indices), -1)


@dataclass(frozen=True, eq=False)
class ChannelGroup:
    """Channels that go one by one, each of them everywhere at once; `print(group)` says what goes with the first.

    Attributes:
        name: The layer that makes the channels, the first of them where several do.
        channels: How many there are.
        slices: What they have in weights, in the order of the graph.
        classes: The name of each channel in the labels of the graph.
    """

    name: str
    channels: int
    slices: tuple[Slice, ...]
    classes: np.ndarray
    _trail: tuple[tuple[keras.Operation, np.ndarray], ...] = field(repr=False)

    @property
    def layers(self) -> tuple[keras.Layer, ...]:
        """The layers that make the channels, each once."""
        return tuple({id(item.layer): item.layer for item in self.slices if item.role is Role.MAKES}.values())

    @property
    def entries(self) -> int:
        """How many channels of its layer each one is: several where groups of a convolution lose the same place."""
        classes = next(own for operation, own in self._trail if operation is self.layers[0])
        return max(1, int((classes == self.classes[0]).sum()))

    def removing(self, channel: int) -> str:
        """What goes together with one channel, as a sentence.

        Args:
            channel: Its number in the group, from 0.
        """
        made = next(item for item in self.slices if item.role is Role.MAKES)
        place = _listed(made.indices[channel][:1])
        others = [text for text in self._touched(channel) if text != f"{self.name}[{place}]"]
        return f"removing channel {place} of {self.name} also removes: {', '.join(others) or 'nothing else'}"

    def __str__(self) -> str:
        text = self.removing(0)
        return f"{self.name}: {self.channels} channels; {text}"

    def _touched(self, channel: int) -> Iterator[str]:
        """Where a channel is, layer by layer."""
        reads: dict[int, list[Slice]] = {}
        for item in self.slices:
            if item.role is Role.READS:
                reads.setdefault(id(item.layer), []).append(item)
        seen = set[str]()
        for operation, classes in self._trail:
            places = [item.indices[channel] for item in reads.get(id(operation), ())]
            own = np.flatnonzero(classes == self.classes[channel])
            texts = [f"{operation.name}[{_listed(own)}]"] if own.size else []
            if places:
                word = "input" if places[0].size == 1 else "inputs"
                texts.append(f"{operation.name} {word} {_listed(places[0])}")
            for text in texts:
                if text not in seen:
                    seen.add(text)
                    yield text


@dataclass(frozen=True, eq=False)
class Channels:
    """The channel groups of a model; prints itself.

    Attributes:
        groups: What can be removed.
        kept: For each layer that makes channels of which some cannot be removed: its name and why.
        inputs: The tensors that the graph reads, for one sample.
        calls: Its calls.
        outputs: The tensors that it gives.
        labels: What they said of their tensors and weights.
        classes: For each id in the labels the class of ids that it belongs to.
        nested_inputs: For the input layers of nested models, the label of what reaches them.
    """

    groups: tuple[ChannelGroup, ...]
    kept: tuple[tuple[str, str], ...]
    inputs: tuple[Any, ...] = field(repr=False)
    calls: tuple[LayerCall, ...] = field(repr=False)
    outputs: tuple[Any, ...] = field(repr=False)
    labels: ChannelLabels = field(repr=False)
    classes: np.ndarray = field(repr=False)
    nested_inputs: tuple[tuple[keras.Layer, Label], ...] = field(repr=False)

    @cached_property
    def group_of(self) -> np.ndarray:
        """For each class the number of its group, or -1 where it is kept."""
        numbers = np.full(len(self.classes), -1)
        for number, group in enumerate(self.groups):
            numbers[group.classes] = number
        return numbers

    @property
    def reasons(self) -> tuple[str, ...]:
        """For each layer that is kept a clause that says why."""
        return tuple(f"{name} is kept: its channels {why}" for name, why in self.kept)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.groups), *self.reasons])


def channel_groups(model: keras.Model) -> Channels:
    """Finds which channels of a model must be removed together.

    Each tensor's channels are followed through the graph. Where entries meet (a sum, a product, one filter of a
    depthwise convolution), they are tied; where they stand beside others (a concatenation) they move on with an offset.
    What belongs to the inputs and outputs of the model is kept, and so is what reaches a layer that has no rule.

    Entries that appear in the same axes of the same weights, equally often, form a group: any of its channels may go
    alone, and the shapes that are left depend on their number only.

    Args:
        model: A Functional or Sequential model. It is not changed.

    Returns:
        The groups, and what is kept and why.

    Raises:
        UnsupportedLayerError: A subclassed model, whose graph is not known.
        ModelError: A Sequential without an input shape, or a layer that does not take the shapes that reach it.

    Example:
        >>> image = keras.Input((8, 8, 3))
        >>> x = keras.layers.Conv2D(4, 3, name="conv1")(image)
        >>> x = keras.layers.BatchNormalization(name="bn1")(x)
        >>> x = keras.layers.Flatten(name="flatten")(keras.layers.Conv2D(2, 6, name="conv2")(x))
        >>> print(channel_groups(keras.Model(image, keras.layers.Dense(5, name="head")(x))))
        conv1: 4 channels; removing channel 0 of conv1 also removes: bn1[0], conv2 input 0
        conv2: 2 channels; removing channel 0 of conv2 also removes: flatten[0], head input 0
        head is kept: its channels are the model's output

    Reference:
        Fang et al., "DepGraph: Towards Any Structural Pruning", arXiv:2301.12900, for the idea of groups.
    """
    graph, labels = graph_of(model), ChannelLabels()
    inputs = [keras.KerasTensor((1, *tensor.shape[1:]), tensor.dtype, name=tensor.name) for tensor in graph.inputs]
    for tensor in inputs:
        if len(tensor.shape) > 1 and tensor.shape[-1] is not None:
            ids = labels.kept(tensor.shape[-1], INPUT)
            labels.put(tensor, Label(len(tensor.shape) - 1, ids))
    entered: list[tuple[keras.Layer, Any]] = []
    calls, outputs = trace(
        graph, inputs, lambda inner, given: entered.extend(zip(input_layers(inner), given, strict=True))
    )
    for call in calls:
        for tensor, label in zip(call.outputs, follow(call, labels), strict=True):
            labels.put(tensor, label)
    for tensor in outputs:
        if (label := labels.of(tensor)) is not None:
            labels.keep(label.ids, OUTPUT, first=True)
    nested = _nested(entered, labels)
    classes, reasons = labels.solve()
    weights = tuple(labels.weights.values())
    trail = tuple(_trail(calls, labels, classes))
    return Channels(
        _grouped(weights, classes, reasons, trail),
        _kept(weights, classes, reasons),
        tuple(inputs),
        tuple(calls),
        tuple(outputs),
        labels,
        classes,
        nested,
    )


def _nested(entered: list[tuple[keras.Layer, Any]], labels: ChannelLabels) -> tuple[tuple[keras.Layer, Label], ...]:
    """The labels of nested models' inputs; a model that is called twice gets the same channels both times."""
    given: dict[int, tuple[keras.Layer, list[Label | None]]] = {}
    for layer, tensor in entered:
        given.setdefault(id(layer), (layer, []))[1].append(labels.of(tensor))
    found = []
    for layer, all_labels in given.values():
        told = [label for label in all_labels if label is not None]
        if len(told) == len(all_labels) and len({label.axis for label in told}) == 1:
            for label in told:
                labels.tie(told[0].ids, label.ids)
            found.append((layer, told[0]))
        else:
            for label in told:
                labels.keep(
                    label.ids, f"enter a nested model by {title(layer)}, as does a tensor whose channels cannot be told"
                )
    return tuple(found)


def _trail(
    calls: Sequence[LayerCall], labels: ChannelLabels, classes: np.ndarray
) -> Iterator[tuple[keras.Operation, np.ndarray]]:
    """Each operation with the classes of its first output."""
    for call in calls:
        label = labels.of(call.outputs[0])
        yield call.operation, np.empty(0, int) if label is None else classes[label.ids]


def _grouped(
    weights: Sequence[WeightLabel],
    classes: np.ndarray,
    reasons: dict[int, str],
    trail: tuple[tuple[keras.Operation, np.ndarray], ...],
) -> tuple[ChannelGroup, ...]:
    """Gathers the classes that appear in the same axes, equally often."""
    appearances: dict[int, list[tuple[int, int]]] = {}
    for number, weight in enumerate(weights):
        names, counts = np.unique(classes[weight.ids], return_counts=True)
        for name, count in zip(names.tolist(), counts.tolist(), strict=True):
            appearances.setdefault(name, []).append((number, count))
    alike: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for name in sorted(appearances):
        if name not in reasons:
            alike.setdefault(tuple(appearances[name]), []).append(name)
    groups = []
    for signature, members in alike.items():
        own = np.array(members)
        slices = tuple(_slice(weights[number], classes, own) for number, _ in signature)
        makers = [item.layer.name for item in slices if item.role is Role.MAKES]
        groups.append(ChannelGroup(makers[0], len(own), slices, own, trail))
    return tuple(groups)


def _slice(weight: WeightLabel, classes: np.ndarray, names: np.ndarray) -> Slice:
    """Where each of a group's classes stands along an axis of a weight."""
    along = classes[weight.ids]
    place = np.full(int(max(along.max(), names.max())) + 1, -1)
    place[names] = np.arange(len(names))
    numbers = place[along]
    order = np.argsort(numbers, kind="stable")
    order = order[numbers[order] >= 0]
    return Slice(weight.layer, weight.variable, weight.axis, weight.role, order.reshape(len(names), -1))


def _kept(weights: Sequence[WeightLabel], classes: np.ndarray, reasons: dict[int, str]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for weight in weights:
        if weight.role is Role.MAKES:
            for name in np.unique(classes[weight.ids]).tolist():
                if name in reasons:
                    found.setdefault(weight.layer.name, reasons[name])
    return tuple(found.items())


def _listed(places: np.ndarray) -> str:
    """Numbers for a sentence, of many only the first.

    Example:
        >>> _listed(np.array([0, 8, 16, 24, 32]))
        '0, 8, 16 and 2 more'
    """
    shown = ", ".join(map(str, places[:_MOST_INDICES].tolist()))
    return shown if len(places) <= _MOST_INDICES else f"{shown} and {len(places) - _MOST_INDICES} more"
