"""The table of forms into which plain convolutions can be rewritten, and those that need layers of their own."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import keras

from tfcompress.errors import RecipeError, UnsupportedLayerError
from tfcompress.layers import CReLU, DoubleConv2D, symmetry
from tfcompress.models.folding import chains
from tfcompress.models.surgery import flatten, layers_of, rebuild
from tfcompress.techniques.compact_blocks import DepthwiseSeparable, Fire, InvertedResidual
from tfcompress.techniques.compact_form import Form, OneByOne, check_whole, nested
from tfcompress.techniques.equivariance import convolution_settings, equivariant
from tfcompress.transforms.named import named

Conv2D = keras.layers.Conv2D


@dataclass(frozen=True)
class DoublyConvolutional(OneByOne):
    """Filters that are the windows of larger meta filters; see `layers.DoubleConv2D`.

    The number of filters must be divisible by ((extra + 1) / pool)^2.

    Args:
        extra: By how much a meta filter is higher and wider than a filter, from 1.
        pool: The shifts in each direction of which the largest counts; divides extra + 1. With `extra + 1` there are
            more weights than before, for accuracy.
    """

    extra: int = 1
    pool: int = 1

    def __post_init__(self) -> None:
        check_whole("DoublyConvolutional", "extra", self.extra, 1)
        check_whole("DoublyConvolutional", "pool", self.pool, 1)
        if (self.extra + 1) % self.pool:
            raise RecipeError(
                f"DoublyConvolutional: pool {self.pool} does not divide the {self.extra + 1} shifts in each direction."
            )

    def reason(self, source: keras.layers.Conv2D) -> str | None:
        """A 1 x 1 kernel, whose shifts are filters of their own, or groups."""
        if prod(source.kernel_size) == 1:
            return "its kernel is 1 x 1"
        return "it is grouped" if source.groups > 1 else None

    def replacement(self, source: keras.layers.Conv2D) -> keras.Layer:
        """The layer with as many channels."""
        shifts = ((self.extra + 1) // self.pool) ** 2
        if source.filters % shifts:
            raise UnsupportedLayerError(
                f"Layer '{source.name}' (Conv2D): the {shifts} shifts of each meta filter do not divide its "
                f"{source.filters} filters. Choose another extra or pool for it in `layers`, or put it into `skip`."
            )
        settings = convolution_settings(source) | {"extra": self.extra, "pool": self.pool}
        return DoubleConv2D.from_config(settings | {"filters": source.filters // shifts})


@dataclass(frozen=True)
class ConcatenatedReLU(Form):
    """Half of the filters, of which both the positive and the negative part go on; see `layers.CReLU`.

    Only convolutions that a ReLU follows, with or without batch norm between, can be halved.
    """

    def left_alone(self, flat: keras.Model, convolutions: Collection[keras.layers.Conv2D]) -> dict[str, str]:
        """Those that no ReLU follows, or that something else reads too."""
        followed = {chain.layer.name for chain in chains(flat) if chain.activation == "relu"}
        left = {}
        for source in convolutions:
            if source.name not in followed and source.activation is not keras.activations.relu:
                left[source.name] = "no ReLU follows it alone"
            elif source.groups > 1:
                left[source.name] = "it is grouped"
            elif source.filters % 2:
                raise UnsupportedLayerError(
                    f"Layer '{source.name}' (Conv2D): its {source.filters} filters cannot be halved for a concatenated "
                    "ReLU. Give it an even number, or put it into `skip`."
                )
        return left

    def rewrite(self, flat: keras.Model, names: Collection[str]) -> keras.Model:
        """Halves the convolutions and their batch norms, and puts concatenated ReLUs in the place of ReLUs."""
        found = [chain for chain in chains(flat) if chain.layer.name in names]
        normed = {id(chain.batch_norm) for chain in found if chain.batch_norm is not None}
        rectifiers = {id(chain.rectifier) for chain in found}
        # A `keras.ops` node cannot be replaced: it is skipped, and what it read gets the layer.
        operations = {
            id(chain.batch_norm or chain.layer): chain.rectifier
            for chain in found
            if not isinstance(chain.rectifier, keras.Layer)
        }

        def replace(clone: keras.Layer, source: keras.Layer) -> keras.Layer:
            if source.name in names:
                return _halved(source)
            if id(source) in normed:
                return type(source).from_config(source.get_config())
            return CReLU(name=source.name, dtype=source.dtype_policy) if id(source) in rectifiers else clone

        def after(source: keras.Operation, output: Any) -> Any:
            rectifier = operations.get(id(source))
            return output if rectifier is None else CReLU(name=rectifier.name)(output)

        return flatten(rebuild(flat, replace, after, skip=list(operations.values())))


@dataclass(frozen=True)
class _OnGroup(Form):
    """Convolutions on a symmetry group, all of the network's.

    Args:
        width: The filters of a layer over those of the plain one, in (0, 1]; by default 1 / sqrt(order), which keeps
            the number of weights.
    """

    whole: ClassVar[bool] = True
    group: ClassVar[symmetry.Group]

    width: float | None = None

    def __post_init__(self) -> None:
        width = self.width
        if width is not None and (isinstance(width, bool) or not isinstance(width, (int, float)) or not 0 < width <= 1):
            raise RecipeError(f"{type(self).__name__}: width must be in (0, 1], not {width!r}.")

    def left_alone(self, flat: keras.Model, convolutions: Collection[keras.layers.Conv2D]) -> dict[str, str]:
        """None: what does not fit is an error."""
        return {}

    def rewrite(self, flat: keras.Model, names: Collection[str]) -> keras.Model:
        """See `equivariance.equivariant`."""
        return equivariant(flat, self.group, self.group.order**-0.5 if self.width is None else self.width)


class P4(_OnGroup):
    """Quarter turns; see `layers.GroupConv2D`."""

    group: ClassVar[symmetry.Group] = symmetry.P4


class P4M(_OnGroup):
    """Quarter turns and reflections; see `layers.GroupConv2D`."""

    group: ClassVar[symmetry.Group] = symmetry.P4M


FORMS: dict[str, type[Form]] = {
    form.__name__: form
    for form in (ConcatenatedReLU, DepthwiseSeparable, DoublyConvolutional, Fire, InvertedResidual, P4, P4M)
}
"""The table of forms: the name a recipe gives each of them."""


def make_form(value: Form | Mapping[str, Any] | str) -> Form:
    """The form itself, or the one of a name or table.

    Raises:
        RecipeError: The form or a setting is unknown, or a setting is out of range.
    """
    return named("form", value, FORMS)


def plain_convolutions(flat: keras.Model) -> list[keras.layers.Conv2D]:
    """The layers of a flat model that are `keras.layers.Conv2D`, and not of a class derived from it.

    Raises:
        UnsupportedLayerError: One has its channels first; the message names it.
    """
    found = [layer for layer in layers_of(flat) if type(layer) is Conv2D]
    for layer in found:
        if layer.data_format != "channels_last":
            raise UnsupportedLayerError(
                f"Layer '{layer.name}' (Conv2D) has data_format={layer.data_format!r}. Build the model with "
                "channels_last, as TFLite has it."
            )
    return found


def _halved(source: keras.layers.Conv2D) -> keras.Layer:
    """A convolution with half of the filters; with the concatenated ReLU, where it has a ReLU of its own."""
    config = source.get_config() | {"filters": source.filters // 2}
    if source.activation is not keras.activations.relu:
        return Conv2D.from_config(config)
    convolution = Conv2D.from_config(config | {"activation": "linear"})
    crelu = CReLU(name=f"{source.name}_crelu", dtype=source.dtype_policy)
    return nested(source, lambda inputs: crelu(convolution(inputs)))
