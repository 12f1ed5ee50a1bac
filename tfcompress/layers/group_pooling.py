"""Pooling over the orientations of features on a symmetry group."""

from typing import Any

import keras

from tfcompress.layers.symmetry import named_group


@keras.saving.register_keras_serializable("tfcompress")
class GroupPooling(keras.layers.Layer):
    """The largest value over the orientations of each filter: what is left does not change with the orientation.

    Put it at the end of an equivariant network: pooled early, features lose how they lie to each other (the paper's
    error on rotated MNIST: 2.28 % at the end, 3.21 % after each layer).

    Args:
        group: `"p4"` or `"p4m"`, that of the input.

    Raises:
        UnsupportedLayerError: The orientations do not divide the input's channels; the message names the layer.

    Example:
        >>> print(GroupPooling()(keras.ops.array([[1.0, 5.0, 2.0, 3.0, -1.0, -2.0, -3.0, -4.0]])).numpy())
        [[ 5. -1.]]

    Reference:
        Cohen and Welling, "Group Equivariant Convolutional Networks", arXiv:1602.07576, section 6.
    """

    def __init__(self, group: str = "p4", **keras_arguments: Any) -> None:
        super().__init__(**keras_arguments)
        self.group = group
        self.symmetry = named_group(group)

    def build(self, input_shape: Any) -> None:
        """Checks the number of channels."""
        self.symmetry.filters(self, input_shape[-1])

    def call(self, inputs: Any) -> Any:
        """One channel for each filter."""
        shape = keras.ops.shape(inputs)
        by_filter = keras.ops.reshape(
            inputs, (*shape[:-1], self.symmetry.filters(self, shape[-1]), self.symmetry.order)
        )
        return keras.ops.max(by_filter, axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The output's shape."""
        return (*input_shape[:-1], self.symmetry.filters(self, input_shape[-1]))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"group": self.group}
