"""Concatenated ReLU: the positive and the negative part of each channel."""

from typing import Any

import keras


@keras.saving.register_keras_serializable("tfcompress")
class CReLU(keras.layers.Layer):
    """relu(x) and relu(-x), one after the other along the channels: twice the channels from as many filters.

    Early layers of trained networks have filters in pairs of opposite sign; with both parts kept, half of the filters
    do, and their weights and MACs are saved.

    Example:
        >>> print(CReLU()(keras.ops.array([[1.0, -2.0]])).numpy())
        [[1. 0. 0. 2.]]

    Reference:
        Shang et al., "Understanding and Improving Convolutional Neural Networks via Concatenated Rectified Linear
        Units", arXiv:1603.05201.
    """

    def __init__(self, **keras_arguments: Any) -> None:
        super().__init__(**keras_arguments)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Both parts, along the last axis."""
        # TFLite has no integer kernel for NEG; a product with -1 has one, and takes the ReLU in.
        return keras.ops.concatenate([keras.ops.relu(inputs), keras.ops.relu(inputs * -1.0)], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The output's shape."""
        return (*input_shape[:-1], 2 * input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """No argument but Keras' own."""
        return dict(super().get_config())
