"""Batch normalization of features on a symmetry group: one scale and shift for all orientations of a filter."""

from typing import Any

import keras

from tfcompress.layers.symmetry import named_group


@keras.saving.register_keras_serializable("tfcompress")
class GroupBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization whose mean, variance, gamma and beta belong to a filter, whatever its orientation.

    Plain batch normalization would learn another scale for each orientation, and a turned input would no longer give a
    turned output.

    Args:
        group: `"p4"` or `"p4m"`, that of the input.
        momentum: As for `keras.layers.BatchNormalization`, as are the other arguments.
        epsilon: Added to the variance.
        center: Whether to add beta.
        scale: Whether to multiply by gamma.
        arguments: The initializers, regularizers and constraints of `keras.layers.BatchNormalization`, by name.

    Raises:
        UnsupportedLayerError: The orientations do not divide the input's channels; the message names the layer.

    Example:
        >>> layer = GroupBatchNormalization()
        >>> layer.build((None, 8, 8, 20))
        >>> tuple(layer.gamma.shape)
        (5,)

    Reference:
        Cohen and Welling, "Group Equivariant Convolutional Networks", arXiv:1602.07576, section 6.2.
    """

    def __init__(
        self,
        group: str = "p4",
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **arguments: Any,
    ) -> None:
        super().__init__(momentum=momentum, epsilon=epsilon, center=center, scale=scale, **arguments)
        self.group = group
        self.symmetry = named_group(group)

    def build(self, input_shape: Any) -> None:
        """Makes the statistics and the scales, one for each filter."""
        channels = input_shape[-1]
        super().build((*input_shape[:-1], self.symmetry.filters(self, channels)))
        self.input_spec = keras.layers.InputSpec(ndim=len(input_shape), axes={-1: channels})

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The normalized features."""
        values = keras.ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        mean, variance = self._cast(self.moving_mean, values), self._cast(self.moving_variance, values)
        if training and self.trainable:
            kept, (mean, variance) = (mean, variance), self._statistics(values)
            for variable, old, new in zip(
                (self.moving_mean, self.moving_variance), kept, (mean, variance), strict=True
            ):
                variable.assign(old * self.momentum + new * (1.0 - self.momentum))
        outputs = keras.ops.batch_normalization(
            values,
            mean=self._spread(mean),
            variance=self._spread(variance),
            axis=-1,
            offset=self._spread(self._cast(self.beta, values)) if self.center else None,
            scale=self._spread(self._cast(self.gamma, values)) if self.scale else None,
            epsilon=self.epsilon,
        )
        return keras.ops.cast(outputs, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"group": self.group}

    def _statistics(self, values: Any) -> tuple[Any, Any]:
        """Mean and variance of each filter, over the batch, all places and all orientations."""
        by_channel = tuple(range(len(values.shape) - 1))
        mean = self._over_orientations(keras.ops.mean(values, axis=by_channel))
        deviations = keras.ops.square(values - self._spread(mean))
        return mean, self._over_orientations(keras.ops.mean(deviations, axis=by_channel))

    def _over_orientations(self, by_channel: Any) -> Any:
        return keras.ops.mean(keras.ops.reshape(by_channel, (-1, self.symmetry.order)), axis=-1)

    def _spread(self, by_filter: Any) -> Any:
        return keras.ops.repeat(by_filter, self.symmetry.order)

    def _cast(self, variable: keras.Variable, like: Any) -> Any:
        return keras.ops.cast(variable, like.dtype)
