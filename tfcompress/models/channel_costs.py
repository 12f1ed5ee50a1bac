"""What a model costs with fewer channels: parameters, MACs and a profile, from the numbers of channels alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import keras
import numpy as np

from tfcompress.models.channel_labels import Label
from tfcompress.models.channels import Channels
from tfcompress.models.graph import LayerCall
from tfcompress.models.macs import macs
from tfcompress.models.profile import Profile, layer_rows, peak_bytes, profile, tensor_bytes


@dataclass(frozen=True)
class _Product:
    """A factor times sizes, which are numbered; it belongs to a row of the profile, or to a tensor."""

    row: int
    factor: float
    sizes: tuple[int, ...]


class ChannelCosts:
    """The costs of a model for any number of channels in each group; no graph is built for it.

    Every size is a sum over groups, so every cost is a sum of products of such sums.

    Args:
        model: A Functional or Sequential model whose sizes are known.
        found: Its groups, from `channel_groups`.

    Raises:
        ModelError: A size is open.

    Example:
        >>> from tfcompress.models.channels import channel_groups
        >>> layers = [keras.Input((3,)), keras.layers.Dense(4, name="a"), keras.layers.Dense(2, name="b")]
        >>> model = keras.Sequential(layers)
        >>> costs = ChannelCosts(model, channel_groups(model))
        >>> costs.macs([4]), costs.macs([3]), costs.parameters([3])
        (20, 15, 20)
    """

    def __init__(self, model: keras.Model, found: Channels) -> None:
        self._found, self._base, self._sizes = found, profile(model), _Sizes(found)
        self._rows, _ = layer_rows(found.calls, batch=1)
        numbers = {id(operation): number for number, (operation, _) in enumerate(self._rows)}
        calls = [call for call in found.calls if id(call.operation) in numbers]
        self._first_calls = {numbers[id(call.operation)]: call for call in reversed(calls)}
        self._macs = _Sum(
            product for call in calls for product in _mac_products(call, numbers[id(call.operation)], self._sizes)
        )
        weights = list(self._weights())
        self._parameters = _Sum(self._sizes.weight(row, 1, weight) for row, weight in weights)
        self._weight_bytes = _Sum(self._sizes.weight(row, _item_bytes(weight), weight) for row, weight in weights)
        tensors = [*found.inputs, *(tensor for call in found.calls for tensor in call.outputs)]
        self._tensors = {id(tensor): number for number, tensor in enumerate(tensors)}
        self._tensor_bytes = _Sum(
            self._sizes.tensor(number, tensor_bytes(tensor), tensor) for number, tensor in enumerate(tensors)
        )

    def macs(self, counts: Sequence[int]) -> int:
        """Multiply-accumulates per sample with so many channels in each group."""
        return round(sum(self._macs.by_row(self._sizes.values(counts))))

    def parameters(self, counts: Sequence[int]) -> int:
        """Values in all weights with so many channels in each group."""
        return round(sum(self._parameters.by_row(self._sizes.values(counts))))

    def profile(self, counts: Sequence[int]) -> Profile:
        """What `profile` says of the model with so many channels in each group."""
        sizes, tensors = self._sizes.values(counts), self._tensors
        tensor_bytes_now = self._tensor_bytes.by_row(sizes, len(tensors))
        sums = (self._parameters, self._macs, self._weight_bytes)
        columns = zip(*(one.by_row(sizes, len(self._rows)) for one in sums), strict=True)
        layers = []
        for number, ((_, row), (parameters, multiplied, in_bytes)) in enumerate(zip(self._rows, columns, strict=True)):
            outputs = self._first_calls[number].outputs
            label = self._found.labels.of(outputs[0])
            layer = replace(
                row,
                output_shape=row.output_shape if label is None else self._sizes.shape(row.output_shape, label, sizes),
                parameters=round(parameters),
                macs=round(multiplied),
                weight_bytes=int(in_bytes),
                activation_bytes=int(sum(tensor_bytes_now[tensors[id(tensor)]] for tensor in outputs)),
            )
            layers.append(layer)
        found = self._found
        peak = peak_bytes(
            found.inputs, found.calls, found.outputs, lambda tensor: float(tensor_bytes_now[tensors[id(tensor)]])
        )
        return replace(
            self._base,
            layers=tuple(layers),
            parameters=sum(layer.parameters for layer in layers),
            macs=sum(layer.macs for layer in layers),
            weight_bytes=sum(layer.weight_bytes for layer in layers),
            peak_activation_bytes=int(peak),
        )

    def _weights(self) -> Iterator[tuple[int, keras.Variable]]:
        """Each weight once, with the row that counts it."""
        seen = set[int]()
        for number, (operation, _) in enumerate(self._rows):
            for weight in operation.weights if isinstance(operation, keras.Layer) else ():
                if id(weight) not in seen:
                    seen.add(id(weight))
                    yield number, weight


class _Sizes:
    """The sizes along which channels lie, numbered: each a constant and a number of entries per channel of a group."""

    def __init__(self, found: Channels) -> None:
        self._found = found
        self._groups = np.array([group.channels for group in found.groups], float)
        self._constants: list[float] = []
        self._entries: list[np.ndarray] = []
        self._numbers: dict[tuple[float, ...], int] = {}

    def number(self, ids: np.ndarray) -> int:
        """The number of the size of a labelled axis."""
        groups = self._found.group_of[self._found.classes[ids]]
        entries = np.bincount(groups[groups >= 0], minlength=len(self._groups))
        constant = float((groups < 0).sum())
        key = (constant, *entries)
        if key not in self._numbers:
            self._numbers[key] = len(self._constants)
            self._constants.append(constant)
            self._entries.append(entries / np.maximum(self._groups, 1))
        return self._numbers[key]

    def values(self, counts: Sequence[int]) -> np.ndarray:
        """All sizes for so many channels in each group, in front of them a one."""
        per_channel = np.array(self._entries).reshape(len(self._constants), len(self._groups))
        return np.concatenate([[1.0], np.array(self._constants) + per_channel @ np.asarray(counts, float)])

    def shape(self, shape: tuple[int, ...], label: Label, values: np.ndarray) -> tuple[int, ...]:
        """A shape without the batch, with the size of its channel axis as it is among `values`."""
        new = list(shape)
        new[label.axis - 1] = round(float(values[self.number(label.ids) + 1]))
        return tuple(new)

    def weight(self, row: int, factor: float, weight: keras.Variable) -> _Product:
        """A factor times the number of values in a weight."""
        known = self._found.labels.weights
        labels = {axis: known.get((id(weight), axis)) for axis in range(len(weight.shape))}
        fixed = prod(size for axis, size in enumerate(weight.shape) if labels[axis] is None)
        return _Product(row, factor * fixed, tuple(self.number(label.ids) for label in labels.values() if label))

    def along(self, row: int, factor: float, weight: keras.Variable, axis: int) -> _Product:
        """A factor times the size of one axis of a weight."""
        label = self._found.labels.weights.get((id(weight), axis))
        if label is None:
            return _Product(row, factor * weight.shape[axis], ())
        return _Product(row, factor, (self.number(label.ids),))

    def tensor(self, row: int, total: float, tensor: Any) -> _Product:
        """What is `total` for a tensor, and grows with its channels."""
        label = self._found.labels.of(tensor)
        if label is None:
            return _Product(row, total, ())
        return _Product(row, total / label.ids.size, (self.number(label.ids),))


class _Sum:
    """Many products, computed at once and summed up by their rows."""

    def __init__(self, products: Iterator[_Product]) -> None:
        terms = list(products)
        most = max((len(term.sizes) for term in terms), default=0)
        self._rows = np.array([term.row for term in terms], int)
        self._factors = np.array([term.factor for term in terms], float)
        # Place 0 among the sizes is the one, for products with fewer sizes than others.
        places = [[*(size + 1 for size in term.sizes), *[0] * (most - len(term.sizes))] for term in terms]
        self._places = np.array(places, int).reshape(len(terms), most)

    def by_row(self, sizes: np.ndarray, rows: int = 0) -> np.ndarray:
        """The sum of each row's products; the result is as long as the largest row asks, at least `rows`."""
        return np.bincount(self._rows, self._factors * sizes[self._places].prod(axis=1), rows)


def _item_bytes(weight: keras.Variable) -> float:
    return tensor_bytes(weight) / max(1, prod(weight.shape))


def _mac_products(call: LayerCall, row: int, sizes: _Sizes) -> list[_Product]:
    """The MACs of a call as products of sizes; they add up to `macs(call)` with all channels."""
    layer, count = call.operation, macs(call)
    if not count:
        return []
    if isinstance(layer, keras.layers.MultiHeadAttention):
        return _attention_products(call, row, count, sizes)
    if isinstance(layer, (keras.layers.Attention, keras.layers.AdditiveAttention)):
        return _scores_products(call, row, count, sizes)
    kernels = [weight for weight in layer.weights if "kernel" in weight.name] if isinstance(layer, keras.Layer) else []
    if not kernels:
        return [_Product(row, count, ())]
    # All other layers use each value of their kernels equally often.
    uses = count / sum(prod(kernel.shape) for kernel in kernels)
    return [sizes.weight(row, uses, kernel) for kernel in kernels]


def _attention_products(call: LayerCall, row: int, count: int, sizes: _Sizes) -> list[_Product]:
    """Four projections, and per head the scores and what they weigh."""
    layer = call.operation
    query, value, key = (call.argument(name) for name in ("query", "value", "key"))
    dense = (layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense)
    positions = [prod(tensor.shape[:-1]) for tensor in (query, value if key is None else key, value, query)]
    used = [(one.kernel, places) for one, places in zip(dense, positions, strict=True)]
    pairs = (count - sum(prod(kernel.shape) * places for kernel, places in used)) / (layer.key_dim + layer.value_dim)
    products = [sizes.weight(row, places, kernel) for kernel, places in used]
    return [
        *products,
        _Product(row, pairs * layer.key_dim, ()),
        sizes.along(row, pairs, layer.value_dense.kernel, 2),
    ]


def _scores_products(call: LayerCall, row: int, count: int, sizes: _Sizes) -> list[_Product]:
    """The scores, and what they weigh."""
    _, value, *keys = call.args[0]
    key = keys[0] if keys else value
    pairs = count / (key.shape[-1] + value.shape[-1])
    return [sizes.tensor(row, pairs * tensor.shape[-1], tensor) for tensor in (key, value)]
