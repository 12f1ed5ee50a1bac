"""What every technique is: a plain Keras model in, a plain Keras model out, and settings that are data."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar

import keras

from tfcompress.errors import RecipeError, TfCompressWarning, suggestion
from tfcompress.models.generation import check_generation
from tfcompress.models.loading import check_finite
from tfcompress.models.surgery import layers_of, rebuild
from tfcompress.teaching.distilled import is_distilled
from tfcompress.transforms.activation_range import ActivationRange
from tfcompress.transforms.frozen_statistics import FrozenStatistics
from tfcompress.transforms.wrapper import Transformed


class Property(Enum):
    """What a step can establish in the weights of a model, and later steps keep or undo."""

    SPARSITY = "sparsity"
    """Entries that are zero."""
    CLUSTERS = "clusters"
    """Few distinct values, so that an entry is an index into a codebook."""
    RANGES = "ranges"
    """Weights on an integer grid, and the ranges of activations that go with it."""


@dataclass(frozen=True)
class Technique(ABC):
    """One step of a recipe. A subclass is a frozen dataclass; its fields are its settings and the keys of its table."""

    establishes: ClassVar[frozenset[Property]] = frozenset()
    preserves: ClassVar[frozenset[Property]] = frozenset()
    nested: ClassVar[tuple[str, ...]] = ()
    """The settings that hold other techniques."""

    @property
    @abstractmethod
    def trains(self) -> bool:
        """Whether what `wrap` gives is meant to be trained before `strip`."""

    @property
    def reads(self) -> tuple[Path, ...]:
        """The files that the technique reads; when one changes, `compress` makes the step again."""
        return ()

    @abstractmethod
    def wrap(self, model: keras.Model) -> keras.Model:
        """A new model with the technique at work in it, ready to compile and fit; `model` stays as it is."""

    def strip(self, model: keras.Model) -> keras.Model:
        """A plain model with what the technique made of its weights; see `strip`."""
        return strip(model)

    def conflict(self, earlier: "Technique") -> str | None:
        """Why this step must not follow `earlier` in a recipe, or None."""
        undone = earlier.establishes - self.preserves
        if not undone:
            return None
        words = " and ".join(sorted(item.value for item in undone))
        return f"it would undo the {words} that {type(earlier).__name__} established. Put it first."

    def to_settings(self) -> dict[str, Any]:
        """The settings that differ from their defaults, as the plain data that a recipe's table holds."""
        return _changed(self)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], make: Callable[[Any], "Technique"]) -> "Technique":
        """Makes the technique from a recipe's table.

        Args:
            settings: The table, without the technique's name.
            make: Makes a technique from a table with its name, for the settings that hold other techniques.

        Raises:
            RecipeError: A setting has an unknown name or a value out of range.
        """
        known = [item.name for item in fields(cls)]
        for name in settings:
            if name not in known:
                raise RecipeError(f"{cls.__name__} has no setting {name!r}. {suggestion(name, known)}")
        within = {
            name: make(inner) if isinstance(inner := settings[name], Mapping) else [make(table) for table in inner]
            for name in cls.nested
            if name in settings
        }
        return cls(**{**settings, **within})


def check_ready(model: keras.Model) -> None:
    """Refuses a model that no technique may begin with.

    Raises:
        ModelError: It is one of tf_keras, or a weight is NaN or infinite.
        RecipeError: A technique is at work in it.
        UnsupportedLayerError: It has no graph.
    """
    check_generation(model)
    check_finite(model)
    if is_distilled(model) or any(isinstance(layer, Transformed) for layer in layers_of(model)):
        raise RecipeError(f"The model {model.name!r} is wrapped already. Finish that step with tfc.strip(model) first.")


def _changed(settings: Any) -> dict[str, Any]:
    """The fields of a settings dataclass that differ from their defaults, as plain data."""
    values = {}
    for item in fields(settings):
        value = getattr(settings, item.name)
        default = item.default_factory() if item.default_factory is not MISSING else item.default
        if value != default:
            values[item.name] = _plain(value)
    return values


def _plain(value: Any) -> Any:
    """A setting as numbers, texts, lists and tables; a settings object becomes its type and what was changed in it."""
    if isinstance(value, Technique):
        return {"technique": type(value).__name__, **value.to_settings()}
    if is_dataclass(value):
        changed = _changed(value)
        return {"type": type(value).__name__, **changed} if changed else type(value).__name__
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def strip(model: keras.Model) -> keras.Model:
    """A plain model: each wrapped layer gives way to its inner layer with the transformed kernel as its weight.

    A student that learns from a teacher becomes the plain student.
    Ranges of activations become constants: `FixedRange` layers without weights, which `tfc.convert` reads.

    Args:
        model: A model that a technique wrapped, or one with nothing wrapped. It stays as it is.

    Returns:
        A new model that computes the same, without any wrapper of tfcompress; it is not compiled.

    Example:
        >>> import tfcompress as tfc
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> plain = tfc.strip(tfc.MagnitudePruning(sparsity=0.5).wrap(model))
        >>> float((plain.layers[-1].kernel.numpy() == 0).mean())
        0.5
    """
    wrappers: list[Transformed] = []
    unseen = [layer for layer in layers_of(model) if isinstance(layer, ActivationRange) and not layer.seen]

    def replace(clone: keras.Layer, source: keras.Layer) -> keras.Layer:
        if isinstance(source, ActivationRange):
            return source.fixed()
        if isinstance(clone, FrozenStatistics):
            clone.build_from_config(source.get_build_config())
            return clone.layer
        if not isinstance(clone, Transformed):
            return clone
        if not clone.built:
            clone.build()
        wrappers.append(clone)
        return clone.layer

    plain = rebuild(model, replace=replace, skip=unseen)
    for wrapper in wrappers:
        wrapper.release()
    missed = [f"{wrapper.name}: {text}" for wrapper in wrappers for text in wrapper.shortfalls()]
    if missed:
        warnings.warn(
            f"Not everything was reached. {'; '.join(missed)}. Train longer.", TfCompressWarning, stacklevel=2
        )
    if unseen:
        names = ", ".join(layer.name for layer in unseen)
        warnings.warn(
            f"{names}: no training batch passed, or every value in it was 0, so there is no range to keep. Conversion "
            "takes it from representative data; to train it, fit the wrapped model first.",
            TfCompressWarning,
            stacklevel=2,
        )
    return plain
