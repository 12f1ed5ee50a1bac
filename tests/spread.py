"""A small network of which one layer's channels are far apart, as int8 cannot bear it."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from tfcompress.conversion.converter import convert
from tfcompress.models.scaling import scalable_channels

L = keras.layers


@dataclass(frozen=True)
class Spread:
    """The model, samples of its inputs, and its int8 file."""

    model: keras.Model
    x: np.ndarray
    path: Path


def spread_model(x: np.ndarray) -> keras.Model:
    """Three convolutions; the channels of "stem" are spread over 2^12, and what the model computes is not."""
    keras.utils.set_random_seed(0)
    image = features = keras.Input((10, 10, 2), name="image")
    for convolution in (
        L.Conv2D(8, 3, use_bias=False, name="stem"),
        L.DepthwiseConv2D(3, use_bias=False, name="depthwise"),
        L.Conv2D(12, 1, use_bias=False, name="pointwise"),
    ):
        norm = L.BatchNormalization(momentum=0.0, name=f"{convolution.name}_norm")
        features = L.ReLU(name=f"{convolution.name}_relu")(norm(convolution(features)))
    pooled = L.GlobalAveragePooling2D(name="pool")(features)
    model = keras.Model(image, L.Dense(4, name="head")(pooled), name="spread")
    model(x, training=True)  # statistics of the samples
    found = scalable_channels(model)
    stem = found.classes[next(link.makes for link in found.links if link.name == "stem")]
    scales = np.ones(len(found.classes))
    scales[stem] = np.exp2(np.linspace(-6, 6, len(stem)))
    for factor in found.factors:
        own = scales[found.classes[factor.ids]] ** factor.power
        factor.variable.assign(factor.variable.numpy() * own.astype("float32"))
    return model


def make_spread(path: Path) -> Spread:
    """The model with samples, converted to the file."""
    x = np.random.default_rng(0).random((100, 10, 10, 2), np.float32)
    model = spread_model(x)
    convert(model, path, representative=x)
    return Spread(model, x, path)
