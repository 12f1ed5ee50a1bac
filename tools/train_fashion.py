"""A small network with depthwise layers and batch norm for Fashion-MNIST, in the manner of MobileNet: plain Keras."""

from collections.abc import Callable

import keras
from keras import layers


def build(limit: float | None = 6.0) -> keras.Model:
    """About 22,000 parameters; answers with logits. `limit` is where its ReLUs end."""
    image = keras.Input((28, 28, 1))
    features = _normed(layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="stem"), limit)(image)
    for number, (filters, strides) in enumerate(((32, 1), (64, 2), (64, 1), (128, 2)), 1):
        depthwise = layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False, name=f"depthwise{number}")
        features = _normed(depthwise, limit)(features)
        features = _normed(layers.Conv2D(filters, 1, use_bias=False, name=f"pointwise{number}"), limit)(features)
    logits = layers.Dense(10, name="head")(layers.GlobalAveragePooling2D()(features))
    return keras.Model(image, logits, name="fashion")


def _normed(convolution: keras.Layer, limit: float | None) -> Callable[[keras.KerasTensor], keras.KerasTensor]:
    """The convolution, then batch norm, then a ReLU."""

    def apply(inputs: keras.KerasTensor) -> keras.KerasTensor:
        normed = layers.BatchNormalization(name=f"{convolution.name}_norm")(convolution(inputs))
        return layers.ReLU(limit, name=f"{convolution.name}_relu")(normed)

    return apply
