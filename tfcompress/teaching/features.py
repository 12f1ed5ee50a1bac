"""What chosen layers give while a model runs: one pass for outputs and features, nested models entered."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import keras

from tfcompress.models.graph import LayerCall, graph_of, is_model, nested_inputs, run, trace
from tfcompress.models.surgery import layers_of, takes_training
from tfcompress.transforms.activation_range import ActivationRange, FixedRange

_ADD_NOTHING = tuple(
    getattr(keras.layers, name)
    for name in (
        *("ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "Identity"),
        *(f"{kind}{axes}D" for kind in ("Cropping", "SpatialDropout", "ZeroPadding") for axes in (1, 2, 3)),
    )
)
"""Layers that give what they get, padded, cropped or with noise: a student learns more from what they get."""
_LEARN_NOTHING = (keras.layers.Normalization, ActivationRange, FixedRange)
"""Layers whose weights are statistics of what reaches them."""


@dataclass(frozen=True)
class Feature:
    """The output of one layer, as automatic pairing and checks see it.

    Attributes:
        name: The layer's name.
        shape: The output's shape, the batch in front.
        telling: Whether automatic pairing takes it: layers that only pad, crop, drop or add noise, and those behind no
            weight that was learned, are compared only by name.
        unique: Whether no other layer, inside a nested model or around it, has its name. One that has is not compared.
    """

    name: str
    shape: tuple[int | None, ...]
    telling: bool = True
    unique: bool = True

    @property
    def size(self) -> tuple[int | None, ...]:
        """The axes between batch and channels: (height, width) of an image, () of a vector."""
        return self.shape[1:-1]

    def __str__(self) -> str:
        return f"{self.name} ({' x '.join('?' if axis is None else str(axis) for axis in self.shape[1:])})"


def features_of(model: keras.Model) -> list[Feature]:
    """The output of each layer of a model, in graph order; of a layer that is called twice, the last one.

    What the model puts out, and what only an activation divides from it, is no feature: outputs have objectives of
    their own. Neither are integers, and outputs of layers that give several.

    Example:
        >>> layers = [keras.Input((4,)), keras.layers.Dense(3, name="a"), keras.layers.Dense(2, name="b")]
        >>> [str(feature) for feature in features_of(keras.Sequential(layers))]
        ['a (3)']
    """
    graph = graph_of(model)
    calls, outputs = trace(graph, graph.inputs)
    makers = {id(tensor): call for call in calls for tensor in call.outputs}
    ends = {id(call) for call in calls if _puts_out(call, {id(output) for output in outputs}, calls)}
    learned, names = _learned(calls), _names(graph)
    found: dict[str, Feature] = {}
    for call in makers.values():
        tensor = call.outputs[0]
        named = isinstance(call.operation, keras.Layer) and len(call.outputs) == 1 and len(tensor.shape) >= 2
        if named and id(call) not in ends and keras.backend.is_float_dtype(tensor.dtype):
            name = call.operation.name
            telling = id(tensor) in learned and not isinstance(call.operation, _ADD_NOTHING)
            found[name] = Feature(name, tuple(tensor.shape), telling, unique=names[name] == 1)
    return list(found.values())


def _names(graph: keras.Model) -> Counter[str]:
    """How many operations have a name, inside nested models too."""
    models = [graph, *(graph_of(nested) for nested in _nested_models(graph))]
    return Counter({id(one): one.name for model in models for one in model.operations}.values())


def _learned(calls: list[LayerCall]) -> set[int]:
    """The tensors that depend on weights that were learned, by their ids."""
    found: set[int] = set()
    for call in calls:
        layer = call.operation
        own = isinstance(layer, keras.Layer) and not isinstance(layer, _LEARN_NOTHING) and bool(layer.weights)
        if own or any(id(tensor) in found for tensor in call.inputs):
            found |= {id(tensor) for tensor in call.outputs}
    return found


def _puts_out(call: LayerCall, outputs: set[int], calls: list[LayerCall]) -> bool:
    """Whether a call makes an output, or what an activation alone turns into one."""
    while True:
        if any(id(tensor) in outputs for tensor in call.outputs):
            return True
        readers = [other for other in calls if any(tensor is call.outputs[0] for tensor in other.inputs)]
        activations = (keras.layers.Activation, keras.layers.Softmax)
        if len(readers) != 1 or not isinstance(readers[0].operation, activations):
            return False
        call = readers[0]


class Tapped:
    """A model that is run so that the outputs of some layers are kept.

    Args:
        model: A model with a graph where there are names; any model otherwise.
        names: The layers whose outputs are kept.
    """

    def __init__(self, model: keras.Model, names: Collection[str]) -> None:
        self.model, self.names = model, frozenset(names)
        if self.names:
            self._graph = graph_of(model)
            self._entered = {id(nested) for nested in _nested_models(self._graph) if self._holds(nested)}

    def __call__(self, inputs: Any, *, training: bool) -> tuple[Any, dict[str, Any]]:
        """The outputs as the model's own call gives them, and what each named layer gave."""
        if not self.names:
            return self.model(inputs, training=training), {}
        kept: dict[str, Any] = {}

        def call(operation: keras.Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if id(operation) in self._entered:
                inner = graph_of(operation)
                return run(inner, nested_inputs(inner, args, kwargs), call)
            # Keras lets the mode of the whole model win over one that was given when a layer was called.
            if takes_training(operation):
                kwargs = {**kwargs, "training": training}
            outputs = operation(*args, **kwargs)
            if operation.name in self.names:
                kept[operation.name] = outputs
            return outputs

        # What a Functional does to its inputs before it runs; private, and Keras is pinned to one minor version.
        outputs = run(self._graph, self._graph._standardize_inputs(inputs), call)
        return outputs, kept

    def _holds(self, nested: keras.Model) -> bool:
        return any(layer.name in self.names for layer in layers_of(nested))


def _nested_models(graph: keras.Model) -> list[keras.Model]:
    """The models inside a graph, at all levels."""
    inside = [operation for operation in graph.operations if is_model(operation)]
    return [*inside, *(deeper for nested in inside for deeper in _nested_models(graph_of(nested)))]
