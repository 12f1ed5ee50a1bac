"""The forms that are blocks of smaller convolutions, made from plain Keras layers."""

from abc import abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from math import prod
from typing import Any

import keras

from tfcompress.errors import RecipeError
from tfcompress.layers import Kernels, depthwise_separable, fire, inverted_residual
from tfcompress.models.graph import LayerCall, trace
from tfcompress.techniques.compact_form import OneByOne, check_whole, nested


class _Block(OneByOne):
    """A block of smaller convolutions."""

    @abstractmethod
    def weights(self, source: keras.layers.Conv2D) -> tuple[int, int]:
        """The weights in the kernels of the block that work at each place of its input, and at each of its output."""

    def left_alone(self, flat: keras.Model, convolutions: Collection[keras.layers.Conv2D]) -> dict[str, str]:
        """See `reason`; and those at whose sizes the block would take no fewer MACs."""
        found = super().left_alone(flat, convolutions)
        graph_calls, _ = trace(flat, flat.inputs)
        for source in convolutions:
            if source.name not in found:
                calls = [call for call in graph_calls if call.operation is source]
                own = prod(source.kernel.shape) * sum(outputs for _, outputs in map(_places, calls))
                if (macs := self.macs(source, calls)) >= own:
                    found[source.name] = f"{type(self).__name__} would take {macs:,} MACs, and it takes {own:,}"
        return found

    def macs(self, source: keras.layers.Conv2D, calls: Collection[LayerCall]) -> int:
        """The MACs of the block in place of a convolution in its calls; with open sizes, for one place of the output.

        What works at each place of the input is not spared by strides.
        """
        before, after = self.weights(source)
        return sum(before * inputs + after * outputs for inputs, outputs in map(_places, calls))

    def reason(self, source: keras.layers.Conv2D) -> str | None:
        """What the block cannot do, or that it would have no fewer weights."""
        if prod(source.kernel_size) == 1:
            return "its kernel is 1 x 1"
        if source.groups > 1 or max(source.dilation_rate) > 1:
            return "it is grouped or dilated"
        if source.kernel_constraint or source.bias_constraint or source.bias_regularizer or source.activity_regularizer:
            return "it has a constraint, or a regularizer of another thing than its kernel"
        weights, own = sum(self.weights(source)), prod(source.kernel.shape)
        return f"{type(self).__name__} would have {weights:,} weights, and it has {own:,}" if weights >= own else None


@dataclass(frozen=True)
class DepthwiseSeparable(_Block):
    """A depthwise convolution, batch norm, ReLU and a 1 x 1 convolution; see `layers.depthwise_separable`."""

    def weights(self, source: keras.layers.Conv2D) -> tuple[int, int]:
        """None; window x in + in x out."""
        height, width, channels, filters = source.kernel.shape
        return 0, int(height * width * channels + channels * filters)

    def replacement(self, source: keras.layers.Conv2D) -> keras.Layer:
        """The block as a model."""
        return nested(source, lambda inputs: depthwise_separable(inputs, use_bias=source.use_bias, **_shared(source)))


@dataclass(frozen=True)
class Fire(_Block):
    """A 1 x 1 convolution to few channels, then one of 1 x 1 and one of full size side by side; see `layers.fire`.

    Args:
        squeeze: The channels between, over the filters, in (0, 1).
    """

    squeeze: float = 0.125

    def __post_init__(self) -> None:
        if isinstance(self.squeeze, bool) or not isinstance(self.squeeze, (int, float)) or not 0 < self.squeeze < 1:
            raise RecipeError(f"Fire: squeeze must be a share in (0, 1), not {self.squeeze!r}.")

    def weights(self, source: keras.layers.Conv2D) -> tuple[int, int]:
        """In x squeezed; squeezed x out / 2 x (1 + window)."""
        height, width, channels, filters = source.kernel.shape
        squeezed = self._squeezed(source)
        return int(squeezed * channels), int(squeezed * (filters // 2) * (1 + height * width))

    def replacement(self, source: keras.layers.Conv2D) -> keras.Layer:
        """The block as a model."""
        squeeze = self._squeezed(source)
        return nested(source, lambda inputs: fire(inputs, squeeze=squeeze, use_bias=source.use_bias, **_shared(source)))

    def _squeezed(self, source: keras.layers.Conv2D) -> int:
        return max(1, round(self.squeeze * source.filters))


@dataclass(frozen=True)
class InvertedResidual(_Block):
    """A 1 x 1 convolution to more channels, a depthwise one, and one back; see `layers.inverted_residual`.

    Args:
        expansion: The channels between, over those of the input, from 1. MobileNetV2's 6 is for few channels at both
            ends; between the channels of a plain network, 2 saves as much.
    """

    expansion: int = 2

    def __post_init__(self) -> None:
        check_whole("InvertedResidual", "expansion", self.expansion, 1)

    def weights(self, source: keras.layers.Conv2D) -> tuple[int, int]:
        """In x between, none where nothing is expanded; between x (window + out)."""
        height, width, channels, filters = source.kernel.shape
        between = self.expansion * channels
        return int(channels * between if self.expansion > 1 else 0), int(between * (height * width + filters))

    def replacement(self, source: keras.layers.Conv2D) -> keras.Layer:
        """The block as a model."""
        return nested(source, lambda inputs: inverted_residual(inputs, expansion=self.expansion, **_shared(source)))


def _places(call: LayerCall) -> tuple[int, int]:
    """The places of a convolution's input and output; where a size is open, as many as there are to one output."""
    before, after = call.input_shape[1:3], call.output_shape[1:3]
    return (prod(call.operation.strides), 1) if None in (*before, *after) else (prod(before), prod(after))


def _shared(source: keras.layers.Conv2D) -> dict[str, Any]:
    """What a block takes over from a convolution."""
    return {
        "filters": source.filters,
        "kernel_size": source.kernel_size,
        "strides": source.strides,
        "padding": source.padding,
        "activation": source.activation,
        "kernels": Kernels(source.kernel_initializer, source.kernel_regularizer, source.dtype_policy),
        "name": source.name,
    }
