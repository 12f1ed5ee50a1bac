"""How a Keras graph is rebuilt: layers replaced, operations inserted, nested models dissolved, the source untouched."""

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from tfcompress.errors import UnsupportedLayerError
from tfcompress.models.cloning import clone_layer, clone_operation, copy_state
from tfcompress.models.graph import graph_of, input_layers, is_model, nested_inputs, run

Replace = Callable[[keras.Layer, keras.Layer], keras.Layer]
After = Callable[[keras.Operation, Any], Any]


def rebuild(
    model: keras.Model,
    replace: Replace | None = None,
    after: After | None = None,
    skip: Collection[keras.Operation] = (),
    input_shapes: Mapping[int, tuple[int | None, ...]] | None = None,
    operations: Mapping[int, keras.Operation] | None = None,
) -> keras.Model:
    """Builds a new model with the graph of `model`, in which layers are replaced and operations inserted.

    Each layer is cloned from its config once, so shared layers stay shared; nested models are entered and stay nested;
    `keras.ops` nodes, several inputs and outputs, and their list or dict structure are kept. Weights, seeds, states of
    recurrent layers and `trainable` flags are copied into the clones after the graph is made. The result is not
    compiled; a Sequential comes back as a Functional model.

    Args:
        model: A Functional or Sequential model. It is not changed.
        replace: `replace(clone, source)` gives the layer that stands in for `source`: the clone, a wrapper around it,
            or another layer (whose weights are then the caller's to set). It is called once per layer, before the clone
            is built; input layers are not offered.
        after: `after(source, output)` gives what the rest of the graph sees in place of `output`. It is called for each
            node of a layer or `keras.ops` operation, and for the model's own input layers; not for nested models,
            whose nodes it has seen already.
        skip: Layers and `keras.ops` operations of `model` to leave out: what they read goes on in their place.
        input_shapes: For the ids of input layers of nested models: the shape that they get, the batch in front.
        operations: For the ids of `keras.ops` operations: what stands in for them.

    Returns:
        The new model.

    Raises:
        UnsupportedLayerError: A layer or nested model cannot be rebuilt from its config; the message names it.
        ModelError: A Sequential that has no input shape yet.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="a"), keras.layers.ReLU(name="b")])
        >>> def softer(clone, source):
        ...     return keras.layers.LeakyReLU(name=source.name) if isinstance(source, keras.layers.ReLU) else clone
        >>> [type(layer).__name__ for layer in rebuild(model, softer).layers]
        ['InputLayer', 'Dense', 'LeakyReLU']
    """
    skipped = frozenset(id(operation) for operation in skip)
    rebuilding = _Rebuilding(
        replace or _keep_clone,
        after or _keep_output,
        skipped,
        input_shapes or {},
        successors=dict(operations or {}),
    )
    result = rebuilding.model(model, outermost=True)
    rebuilding.copy_state()
    return result


def copy(model: keras.Model) -> keras.Model:
    """An uncompiled copy of `model` with weights of its own; see `rebuild` for what is kept and what is raised."""
    return rebuild(model)


def flatten(model: keras.Model) -> keras.Model:
    """Dissolves nested models: the result is one Functional graph of layers and `keras.ops` nodes.

    A nested model that is called twice keeps one set of layers, called twice. Names stay as they are; where two levels
    use the same name, the inner layer gets the name of its model in front (`"backbone_conv"`). An output that came from
    a nested model takes the name of the layer that makes it.

    Args:
        model: A Functional or Sequential model. It is not changed.

    Returns:
        The new model, uncompiled.

    Raises:
        UnsupportedLayerError: A layer cannot be rebuilt, or a nested model is called with a tensor of another rank than
            its input.

    Example:
        >>> inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="a")], name="inner")
        >>> model = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(2, name="b")])
        >>> [layer.name for layer in flatten(model).layers[1:]]
        ['a', 'b']
    """
    dissolving = _Dissolving(_keep_clone, _keep_output, names=_flat_names(graph_of(model)))
    result = dissolving.model(model, outermost=True)
    dissolving.copy_state()
    return result


def layers_of(model: keras.Model) -> list[keras.Layer]:
    """Every layer that computes something, once, in graph order; nested models are entered, not listed.

    Layers inside a layer (the cell of an RNN, the layer of a wrapper) belong to it and are not listed.

    Raises:
        UnsupportedLayerError: `model` is a subclassed model; inside a graph such a model counts as one layer.

    Example:
        >>> inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="a")])
        >>> model = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(2, name="b")])
        >>> [layer.name for layer in layers_of(model)]
        ['a', 'b']
    """
    return list(_unique(_leaves(graph_of(model))))


def _keep_clone(clone: keras.Layer, source: keras.Layer) -> keras.Layer:
    return clone


def _keep_output(source: keras.Operation, output: Any) -> Any:
    return output


def _leaves(graph: keras.Model) -> Iterator[keras.Layer]:
    for layer in graph.layers:
        if is_model(layer):
            yield from _leaves(graph_of(layer))
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer


def _unique(layers: Iterable[keras.Layer]) -> Iterable[keras.Layer]:
    return {id(layer): layer for layer in layers}.values()


@dataclass
class _Rebuilding:
    """One rebuild under way: what each operation of the source became, so that shared ones stay shared."""

    replace: Replace
    after: After
    skipped: frozenset[int] = frozenset()
    input_shapes: Mapping[int, tuple[int | None, ...]] = field(default_factory=dict)
    clones: dict[int, tuple[keras.Operation, keras.Operation]] = field(default_factory=dict)
    successors: dict[int, keras.Operation] = field(default_factory=dict)

    def model(self, source: keras.Model, *, outermost: bool = False) -> keras.Model:
        """The new model for `source`."""
        graph = graph_of(source)
        layers = input_layers(graph)
        inputs = [self.input(layer) for layer in layers]
        seen = (
            [self.after(layer, tensor) for layer, tensor in zip(layers, inputs, strict=True)] if outermost else inputs
        )
        outputs = run(graph, seen, self.call)
        structure = keras.tree.pack_sequence_as(graph.input, inputs)
        new = _model_class(source)(structure, outputs, name=source.name)
        self.clones[id(source)] = source, new
        return new

    def input(self, layer: keras.Layer) -> Any:
        """The tensor of an input layer made again, with another shape where one is given."""
        config = layer.get_config()
        if id(layer) in self.input_shapes:
            config["batch_shape"] = self.input_shapes[id(layer)]
        return keras.layers.InputLayer.from_config(config).output

    def call(self, source: keras.Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The outputs of one node in the new graph."""
        if id(source) in self.skipped:
            return args[0]
        output = self.successor(source)(*args, **kwargs)
        return output if is_model(source) else self.after(source, output)

    def successor(self, source: keras.Operation) -> keras.Operation:
        """What stands in for `source` in the new graph; made at its first node."""
        if id(source) not in self.successors:
            if is_model(source):
                new = self.model(source)
            elif isinstance(source, keras.Layer):
                clone = clone_layer(source, self.name(source))
                self.clones[id(source)] = source, clone
                new = self.replace(clone, source)
            else:
                new = clone_operation(source, self.name(source))
            self.successors[id(source)] = new
        return self.successors[id(source)]

    def name(self, source: keras.Operation) -> str:
        """The name in the new graph."""
        return source.name

    def copy_state(self) -> None:
        """Copies flags, outer models first since a flag reaches down, and then the variables of each layer."""
        pairs = list(self.clones.values())
        for source, clone in [pair for pair in reversed(pairs) if is_model(pair[0])]:
            clone.trainable = source.trainable
        for source, clone in [pair for pair in pairs if not is_model(pair[0])]:
            copy_state(source, clone)


@dataclass
class _Dissolving(_Rebuilding):
    """A rebuild that runs nested models in place."""

    names: dict[int, str] = field(default_factory=dict)

    def call(self, source: keras.Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not is_model(source):
            return super().call(source, args, kwargs)
        graph, training = graph_of(source), kwargs.get("training")
        inputs = nested_inputs(graph, args, kwargs)
        matched = [_match(graph, tensor, own) for tensor, own in zip(inputs, graph.inputs, strict=True)]

        def call_inside(inner: keras.Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            # `backbone(x, training=False)` holds for every layer inside.
            if training is not None and takes_training(inner):
                kwargs = {**kwargs, "training": training}
            return self.call(inner, args, kwargs)

        return run(graph, matched, call_inside)

    def name(self, source: keras.Operation) -> str:
        return self.names[id(source)]


def _match(graph: keras.Model, tensor: Any, own: keras.KerasTensor) -> Any:
    """Does to a nested model's input what calling the model would do to it."""
    if len(tensor.shape) != len(own.shape):
        raise UnsupportedLayerError(
            f"Nested model '{graph.name}' takes a tensor of shape {own.shape} and is called with {tensor.shape}. "
            "Reshape the tensor to the model's own rank before the call."
        )
    return tensor if tensor.dtype == own.dtype else keras.ops.cast(tensor, own.dtype)


def takes_training(operation: keras.Operation) -> bool:
    """Whether a call of an operation takes the argument `training`."""
    return "training" in inspect.signature(operation.call).parameters


def _flat_names(graph: keras.Model) -> dict[int, str]:
    """A unique name for each operation at all levels, by its id; outer levels choose first."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    level = [("", graph)]
    while level:
        deeper = []
        for prefix, model in level:
            inner = [operation for operation in model.operations if is_model(operation)]
            deeper += [(f"{prefix}{nested.name}_", graph_of(nested)) for nested in inner]
            for operation in model.operations:
                nested_input = prefix and isinstance(operation, keras.layers.InputLayer)
                if is_model(operation) or nested_input or id(operation) in names:
                    continue
                name = operation.name if operation.name not in taken else f"{prefix}{operation.name}"
                number = 0
                while name in taken:
                    number += 1
                    name = f"{prefix}{operation.name}_{number}"
                taken.add(name)
                names[id(operation)] = name
        level = deeper
    return names


def _model_class(model: keras.Model) -> type[keras.Model]:
    """The class to rebuild with: the model's own when it is constructed as a Functional model is, else `keras.Model`.

    A subclass that adds a `train_step` keeps it so; one with a constructor of its own cannot be made from a graph.
    """
    if isinstance(model, keras.Sequential):
        return keras.Model
    parameters = list(inspect.signature(type(model).__init__).parameters.values())[1:]
    kinds = {parameter.kind for parameter in parameters}
    if {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds:
        return type(model)
    if [parameter.name for parameter in parameters[:3]] == ["inputs", "outputs", "name"]:
        return type(model)
    return keras.Model
