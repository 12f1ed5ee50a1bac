"""What is written down while channels are followed through a graph: which entries of which tensors stand together."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import keras
import numpy as np

from tfcompress.models.graph import LayerCall


class Role(Enum):
    """What a slice of a weight does with its channel."""

    MAKES = "makes"
    """It computes the channel: a filter."""
    READS = "reads"
    """It multiplies the channel on the way into other ones: a row of the next kernel."""
    WITHIN = "within"
    """It multiplies the channel inside the layer that makes it: a row of a recurrent kernel."""
    FILTERS = "filters"
    """It works on the channel alone: a depthwise kernel."""
    SCALES = "scales"
    """The factor of a normalization."""
    SHIFTS = "shifts"
    """A bias, or a statistic."""


@dataclass(frozen=True)
class Label:
    """Names the entries of a tensor along its channel axis.

    Attributes:
        axis: The channel axis, the batch counted as 0.
        ids: One id for each entry; entries with one id, or with ids that are tied, are removed together.
    """

    axis: int
    ids: np.ndarray


@dataclass(frozen=True)
class WeightLabel:
    """Names the entries of one axis of a weight."""

    layer: keras.Layer
    variable: keras.Variable
    axis: int
    ids: np.ndarray
    role: Role


@dataclass
class ChannelLabels:
    """The labels of all tensors and weights of a graph, filled call by call in the graph's order.

    Attributes:
        weights: By weight and axis.
        settings: For a layer's id and a key of its config: the sizes it holds, a number or the ids that are counted.
    """

    weights: dict[tuple[int, int], WeightLabel] = field(default_factory=dict)
    settings: dict[tuple[int, str], tuple[Any, ...]] = field(default_factory=dict)
    _tensors: dict[int, Label] = field(default_factory=dict)
    _ties: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    _kept: list[tuple[np.ndarray, str]] = field(default_factory=list)
    _count: int = 0

    def fresh(self, count: int) -> np.ndarray:
        """New ids, tied to nothing."""
        self._count += count
        return np.arange(self._count - count, self._count)

    def tie(self, one: np.ndarray, other: np.ndarray) -> None:
        """Says that entries are removed together; both arrays have one shape."""
        self._ties.append((one.ravel(), other.ravel()))

    def keep(self, ids: np.ndarray, reason: str, *, first: bool = False) -> None:
        """Says that entries cannot be removed, and why, as the end of a sentence that begins with the channels.

        Of several reasons the one that was given first counts, or one that claims to be the `first`.
        """
        self._kept.insert(0 if first else len(self._kept), (ids, reason))

    def kept(self, count: int, reason: str) -> np.ndarray:
        """New ids that cannot be removed."""
        ids = self.fresh(count)
        self.keep(ids, reason)
        return ids

    def of(self, tensor: Any) -> Label | None:
        """The label of a tensor; None where it has no channels that could be removed."""
        return self._tensors.get(id(tensor))

    def put(self, tensor: Any, label: Label | None) -> None:
        """Labels a tensor."""
        if label is not None:
            self._tensors[id(tensor)] = label

    def weight(self, layer: keras.Layer, variable: keras.Variable, axis: int, ids: np.ndarray, role: Role) -> None:
        """Labels an axis of a weight; in a further call of a shared layer, ties it to the label of the first."""
        known = self.weights.setdefault((id(variable), axis), WeightLabel(layer, variable, axis, ids, role))
        if known.ids is not ids:
            self.tie(known.ids, ids)

    def made(self, layer: keras.Layer, variable: keras.Variable, axis: int) -> np.ndarray:
        """The ids of the channels that a weight makes along an axis: the same in each call of its layer."""
        known = self.weights.get((id(variable), axis))
        ids = self.fresh(variable.shape[axis]) if known is None else known.ids
        self.weight(layer, variable, axis, ids, Role.MAKES)
        return ids

    def setting(self, layer: keras.Operation, name: str, *sizes: Any) -> None:
        """Says that a setting in a layer's config is the number of entries of these ids, or a tuple with such numbers.

        Further calls of a shared layer must agree, so that their ids are tied, or kept where another call has a number.
        """
        known = self.settings.setdefault((id(layer), name), sizes)
        for one, other in zip(known, sizes, strict=True):
            counted = [size for size in (one, other) if isinstance(size, np.ndarray)]
            if len(counted) == 2 and one is not other:
                self.tie(one, other)
            elif len(counted) == 1:
                self.keep(counted[0], f"are counted by a size that the calls of {title(layer)} share")

    def along(self, call: LayerCall, tensor: Any, axis: int) -> np.ndarray:
        """The ids of the entries of a tensor along an axis that a weight of the call goes along.

        Where its channels cannot be told, or lie on another axis, these entries are kept: the weight must stay whole
        for this call, also where another call of a shared layer reads channels that could go.
        """
        label = self.of(tensor)
        if label is not None and label.axis == axis:
            return label.ids
        return self.kept(tensor.shape[axis], f"meet a tensor whose channels cannot be told in {title(call.operation)}")

    def entering(self, call: LayerCall, tensor: Any, axis: int) -> np.ndarray:
        """What `along` gives for a kernel, which mixes all that it reads; keeps channels that lie on another axis."""
        label = self.of(tensor)
        if label is not None and label.axis != axis:
            self.keep(label.ids, f"are read along another axis by {title(call.operation)}")
        return self.along(call, tensor, axis)

    def read(self, call: LayerCall, tensor: Any, axis: int, variable: keras.Variable, weight_axis: int) -> None:
        """Labels the axis of a kernel along which it reads a tensor."""
        self.weight(call.operation, variable, weight_axis, self.entering(call, tensor, axis), Role.READS)

    def solve(self) -> tuple[np.ndarray, dict[int, str]]:
        """Resolves all ties.

        Returns:
            For each id the class of ids that it belongs to, named by its smallest member; and the reason of each class
            that is kept.
        """
        classes = np.arange(self._count)
        if self._ties:
            one, other = (np.concatenate(side) for side in zip(*self._ties, strict=True))
            while True:
                # The smaller name wins on both sides of each tie; following names to their names makes chains short.
                smaller = np.minimum(classes[one], classes[other])
                before = classes.copy()
                for side in (one, other):
                    np.minimum.at(classes, classes[side], smaller)
                    np.minimum.at(classes, side, smaller)
                classes = classes[classes]
                if np.array_equal(before, classes):
                    break
        reasons: dict[int, str] = {}
        for ids, reason in self._kept:
            for name in np.unique(classes[ids]).tolist():
                reasons.setdefault(name, reason)
        return classes, reasons


def barrier(call: LayerCall, labels: ChannelLabels, reason: str) -> list[Label | None]:
    """Keeps every channel that reaches a call; what it makes has no channels that could be removed."""
    for tensor in call.inputs:
        label = labels.of(tensor)
        if label is not None:
            labels.keep(label.ids, reason)
    return [None] * len(call.outputs)


def title(operation: keras.Operation) -> str:
    """A layer or operation as it is named in a sentence.

    Example:
        >>> title(keras.layers.ReLU(name="act"))
        "'act' (ReLU)"
    """
    return f"'{operation.name}' ({type(operation).__name__})"
