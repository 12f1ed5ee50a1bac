"""How a smaller model is made: channels of groups removed from layers, weights and settings, the source untouched."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tfcompress.models.channels import Channels
from tfcompress.models.cloning import copy_state
from tfcompress.models.surgery import rebuild


def cut(model: keras.Model, found: Channels, kept: Sequence[np.ndarray]) -> keras.Model:
    """Builds the model that is left when channels are removed.

    It computes what `model` would compute if the removed channels were zero wherever they are read; a layer or group
    norm takes its statistics over the channels that are left.

    Args:
        model: The model. It is not changed.
        found: Its groups, from `channel_groups`.
        kept: For each group the numbers of the channels that stay, ascending, one or more.

    Returns:
        The smaller model, uncompiled, with the weights and flags of `model` in what is left.

    Raises:
        UnsupportedLayerError: A layer cannot be made again from its config.

    Example:
        >>> from tfcompress.models.channels import channel_groups
        >>> layers = [keras.Input((3,)), keras.layers.Dense(4, name="a"), keras.layers.Dense(2, name="b")]
        >>> model = keras.Sequential(layers)
        >>> smaller = cut(model, channel_groups(model), [np.array([0, 2])])
        >>> [tuple(weight.shape) for weight in smaller.weights]
        [(3, 2), (2,), (2, 2), (2,)]
    """
    cutting = _Cutting(found, kept)
    made: list[tuple[keras.Layer, keras.Layer]] = []

    def replace(clone: keras.Layer, source: keras.Layer) -> keras.Layer:
        if id(source) not in cutting.layers:
            return clone
        smaller = type(clone).from_config(cutting.config(source, clone.get_config()))
        made.append((source, smaller))
        return smaller

    smaller = rebuild(model, replace, input_shapes=cutting.input_shapes(), operations=cutting.operations())
    for source, layer in made:
        copy_state(source, layer, cutting.part)
    return smaller


class _Cutting:
    """What stays of each weight and of each size in a config."""

    def __init__(self, found: Channels, kept: Sequence[np.ndarray]) -> None:
        self._found = found
        self._stays = np.ones(len(found.classes), bool)
        for group, numbers in zip(found.groups, kept, strict=True):
            self._stays[group.classes] = False
            self._stays[group.classes[np.asarray(numbers, int)]] = True
        self._places: dict[int, list[tuple[int, np.ndarray]]] = {}
        self.layers: set[int] = set()
        for weight in found.labels.weights.values():
            stays = self.stays(weight.ids)
            if not stays.all():
                self._places.setdefault(id(weight.variable), []).append((weight.axis, np.flatnonzero(stays)))
                self.layers.add(id(weight.layer))
        for (layer, _), sizes in found.labels.settings.items():
            if any(isinstance(size, np.ndarray) and not self.stays(size).all() for size in sizes):
                self.layers.add(layer)

    def stays(self, ids: np.ndarray) -> np.ndarray:
        """For each entry whether it stays."""
        return self._stays[self._found.classes[ids]]

    def config(self, layer: keras.Operation, config: dict[str, Any]) -> dict[str, Any]:
        """The config of a layer or operation with its sizes counted anew."""
        config = _without_shapes(config)
        for (owner, path), sizes in self._found.labels.settings.items():
            if owner == id(layer):
                counts = [int(self.stays(size).sum()) if isinstance(size, np.ndarray) else size for size in sizes]
                *outer, name = path.split(".")
                table = config
                for key in outer:
                    table = table[key]
                table[name] = counts if isinstance(table.get(name), (tuple, list)) else counts[0]
        return config

    def operations(self) -> dict[int, keras.Operation]:
        """The `keras.ops` operations that have other settings, made again, by the ids of those in the source."""
        named = {id(call.operation): call.operation for call in self._found.calls if id(call.operation) in self.layers}
        return {
            key: type(source).from_config(self.config(source, source.get_config()))
            for key, source in named.items()
            if not isinstance(source, keras.Layer)
        }

    def input_shapes(self) -> dict[int, tuple[int | None, ...]]:
        """The shapes of nested models' inputs that lose channels."""
        shapes = {}
        for layer, label in self._found.nested_inputs:
            stays = self.stays(label.ids)
            if not stays.all():
                shape = list(layer.batch_shape)
                shape[label.axis] = int(stays.sum())
                shapes[id(layer)] = tuple(shape)
        return shapes

    def part(self, variable: keras.Variable) -> Any:
        """What is left of a weight."""
        value = variable.numpy()
        for axis, places in self._places.get(id(variable), ()):
            value = np.take(value, places, axis)
        return value


def _without_shapes(config: Any) -> Any:
    """A config without the shapes from which layers inside it (as of Bidirectional) would be built at once."""
    if not isinstance(config, dict):
        return config
    return {key: _without_shapes(value) for key, value in config.items() if key != "build_config"}
