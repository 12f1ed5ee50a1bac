"""What a model puts out: logits, or probabilities behind a softmax or sigmoid; and the logits of either."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from tfcompress.errors import RecipeError, suggestion
from tfcompress.models.graph import LayerCall, graph_of, is_model, trace
from tfcompress.transforms.activation_range import ActivationRange, FixedRange
from tfcompress.transforms.wrapper import Transformed

_LEAST_PROBABILITY = 1e-30
"""float32 has no logarithm of less that a gradient passes; at that size a class does not count at any temperature."""

_KEEPS_VALUES = (
    ActivationRange,
    FixedRange,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.Identity,
    keras.layers.Reshape,
)
"""Layers that hand on what they get, so that the kind of their output is that of their input."""


class OutputKind(Enum):
    """What the last axis of an output holds."""

    LOGITS = "logits"
    """Unbounded values: logits, or the values of a regression."""
    SOFTMAX = "softmax"
    """Probabilities of classes that exclude each other."""
    SIGMOID = "sigmoid"
    """Probabilities, each for itself."""
    SIGMOID_LOGITS = "sigmoid_logits"
    """Unbounded values of which a sigmoid makes probabilities, each for itself."""


Said: TypeAlias = OutputKind | Mapping[str, OutputKind] | None
"""What a user says of the outputs: one kind for all, a kind for some by name, or nothing."""

_TOLERANCE = 5e-3
"""How far from 1 a softmax in half precision adds up."""
_HALF = ("float16", "bfloat16")
_SOFTMAX = (keras.activations.softmax, keras.ops.softmax, tf.nn.softmax)
_SIGMOID = (keras.activations.sigmoid, keras.ops.sigmoid, tf.nn.sigmoid)


def make_kind(what: str, value: Any) -> OutputKind:
    """The kind of this name, or itself.

    Raises:
        RecipeError: There is no such kind.
    """
    kinds = {kind.value: kind for kind in OutputKind}
    if isinstance(value, OutputKind) or value in kinds:
        return kinds.get(value, value)
    raise RecipeError(f"{what} is {value!r}. {suggestion(str(value), kinds)}")


def make_said(what: str, value: Any) -> Said:
    """What a setting says of the outputs: a kind or its name, a table of these by output, or None for nothing.

    Raises:
        RecipeError: There is no such kind.
    """
    if isinstance(value, Mapping):
        return {name: make_kind(f"{what}[{name!r}]", kind) for name, kind in value.items()}
    return None if value is None else make_kind(what, value)


def said_kinds(names: Sequence[str], said: Said) -> list[OutputKind | None]:
    """What is said of each output, None where that is nothing.

    Raises:
        RecipeError: There is no output of a name.
    """
    if not isinstance(said, Mapping):
        return [said] * len(names)
    for name in said:
        if name not in names:
            raise RecipeError(f"outputs: the student has no output {name!r}. {suggestion(name, names)}")
    return [said.get(name) for name in names]


def output_kinds(model: keras.Model) -> list[OutputKind]:
    """The kind of each output of a model, in flat order, found by the layer that makes it.

    An activation inside a layer or function of the user's own cannot be seen: its output counts as logits, and
    `output_checks` looks at the values. Of a subclassed model nothing can be seen, and the list is empty.

    Args:
        model: A plain or wrapped model.

    Example:
        >>> layers = [keras.Input((3,)), keras.layers.Dense(2, activation="softmax")]
        >>> output_kinds(keras.Sequential(layers))
        [<OutputKind.SOFTMAX: 'softmax'>]
    """
    if not is_model(model):
        return []
    graph = graph_of(model)
    calls, outputs = trace(graph, graph.inputs)
    makers = {id(tensor): call for call in calls for tensor in call.outputs}
    return [_kind(makers.get(id(output)), makers) for output in outputs]


def _kind(call: LayerCall | None, makers: dict[int, LayerCall]) -> OutputKind:
    while call is not None:
        layer = call.operation.layer if isinstance(call.operation, Transformed) else call.operation
        activation = getattr(layer, "activation", None)
        if isinstance(layer, keras.layers.Softmax) or any(activation is known for known in _SOFTMAX):
            return OutputKind.SOFTMAX
        if any(activation is known for known in _SIGMOID):
            return OutputKind.SIGMOID
        kinds = [kind for kind in OutputKind if type(layer).__name__.lower() == kind.value]  # keras.ops nodes
        if kinds:
            return kinds[0]
        linear = isinstance(layer, keras.layers.Activation) and activation is keras.activations.linear
        call = makers.get(id(call.inputs[0])) if linear or isinstance(layer, _KEEPS_VALUES) else None
    return OutputKind.LOGITS


def are_distributions(values: np.ndarray) -> bool:
    """Whether values are from 0 and add up to 1 along a last axis of two or more.

    Example:
        >>> are_distributions(np.array([[0.25, 0.75]])), are_distributions(np.array([[0.25, 0.25]]))
        (True, False)
    """
    several = values.ndim > 1 and values.shape[-1] > 1
    return several and bool((values >= 0).all() and (np.abs(values.sum(axis=-1) - 1) < _TOLERANCE).all())


def in_half(model: keras.Model) -> bool:
    """Whether a model with a graph gives an output in half precision."""
    return any(keras.backend.standardize_dtype(tensor.dtype) in _HALF for tensor in model.outputs)


def class_logits(output: Any, kind: OutputKind) -> Any:
    """The logits of the distributions that an output holds, along its last axis.

    Of probabilities p they are log p, which differs from the lost logits by a constant that no softmax sees. A sigmoid,
    or the logits of one, gives each of its units a new last axis of two classes, with the logits 0 and z.

    Args:
        output: Shape (batch, ..., classes), in float32 or more.
        kind: What it holds.

    Example:
        >>> import numpy as np
        >>> class_logits(np.array([[0.75]]), OutputKind.SIGMOID).numpy().round(4)
        array([[[0.    , 1.0986]]])
    """
    if kind is OutputKind.SOFTMAX:
        return keras.ops.log(keras.ops.maximum(output, _LEAST_PROBABILITY))
    if kind in (OutputKind.SIGMOID, OutputKind.SIGMOID_LOGITS):
        values = plain_values(output, kind)
        return keras.ops.stack([keras.ops.zeros_like(values), values], axis=-1)
    return output


def plain_values(output: Any, kind: OutputKind) -> Any:
    """An output as values to be compared one by one: logits; of a softmax those with mean 0.

    Example:
        >>> import numpy as np
        >>> probabilities = keras.ops.softmax(np.array([[3.0, 1.0]]))
        >>> plain_values(probabilities, OutputKind.SOFTMAX).numpy().round(4)
        array([[ 1., -1.]])
    """
    if kind is OutputKind.SOFTMAX:
        logits = class_logits(output, kind)
        return logits - keras.ops.mean(logits, axis=-1, keepdims=True)
    if kind is OutputKind.SIGMOID:
        inside = keras.ops.clip(output, keras.config.epsilon(), 1.0 - keras.config.epsilon())
        return keras.ops.log(inside) - keras.ops.log(1.0 - inside)
    return output


def shapes_agree(one: Sequence[int | None], other: Sequence[int | None]) -> bool:
    """Whether two shapes may be the same: sizes that are not known agree with all.

    Example:
        >>> shapes_agree((None, 3), (7, 3)), shapes_agree((3,), (3, 1))
        (True, False)
    """
    return len(one) == len(other) and all(a == b or None in (a, b) for a, b in zip(one, other, strict=True))
