"""Blocks of small convolutions, as functions of a tensor: what takes the place of one large convolution.

Each makes plain Keras layers whose names begin with its own. Inside a block there is batch normalization; its last
convolution has the activation and the bias that it is told, so what follows is the caller's.
"""

from dataclasses import dataclass
from typing import Any

import keras

from tfcompress.errors import UnsupportedLayerError

_L = keras.layers


@dataclass(frozen=True)
class Kernels:
    """What the kernels of a block have in common.

    Attributes:
        initializer: Of all of them, as Keras takes it.
        regularizer: Of all of them, as Keras takes it.
        dtype: The precision of all layers, as Keras takes it.
    """

    initializer: Any = "glorot_uniform"
    regularizer: Any = None
    dtype: Any = None

    def conv(self, filters: int, size: Any, **settings: Any) -> keras.layers.Conv2D:
        """A convolution with such a kernel."""
        return _L.Conv2D(
            filters,
            size,
            kernel_initializer=_fresh(self.initializer),
            kernel_regularizer=self.regularizer,
            dtype=self.dtype,
            **settings,
        )

    def depthwise(self, size: Any, strides: Any, padding: str, name: str) -> keras.layers.DepthwiseConv2D:
        """A depthwise convolution with such a kernel, without a bias."""
        return _L.DepthwiseConv2D(
            size,
            strides,
            padding,
            use_bias=False,
            depthwise_initializer=_fresh(self.initializer),
            depthwise_regularizer=self.regularizer,
            dtype=self.dtype,
            name=name,
        )


def depthwise_separable(
    inputs: Any,
    filters: int,
    kernel_size: int | tuple[int, int] = 3,
    strides: int | tuple[int, int] = 1,
    padding: str = "same",
    *,
    activation: Any = None,
    use_bias: bool = True,
    kernels: Kernels = Kernels(),
    name: str,
) -> Any:
    """A depthwise convolution for places, then a 1 x 1 convolution for channels, with batch norm and ReLU between.

    Against a plain convolution it costs 1 / filters + 1 / (height width) of the weights and MACs.

    Args:
        inputs: Tensor (batch, height, width, channels).
        filters: Of the output.
        kernel_size: Of the depthwise kernel.
        strides: Of the depthwise convolution.
        padding: `"valid"` or `"same"`.
        activation: Of the 1 x 1 convolution, as Keras takes it.
        use_bias: Whether the 1 x 1 convolution has a bias.
        kernels: How kernels begin and are regularized.
        name: Of the 1 x 1 convolution; the names of the others begin with it.

    Example:
        >>> inputs = keras.Input((8, 8, 16))
        >>> keras.Model(inputs, depthwise_separable(inputs, 32, use_bias=False, name="block")).count_params()
        720

    Reference:
        Howard et al., "MobileNets", arXiv:1704.04861.
    """
    features = kernels.depthwise(kernel_size, strides, padding, f"{name}_depthwise")(inputs)
    features = _normed(features, kernels, f"{name}_depthwise", None)
    return kernels.conv(filters, 1, activation=activation, use_bias=use_bias, name=name)(features)


def fire(
    inputs: Any,
    filters: int,
    kernel_size: int | tuple[int, int] = 3,
    strides: int | tuple[int, int] = 1,
    padding: str = "same",
    *,
    squeeze: int,
    activation: Any = "relu",
    use_bias: bool = True,
    kernels: Kernels = Kernels(),
    name: str,
) -> Any:
    """A 1 x 1 convolution to few channels, then one of 1 x 1 and one of the full size side by side.

    Args:
        inputs: Tensor (batch, height, width, channels).
        filters: Of the output, even: each of the two branches has half of them.
        kernel_size: Of the large kernel.
        strides: Of both branches.
        padding: `"valid"` or `"same"`.
        squeeze: The channels between, from 1; SqueezeNet has an eighth of `filters`.
        activation: Of both branches, as Keras takes it.
        use_bias: Whether the branches have biases.
        kernels: How kernels begin and are regularized.
        name: Of the concatenation; the names of the others begin with it.

    Raises:
        UnsupportedLayerError: `filters` is odd.

    Example:
        >>> inputs = keras.Input((8, 8, 96))
        >>> keras.Model(inputs, fire(inputs, 128, squeeze=16, name="fire2")).count_params()
        11920

    Reference:
        Iandola et al., "SqueezeNet", arXiv:1602.07360.
    """
    if filters % 2:
        raise UnsupportedLayerError(
            f"Layer '{name}': a fire module has two branches of equal size, so its {filters} filters must be halved. "
            "Give it an even number."
        )
    settings = {"strides": strides, "activation": activation, "use_bias": use_bias}
    squeezed = kernels.conv(squeeze, 1, activation="relu", name=f"{name}_squeeze")(inputs)
    height, width = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    centre = squeezed
    if padding == "valid":
        # The places that the middle of the large kernel sees.
        cropping = (((height - 1) // 2, height // 2), ((width - 1) // 2, width // 2))
        centre = _L.Cropping2D(cropping, dtype=kernels.dtype, name=f"{name}_crop")(squeezed)
    branches = [
        kernels.conv(filters // 2, 1, name=f"{name}_expand_small", **settings)(centre),
        kernels.conv(filters // 2, kernel_size, padding=padding, name=f"{name}_expand_large", **settings)(squeezed),
    ]
    return _L.Concatenate(dtype=kernels.dtype, name=name)(branches)


def inverted_residual(
    inputs: Any,
    filters: int,
    kernel_size: int | tuple[int, int] = 3,
    strides: int | tuple[int, int] = 1,
    padding: str = "same",
    *,
    expansion: int = 6,
    activation: Any = None,
    kernels: Kernels = Kernels(),
    name: str,
) -> Any:
    """A 1 x 1 convolution to more channels, a depthwise one, and a linear 1 x 1 back; the input added where it fits.

    Batch norm follows each convolution, ReLU6 the first two. The input is added where it has the shape of the output.

    Args:
        inputs: Tensor (batch, height, width, channels).
        filters: Of the output.
        kernel_size: Of the depthwise kernel.
        strides: Of the depthwise convolution.
        padding: `"valid"` or `"same"`.
        expansion: The channels between, over those of the input; from 1, where the first convolution is left out.
        activation: Of the output, as Keras takes it; MobileNetV2 has none.
        kernels: How kernels begin and are regularized.
        name: With which the names of the layers begin.

    Example:
        >>> inputs = keras.Input((8, 8, 16))
        >>> model = keras.Model(inputs, inverted_residual(inputs, 16, name="block"))
        >>> [layer.name for layer in model.layers][-3:]
        ['block_project', 'block_project_norm', 'block_add']

    Reference:
        Sandler et al., "MobileNetV2", arXiv:1801.04381.
    """
    channels, features = inputs.shape[-1], inputs
    if expansion > 1:
        features = kernels.conv(expansion * channels, 1, use_bias=False, name=f"{name}_expand")(features)
        features = _normed(features, kernels, f"{name}_expand", 6.0)
    features = kernels.depthwise(kernel_size, strides, padding, f"{name}_depthwise")(features)
    features = _normed(features, kernels, f"{name}_depthwise", 6.0)
    features = kernels.conv(filters, 1, use_bias=False, name=f"{name}_project")(features)
    features = _L.BatchNormalization(dtype=kernels.dtype, name=f"{name}_project_norm")(features)
    if channels == filters and padding == "same" and strides in (1, (1, 1)):
        features = _L.Add(dtype=kernels.dtype, name=f"{name}_add")([inputs, features])
    if keras.activations.get(activation) is not keras.activations.linear:
        features = _L.Activation(activation, dtype=kernels.dtype, name=f"{name}_activation")(features)
    return features


def _normed(features: Any, kernels: Kernels, name: str, ceiling: float | None) -> Any:
    """Batch norm and ReLU, up to a ceiling."""
    normed = _L.BatchNormalization(dtype=kernels.dtype, name=f"{name}_norm")(features)
    return _L.ReLU(ceiling, dtype=kernels.dtype, name=f"{name}_relu")(normed)


def _fresh(initializer: Any) -> Any:
    """The initializer without the state of another layer's: Keras warns where one with a seed serves twice."""
    if isinstance(initializer, keras.initializers.Initializer):
        return initializer.clone()
    return initializer
