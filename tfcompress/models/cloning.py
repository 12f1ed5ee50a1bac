"""How one layer is made again: from its config, and then with its weights, flags and inner state."""

from collections.abc import Callable
from typing import Any

import keras

from tfcompress.errors import UnsupportedLayerError, first_line

# What a layer's own code may raise in `get_config` and `from_config` when it does not describe itself.
_CONFIG_ERRORS = (NotImplementedError, TypeError, ValueError, KeyError, AttributeError)


def clone_layer(source: keras.Layer, name: str) -> keras.Layer:
    """A new, unbuilt layer from a layer's config."""
    if isinstance(source, keras.layers.Lambda):
        raise UnsupportedLayerError(
            f"Layer '{source.name}' is a Lambda: its code is no part of the model's config. Write it as a keras.ops "
            "expression or as a layer of its own."
        )
    if hasattr(source, "get_vocabulary"):
        raise UnsupportedLayerError(
            f"Layer '{source.name}' ({type(source).__name__}) keeps a vocabulary outside its weights. Look words up "
            "before the model, and start the model at the integer indices."
        )
    try:
        return type(source).from_config({**source.get_config(), "name": name})
    except _CONFIG_ERRORS as error:
        raise UnsupportedLayerError(
            f"Layer '{source.name}' ({type(source).__name__}) cannot be made again from its config: "
            f"{first_line(error).rstrip('.')}. Give the class a get_config() that returns all arguments of its "
            "constructor, and register classes and functions that it uses with "
            "keras.saving.register_keras_serializable."
        ) from error


def clone_operation(source: keras.Operation, name: str) -> keras.Operation:
    """A `keras.ops` node's operation again. One that does not describe itself is stateless and serves both graphs."""
    try:
        return type(source).from_config({**source.get_config(), "name": name})
    except _CONFIG_ERRORS:
        return source


def copy_state(
    source: keras.Layer, clone: keras.Layer, part: Callable[[keras.Variable], Any] = keras.ops.convert_to_tensor
) -> None:
    """Copies flags and every variable: weights, seeds, states of stateful recurrent layers, adapted statistics.

    Args:
        source: The layer that is copied from.
        clone: The layer made again from its config.
        part: The value that the clone takes for a variable of the source: all of it, or a part.
    """
    if not clone.built:
        return  # replaced by a layer of another kind, whose weights are the caller's to set
    variables, targets = source.variables, clone.variables
    values = [part(variable) for variable in variables]
    sources, clones = source._flatten_layers(), clone._flatten_layers()  # parents first: a flag reaches down
    for own, other in zip(sources, clones, strict=False):
        other.trainable = own.trainable
    if [tuple(value.shape) for value in values] != [tuple(variable.shape) for variable in targets]:
        raise UnsupportedLayerError(
            f"Layer '{source.name}' ({type(source).__name__}) has {len(variables)} variables and made again from its "
            f"config {len(targets)}, or of other shapes. Its get_config() must describe it completely."
        )
    for variable, value, target in zip(variables, values, targets, strict=True):
        target.assign(value)
        if target.trainable != variable.trainable:
            target.trainable = variable.trainable
    for own, other in zip(sources, clones, strict=False):
        if hasattr(other, "finalize_state"):
            other.finalize_state()
        if isinstance(own, keras.layers.RNN) and own.states is not None:
            _copy_states(own, other)


def _copy_states(source: keras.layers.RNN, clone: keras.layers.RNN) -> None:
    """Copies what a stateful recurrent layer remembers; Keras does not count it among the layer's variables."""
    states, targets = keras.tree.flatten(source.states), keras.tree.flatten(clone.states)
    for state, target in zip(states, targets, strict=True):
        target.assign(state)
