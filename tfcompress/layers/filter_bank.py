"""What the convolutions of this room share: from a small kernel a bank of filters is made, for one plain convolution.

A bank is a function of the kernel alone, so a converter computes it once: the `.tflite` holds the bank in a plain
CONV_2D, and neither the sharing nor its smaller size.
"""

from abc import abstractmethod
from typing import Any

import keras

from tfcompress.errors import UnsupportedLayerError

_WEIGHTS = ("kernel", "bias")


class FilterBankConv2D(keras.layers.Layer):
    """A convolution whose filters are made from the kernel in each call.

    Subclasses say what shape the kernel has and how the bank is made from it. Only channels_last is known.

    Args:
        filters: Of the kernel, from 1.
        kernel_size: Height and width of the filters in the bank.
        strides: Of the convolution.
        padding: `"valid"` or `"same"`.
        dilation_rate: Of the convolution; above 1 not with strides.
        activation: As for `keras.layers.Conv2D`, as is what follows.
        use_bias: Whether each filter has a bias.
        kernel_initializer: Of the kernel.
        bias_initializer: Of the bias.
        kernel_regularizer: Of the kernel.
        bias_regularizer: Of the bias.
        kernel_constraint: Of the kernel.
        bias_constraint: Of the bias.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        dilation_rate: int | tuple[int, int] = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **keras_arguments: Any,
    ) -> None:
        super().__init__(**keras_arguments)
        self.filters = self.whole("filters", filters)
        self.kernel_size = self.pair("kernel_size", kernel_size)
        self.strides = self.pair("strides", strides)
        self.dilation_rate = self.pair("dilation_rate", dilation_rate)
        if padding not in ("valid", "same"):
            raise self.refusal(f"padding is {padding!r}", 'Give "valid" or "same".')
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise self.refusal("it has strides and a dilation", "Give one of them.")
        self.padding = padding
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.bank_shape: tuple[int, ...] = ()

    @property
    @abstractmethod
    def copies(self) -> int:
        """How many filters of the bank each filter of the kernel gives."""

    @property
    def channels(self) -> int:
        """Of the output."""
        return self.filters * self.copies

    @property
    def bank_filters(self) -> int:
        """How many filters the bank has."""
        return self.channels

    @abstractmethod
    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        """The kernel's (height, width, in, filters) for so many input channels.

        Raises:
            UnsupportedLayerError: The layer cannot take so many.
        """

    @abstractmethod
    def bank(self, kernel: Any) -> Any:
        """The filters (height, width, in, out) of the convolution that is computed."""

    @abstractmethod
    def bank_bias(self, bias: Any) -> Any:
        """The bias of each filter in the bank."""

    def combine(self, outputs: Any) -> Any:
        """What the outputs of the filters in the bank become."""
        return outputs

    def build(self, input_shape: Any) -> None:
        """Makes the kernel and the bias.

        Raises:
            UnsupportedLayerError: The input does not fit.
        """
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise self.refusal(
                f"its input has the shape {tuple(input_shape)}", "It takes (batch, height, width, channels)."
            )
        shape = self.kernel_shape(input_shape[-1])
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: input_shape[-1]})
        self.kernel = self.add_weight(
            name="kernel",
            shape=shape,
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.bank_shape = (*self.kernel_size, input_shape[-1], self.bank_filters)

    def call(self, inputs: Any) -> Any:
        """The activations."""
        outputs = self._convolve(inputs, self.bank(self.kernel))
        if self.bias is not None:
            # Added before filters are combined, so that the runtime's convolution takes it in.
            outputs = outputs + self.bank_bias(self.bias)
        return self.activation(self.combine(outputs))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The output's shape."""
        filters = keras.KerasTensor((*self.kernel_size, input_shape[-1], self.channels))
        return tuple(self._convolve(keras.KerasTensor(tuple(input_shape)), filters).shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        objects = {
            "activation": keras.activations.serialize(self.activation),
            **{
                f"{weight}_{kind}": getattr(keras, f"{kind}s").serialize(getattr(self, f"{weight}_{kind}"))
                for weight in _WEIGHTS
                for kind in ("initializer", "regularizer", "constraint")
            },
        }
        plain = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "use_bias")
        return super().get_config() | {name: getattr(self, name) for name in plain} | objects

    def refusal(self, what: str, instead: str) -> UnsupportedLayerError:
        """The error that names this layer."""
        return UnsupportedLayerError(f"Layer '{self.name}' ({type(self).__name__}): {what}. {instead}")

    def _convolve(self, inputs: Any, bank: Any) -> Any:
        return keras.ops.conv(
            inputs, bank, self.strides, self.padding, data_format="channels_last", dilation_rate=self.dilation_rate
        )

    def whole(self, what: str, value: Any) -> int:
        """A setting that must be a whole number from 1.

        Raises:
            UnsupportedLayerError: It is none.
        """
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.refusal(f"{what} is {value!r}", "Give a whole number from 1.")
        return value

    def pair(self, what: str, value: Any) -> tuple[int, int]:
        """A setting for height and width, given as one number or two.

        Raises:
            UnsupportedLayerError: It is neither.
        """
        pair = (value, value) if isinstance(value, int) else tuple(value)
        if len(pair) != 2:
            raise self.refusal(f"{what} is {value!r}", "Give one whole number from 1, or two.")
        return self.whole(what, pair[0]), self.whole(what, pair[1])
