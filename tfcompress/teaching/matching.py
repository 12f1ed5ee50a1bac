"""The names of a model's inputs and outputs, and how those of two models are matched."""

from collections.abc import Sequence
from typing import Any

import keras

from tfcompress.models.graph import graph_of, is_model


def input_names(model: keras.Model) -> tuple[str, ...]:
    """The names of a model's inputs in flat order, as a dict of data has them; none of a subclassed model."""
    if not is_model(model):
        return ()
    graph = graph_of(model)
    return _keys(graph.input) or tuple(tensor.name for tensor in graph.inputs)


def output_names(model: keras.Model) -> tuple[str, ...]:
    """The names of a model's outputs in flat order: the keys of a dict, else those of the layers that make them.

    A subclassed model has none.

    Example:
        >>> inputs = keras.Input((2,))
        >>> output_names(keras.Model(inputs, keras.layers.Dense(3, name="head")(inputs)))
        ('head',)
    """
    if not is_model(model):
        return ()
    graph = graph_of(model)
    return _keys(graph.output) or tuple(graph.output_names)


def order_like(wanted: Sequence[str], given: Sequence[str]) -> list[int]:
    """Where the things that are wanted are among those given: by name where both have the same names, else in order.

    Args:
        wanted: Names.
        given: Other names, of as many things or of another number.

    Returns:
        A place in `given` for each of its entries.

    Example:
        >>> order_like(["sex", "age"], ["age", "sex"])
        [1, 0]
        >>> order_like(["sex", "age"], ["one", "two"])
        [0, 1]
    """
    if len(set(given)) == len(given) and sorted(wanted) == sorted(given):
        return [given.index(name) for name in wanted]
    return list(range(len(given)))


def in_order(inputs: Any, wanted: Sequence[str], known: Sequence[str] = ()) -> list[Any]:
    """The inputs of a batch, flat, in the order of a model's input names: a dict and a list give the same samples.

    Args:
        inputs: Arrays in any structure.
        wanted: The names of the inputs in the order that is asked for.
        known: The names of what the batch has, where that is a list.

    Example:
        >>> in_order({"age": 1, "name": 2, "unread": 3}, ["name", "age"]), in_order([1, 2], ["b", "a"], ["a", "b"])
        ([2, 1], [2, 1])
    """
    if isinstance(inputs, dict):
        names = next((names for names in (wanted, known) if names and set(names) <= set(inputs)), sorted(inputs))
        return keras.tree.flatten([inputs[name] for name in names])
    flat = keras.tree.flatten(inputs)
    order = order_like(wanted, known)
    return [flat[place] for place in order] if len(order) == len(flat) else flat


def _keys(tensors: Any) -> tuple[str, ...]:
    if not isinstance(tensors, dict):
        return ()
    return tuple(str(path[-1]) for path, _ in keras.tree.flatten_with_path(tensors))
