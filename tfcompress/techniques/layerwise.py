"""Two models of one graph run side by side on samples, layer by layer: one exact, one that is rounded on the way."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from tfcompress.models.graph import graph_of, is_model, nested_inputs, run, trace
from tfcompress.models.surgery import layers_of
from tfcompress.transforms.activation_range import FixedRange

_L = keras.layers
ROUNDED = (
    *(_L.Dense, _L.Conv1D, _L.Conv2D, _L.Conv3D, _L.Conv1DTranspose, _L.Conv2DTranspose, _L.Conv3DTranspose),
    *(_L.DepthwiseConv1D, _L.DepthwiseConv2D),
)
"""The layers with one kernel and perhaps a bias, whose outputs an integer file computes from rounded weights."""


@dataclass(frozen=True, eq=False)
class _Both:
    """A tensor of the exact model and its fellow of the rounded one."""

    exact: Any
    rounded: Any


Visit = Callable[[keras.Layer, keras.Layer, Any, Any], None]


def side_by_side(exact: keras.Model, rounded: keras.Model, arrays: Sequence[Any], visit: Visit) -> None:
    """Runs two models of the same graph on the same samples and stops at each layer that can be rounded.

    Args:
        exact: The model as it should be. `FixedRange` layers of it are passed by.
        rounded: A copy of it; `visit` may change the weights of its layers.
        arrays: The samples, all of them in memory at once.
        visit: `visit(layer, its fellow, inputs, inputs of the fellow)`, before the fellow computes; for layers of
            `ROUNDED` that are called once.
    """
    fellows = {id(one): other for one, other in zip(layers_of(exact), layers_of(rounded), strict=True)}
    once = {id(layer) for layer in called_once(exact)}

    def call(operation: keras.Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if is_model(operation):
            inner = graph_of(operation)
            return run(inner, nested_inputs(inner, args, kwargs), call)
        (one, one_by_name), (other, other_by_name) = (_part(name, args, kwargs) for name in ("exact", "rounded"))
        fellow = fellows.get(id(operation), operation)
        if id(operation) in once:
            visit(
                operation,
                fellow,
                one[0] if one else one_by_name["inputs"],
                other[0] if other else other_by_name["inputs"],
            )
        right = one[0] if isinstance(operation, FixedRange) else operation(*one, **one_by_name)
        return keras.tree.map_structure(_Both, right, fellow(*other, **other_by_name))

    run(graph_of(exact), [_Both(tensor, tensor) for tensor in map(keras.ops.convert_to_tensor, arrays)], call)


def called_once(model: keras.Model) -> list[keras.Layer]:
    """The layers that can be rounded and are called once.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="a"), keras.layers.ReLU()])
        >>> [layer.name for layer in called_once(model)]
        ['a']
    """
    graph = graph_of(model)
    calls, _ = trace(graph, graph.inputs)
    times = Counter(id(call.operation) for call in calls)
    return [layer for layer in layers_of(model) if type(layer) in ROUNDED and times[id(layer)] == 1]


@contextmanager
def without_activation(layer: keras.Layer) -> Iterator[keras.Layer]:
    """The layer as if it had no activation, while the block runs; for layers of a copy only."""
    activation, layer.activation = layer.activation, keras.activations.linear
    try:
        yield layer
    finally:
        layer.activation = activation


def _part(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """Arguments with one part of each pair in its place."""

    def part(value: Any) -> Any:
        return getattr(value, name) if isinstance(value, _Both) else value

    found: tuple[Any, Any] = keras.tree.map_structure(part, (args, kwargs))
    return found
