"""Runs a flat model in inference and shows each tensor to whoever watches, who may put another in its place."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from tfcompress.models.graph import graph_of, input_layers, run

Watch = Callable[[keras.Operation, int, Any], Any]


def watched(flat: keras.Model, arrays: Sequence[Any], watch: Watch) -> list[Any]:
    """The outputs of a model on one batch.

    Args:
        flat: A model without nested models, as `surgery.flatten` gives it. It is not changed.
        arrays: One array for each of its inputs.
        watch: `watch(operation, number of its call, outputs)` gives what the rest of the graph reads in their place; it
            is asked for each input and after each call of a layer or `keras.ops` operation.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.ReLU(name="a"), keras.layers.ReLU(name="b")])
        >>> seen = lambda operation, number, output: output + (operation.name == "a")
        >>> watched(model, [np.array([[2.0]])], seen)[0].numpy().tolist()
        [[3.0]]
    """
    graph, calls = graph_of(flat), Counter[int]()

    def call(operation: keras.Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        number = calls[id(operation)]
        calls[id(operation)] += 1
        return watch(operation, number, operation(*args, **kwargs))

    tensors = [
        watch(layer, 0, keras.ops.convert_to_tensor(array, dtype=layer.output.dtype))
        for layer, array in zip(input_layers(graph), arrays, strict=True)
    ]
    outputs: list[Any] = keras.tree.flatten(run(graph, tensors, call))
    return outputs


def batches(arrays: Sequence[np.ndarray], size: int) -> Iterator[tuple[slice, list[np.ndarray]]]:
    """Arrays of samples cut into batches, each with where it lies; the last one may be smaller.

    Example:
        >>> [(where.start, len(parts[0])) for where, parts in batches([np.zeros((5, 2))], 2)]
        [(0, 2), (2, 2), (4, 1)]
    """
    for start in range(0, len(arrays[0]), size):
        where = slice(start, min(start + size, len(arrays[0])))
        yield where, [array[where] for array in arrays]


def watched_outputs(flat: keras.Model, arrays: Sequence[np.ndarray], watch: Watch, batch: int = 32) -> list[np.ndarray]:
    """The outputs of a model on many samples, in batches; see `watched`."""
    parts = [
        [keras.ops.convert_to_numpy(tensor) for tensor in watched(flat, part, watch)]
        for _, part in batches(arrays, batch)
    ]
    return [np.concatenate(items) for items in zip(*parts, strict=True)]
