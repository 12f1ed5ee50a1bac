"""How the graph of a Keras model is read: which models have one, and how it is run node by node."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras

from tfcompress.errors import ModelError, UnsupportedLayerError, first_line

Compute = Callable[[keras.Operation, tuple[Any, ...], dict[str, Any]], Any]
Enter = Callable[[keras.Model, list[Any]], Any]


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer or `keras.ops` operation, with the tensors it reads and makes.

    Attributes:
        operation: The layer or operation.
        args: Its positional arguments, KerasTensors in their structure.
        kwargs: Its keyword arguments.
        outputs: Its outputs, flat.
    """

    operation: keras.Operation
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    outputs: tuple[Any, ...]

    @cached_property
    def inputs(self) -> tuple[Any, ...]:
        """All tensors among the arguments, flat."""
        flat = keras.tree.flatten([list(self.args), dict(self.kwargs)])
        return tuple(value for value in flat if isinstance(value, keras.KerasTensor))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of the first tensor, the batch in front."""
        return tuple(self.inputs[0].shape)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the first output, the batch in front."""
        return tuple(self.outputs[0].shape)

    def argument(self, name: str) -> Any:
        """The argument that `call` takes under this name, or None."""
        bound = inspect.signature(self.operation.call).bind_partial(*self.args, **self.kwargs)
        return bound.arguments.get(name)


def is_model(operation: keras.Operation) -> bool:
    """Whether an operation is a Functional or Sequential model, so that it can be entered."""
    return isinstance(operation, keras.Sequential) or _is_functional(operation)


def graph_of(model: keras.Model) -> keras.Model:
    """The Functional graph of a model: itself, or the one that a Sequential keeps inside.

    Args:
        model: A Functional or a Sequential model. It is not changed.

    Raises:
        UnsupportedLayerError: `model` is a subclassed model, whose graph is not known.
        ModelError: A Sequential whose input shape is not known yet.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> [operation.__class__.__name__ for operation in graph_of(model).operations]
        ['InputLayer', 'Dense']
    """
    if _is_functional(model):
        return model
    if not isinstance(model, keras.Sequential):
        raise UnsupportedLayerError(
            f"Model '{getattr(model, 'name', model)}' is a {type(model).__name__}: its graph is hidden in its call(). "
            "Build it with the functional API, keras.Model(inputs, outputs), or as a keras.Sequential."
        )
    try:
        inputs, outputs = model.inputs, model.outputs
    except AttributeError as error:
        raise ModelError(
            f"Sequential model '{model.name}' has no input shape yet. Put a keras.Input(shape) first in it, or call it "
            "once on data."
        ) from error
    # Bare tensors, not lists: a Functional built from `[output]` returns a list when its output shape is inferred.
    return keras.Model(inputs[0], outputs[0], name=model.name)


def run(graph: keras.Model, inputs: Sequence[Any], call: Compute) -> Any:
    """Runs a graph in topological order with `call(operation, args, kwargs) -> outputs` at each node.

    Args:
        graph: What `graph_of` returned.
        inputs: One value per entry of `graph.inputs`, of any type that `call` understands.
        call: Computes one node. Nested models are nodes; `nested_inputs` helps to enter them.

    Returns:
        The outputs in the structure of the graph's own outputs.
    """
    # Keras has no public way to visit nodes with their arguments; `clone_model` itself is built on this method, and
    # Keras is pinned to one minor version.
    return graph._run_through_graph(
        list(inputs), call_fn=lambda operation, *args, **kwargs: call(operation, args, kwargs)
    )


def trace(graph: keras.Model, inputs: Sequence[Any], enter: Enter | None = None) -> tuple[list[LayerCall], list[Any]]:
    """Every call that running a graph makes, in order, nested models entered; nothing is computed or added to a graph.

    Args:
        graph: What `graph_of` returned.
        inputs: One KerasTensor per entry of `graph.inputs`.
        enter: Is told the graph of each nested model that is called, and the tensors that it is called with.

    Returns:
        The calls, and the graph's outputs, flat. A tensor is the same object wherever it is made and read.

    Raises:
        ModelError: A layer does not take the shapes that reach it.
    """
    calls: list[LayerCall] = []

    def call(operation: keras.Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if is_model(operation):
            inner = graph_of(operation)
            given = nested_inputs(inner, args, kwargs)
            if enter is not None:
                enter(inner, given)
            return run(inner, given, call)
        try:
            outputs = operation.compute_output_spec(*args, **kwargs)
        except (ValueError, TypeError) as error:
            raise ModelError(
                f"Layer '{operation.name}' does not take these shapes: {first_line(error)}. Check the input shapes."
            ) from error
        calls.append(LayerCall(operation, args, kwargs, tuple(keras.tree.flatten(outputs))))
        return outputs

    outputs = run(graph, inputs, call)
    return calls, keras.tree.flatten(outputs)


def nested_inputs(graph: keras.Model, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
    """The values for `graph.inputs`, in order, out of the arguments with which a nested model was called.

    Args:
        graph: The nested model's graph.
        args: The positional arguments of the call.
        kwargs: Its keyword arguments.

    Raises:
        UnsupportedLayerError: The number of inputs differs from the graph's.
    """
    given = args[0] if args else kwargs["inputs"]
    if isinstance(given, dict) and not isinstance(graph.input, dict):
        flat = [given[tensor.name] for tensor in graph.inputs]
    else:
        flat = keras.tree.flatten(given)
    if len(flat) != len(graph.inputs):
        raise UnsupportedLayerError(
            f"Nested model '{graph.name}' has {len(graph.inputs)} inputs and is called with {len(flat)}. Call it with "
            "all of its inputs."
        )
    return flat


def input_layers(graph: keras.Model) -> list[keras.Layer]:
    """The InputLayer behind each entry of `graph.inputs`, in their order."""
    by_tensor = {id(layer.output): layer for layer in graph.layers if isinstance(layer, keras.layers.InputLayer)}
    return [by_tensor[id(tensor)] for tensor in graph.inputs]


def _is_functional(operation: keras.Operation) -> bool:
    # Keras keeps the name of its Functional class private; it is the one that is both of these.
    return isinstance(operation, keras.Model) and isinstance(operation, keras.Function)
