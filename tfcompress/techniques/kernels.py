"""The kernels of a model: found, chosen by pattern, wrapped in stacks that keep what earlier steps established."""

import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import keras

from tfcompress.errors import RecipeError, TfCompressWarning, suggestion
from tfcompress.models.surgery import After, Replace, layers_of, rebuild
from tfcompress.techniques.keeping import keeping
from tfcompress.techniques.technique import Property, Technique, check_ready
from tfcompress.transforms.channels import channel_axes
from tfcompress.transforms.transform import Transform
from tfcompress.transforms.wrapper import Transformed


@dataclass(frozen=True)
class Kernel:
    """One weight that a technique may transform: `position` in its layer's `weights`."""

    layer: keras.Layer
    position: int

    @property
    def variable(self) -> keras.Variable:
        """The weight itself."""
        return self.layer.weights[self.position]

    @property
    def name(self) -> str:
        """The layer's name and the weight's, `"conv1/kernel"`; with the position where weights share a name."""
        same = [weight for weight in self.layer.weights if weight.name == self.variable.name]
        return f"{self.layer.name}/{self.variable.name}" + (f":{self.position}" if len(same) > 1 else "")


def kernels_of(model: keras.Model) -> Iterator[Kernel]:
    """The kernels and embeddings of all layers: what a layer multiplies its inputs by; biases and scales are none.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="head")])
        >>> [kernel.name for kernel in kernels_of(model)]
        ['head/kernel']
    """
    for layer in layers_of(model):
        for position, variable in enumerate(layer.weights):
            if len(variable.shape) >= 2 and ("kernel" in variable.name or "embeddings" in variable.name):
                yield Kernel(layer, position)


@dataclass(frozen=True)
class Additions:
    """What a technique puts into a graph besides transforms of kernels; see `surgery.rebuild`.

    Attributes:
        replace: What stands in for layers whose kernels get no transform.
        after: What is put after operations.
    """

    replace: Replace | None = None
    after: After | None = None


class WeightTechnique(Technique):
    """A technique whose work is a stack of transforms on each kernel; `layers` and `skip` say on which.

    A pattern is matched, with `*` and `?`, against the layer's name, its type, the weight's name, and layer/weight.
    """

    layers: Mapping[str, Any]
    """The setting of particular kernels by pattern; the first that matches counts, before `skip` and the default."""
    skip: tuple[str, ...]
    """Patterns of kernels to leave alone."""

    @property
    def trains(self) -> bool:
        """True: the weights must adjust to what is done to them."""
        return True

    @abstractmethod
    def stacks(self, model: keras.Model) -> dict[Kernel, list[Transform]]:
        """The technique's own transforms for each kernel of a plain model that it works on.

        Raises:
            RecipeError: A setting does not fit the model.
        """

    def wrap(self, model: keras.Model) -> keras.Model:
        """A new model whose kernels are transformed while it trains; what earlier steps established is kept.

        Raises:
            RecipeError: A setting does not fit the model, or the model is wrapped already.
            ModelError: A weight is NaN or infinite, or the model is one of tf_keras.
        """
        check_ready(model)
        return wrap_kernels(model, self.stacks(model), self.establishes, self.additions(model))

    def additions(self, model: keras.Model) -> Additions:
        """What the technique puts into the graph of a plain model besides its transforms."""
        return Additions()

    def with_fewer_values(self) -> "WeightTechnique":
        """The technique with one value fewer for each kernel, where another one adds a value; see `Together`."""
        return self

    def choose(self, model: keras.Model, default: Any) -> dict[Kernel, Any]:
        """The kernels to work on, each with its setting: that of its pattern in `layers`, else `default`.

        What is skipped is said once, in a warning.

        Raises:
            RecipeError: A pattern in `layers` matches no kernel, or no kernel is left.
        """
        chosen: dict[Kernel, Any] = {}
        skipped: dict[str, list[str]] = {}
        unused, name = set(self.layers), type(self).__name__
        for kernel in kernels_of(model):
            own = next((pattern for pattern in self.layers if _matches(pattern, kernel)), None)
            skip = next((pattern for pattern in self.skip if _matches(pattern, kernel)), None)
            if own is not None:
                chosen[kernel] = self.layers[own]
                unused.discard(own)
            elif skip is None:
                chosen[kernel] = default
            else:
                skipped.setdefault(skip, []).append(kernel.name)
        if unused:
            pattern = min(unused)
            bare = [layer for layer in layers_of(model) if pattern in (layer.name, type(layer).__name__)]
            if bare:
                what = f"{bare[0].name!r}, a {type(bare[0]).__name__} without a kernel"
                raise RecipeError(f"{name}: {pattern!r} is {what}. Leave it out.")
            known = [kernel.layer.name for kernel in kernels_of(model)]
            raise RecipeError(f"{name}: {pattern!r} matches no kernel of {model.name!r}. {suggestion(pattern, known)}")
        if not chosen:
            raise RecipeError(f"{name}: the model {model.name!r} has no kernel to work on.")
        if skipped:
            text = "; ".join(f"{', '.join(names)} (skip has {pattern!r})" for pattern, names in skipped.items())
            warnings.warn(f"{name} skipped {text}.", TfCompressWarning, stacklevel=4)
        return chosen


def has_established(model: keras.Model) -> bool:
    """Whether a kernel of a plain model has zeros or clusters that training would undo if nothing kept them."""
    return any(
        keeping(kernel.variable.numpy(), channel_axes(kernel.layer, kernel.variable), frozenset())
        for kernel in kernels_of(model)
    )


def wrap_kernels(
    model: keras.Model,
    stacks: Mapping[Kernel, Sequence[Transform]],
    establishing: frozenset[Property] = frozenset(),
    additions: Additions | None = None,
) -> keras.Model:
    """A new model that uses kernels through stacks of transforms, started on the trained weights.

    Before a kernel's own transforms stand those that keep what earlier steps established in it; a kernel without own
    transforms gets just these.

    Args:
        model: A plain model; it stays as it is.
        stacks: The transforms of each kernel of `model` that gets any of its own.
        establishing: What these transforms see to.
        additions: What else is put into the graph.
    """
    additions = additions or Additions()
    by_layer: dict[int, dict[int, Sequence[Transform]]] = {}
    for kernel in kernels_of(model):
        own = stacks.get(kernel, ())
        channels = channel_axes(kernel.layer, kernel.variable)
        stack = [*keeping(kernel.variable.numpy(), channels, establishing if own else frozenset()), *own]
        if stack:
            by_layer.setdefault(id(kernel.layer), {})[kernel.position] = stack

    def replace(clone: keras.Layer, source: keras.Layer) -> keras.Layer:
        stacks_of_layer = by_layer.get(id(source))
        if stacks_of_layer:
            return Transformed(clone, stacks_of_layer, source.get_build_config())
        return additions.replace(clone, source) if additions.replace else clone

    wrapped = rebuild(model, replace=replace, after=additions.after)
    for layer in layers_of(wrapped):
        if isinstance(layer, Transformed):
            if not layer.layer.trainable:
                layer.trainable = False
            layer.start()
    return wrapped


def _matches(pattern: str, kernel: Kernel) -> bool:
    names = (kernel.layer.name, type(kernel.layer).__name__, kernel.variable.name, kernel.name)
    return any(fnmatchcase(name, pattern) for name in names)
