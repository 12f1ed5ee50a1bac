"""A small residual network for Fashion-MNIST: plain Keras."""

from typing import Any

import keras
from keras import layers


def build() -> keras.Model:
    """About 75,000 parameters in three stages of one block each, at 14x14, 7x7 and 4x4 pixels; answers with logits."""
    image = keras.Input((28, 28, 1))
    features = _convolution(image, 16, 2, "stem")
    for number, (filters, strides) in enumerate(((16, 1), (32, 2), (64, 2)), 1):
        features = _block(features, filters, strides, f"block{number}")
    logits = layers.Dense(10, name="head")(layers.GlobalAveragePooling2D()(features))
    return keras.Model(image, logits, name="residual")


def _block(inputs: Any, filters: int, strides: int, name: str) -> Any:
    """Two convolutions beside the identity, or beside a 1x1 convolution where the shape changes."""
    features = _convolution(inputs, filters, strides, f"{name}_first")
    features = _convolution(features, filters, 1, f"{name}_second", activation=False)
    if inputs.shape[-1] != filters:
        inputs = layers.Conv2D(filters, 1, strides, use_bias=False, name=f"{name}_shortcut")(inputs)
        inputs = layers.BatchNormalization(name=f"{name}_shortcut_norm")(inputs)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([features, inputs]))


def _convolution(inputs: Any, filters: int, strides: int, name: str, *, activation: bool = True) -> Any:
    convolution = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False, name=name)
    features = layers.BatchNormalization(name=f"{name}_norm")(convolution(inputs))
    return layers.ReLU(name=f"{name}_relu")(features) if activation else features
