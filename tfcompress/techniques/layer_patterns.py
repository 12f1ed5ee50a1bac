"""Which layers of a model the patterns of a technique mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import keras

from tfcompress.errors import RecipeError, suggestion
from tfcompress.models.surgery import layers_of


@dataclass(frozen=True)
class LayerSettings:
    """What the patterns say of each layer, by its id.

    Attributes:
        own: The setting of the first pattern that matches, where one does.
        skipped: The pattern by which a layer is left alone; no layer of `own` is among them.
    """

    own: Mapping[int, Any]
    skipped: Mapping[int, str]


def settings_of(technique: str, model: keras.Model, layers: Mapping[str, Any], skip: Sequence[str]) -> LayerSettings:
    """Matches patterns, with `*` and `?`, against the name and the type of each layer.

    Args:
        technique: Its name, for errors.
        model: A model with a graph.
        layers: Settings by pattern, which come before `skip`.
        skip: Patterns of layers to leave alone.

    Raises:
        RecipeError: A pattern matches no layer.

    Example:
        >>> dense = keras.layers.Dense
        >>> model = keras.Sequential([keras.Input((4,)), dense(2, name="a"), dense(2, name="b")])
        >>> found = settings_of("LowRank", model, {"a": 3}, ["Dense"])
        >>> list(found.own.values()), list(found.skipped.values())
        ([3], ['Dense'])
    """
    known = layers_of(model)
    for pattern in (*layers, *skip):
        if not any(_matches(pattern, layer) for layer in known):
            names = [layer.name for layer in known]
            raise RecipeError(
                f"{technique}: {pattern!r} matches no layer of {model.name!r}. {suggestion(pattern, names)}"
            )
    own, skipped = {}, {}
    for layer in known:
        setting = next((pattern for pattern in layers if _matches(pattern, layer)), None)
        left = next((pattern for pattern in skip if _matches(pattern, layer)), None)
        if setting is not None:
            own[id(layer)] = layers[setting]
        elif left is not None:
            skipped[id(layer)] = left
    return LayerSettings(own, skipped)


def _matches(pattern: str, layer: keras.Layer) -> bool:
    return any(fnmatchcase(name, pattern) for name in (layer.name, type(layer).__name__))
