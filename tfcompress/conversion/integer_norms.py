"""Layer normalization in operators that LiteRT computes on integers, which Keras's own are not."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tfcompress.conversion.difference import keras_outputs
from tfcompress.conversion.representative import Samples
from tfcompress.conversion.signature import Signature
from tfcompress.errors import ModelError
from tfcompress.models.surgery import layers_of, rebuild


class CentredNormalization(keras.layers.LayerNormalization):
    """`LayerNormalization` as (x - mean) times the rest, where Keras computes x times a factor plus -mean times it.

    TFLite has no integer NEG and, for 16 bits, no SQUARED_DIFFERENCE.

    Example:
        >>> x = ops.convert_to_tensor([[1.0, 2.0, 3.0, 4.0]])
        >>> print(CentredNormalization()(x).numpy().round(3))
        [[-1.341 -0.447  0.447  1.341]]
    """

    def call(self, inputs: Any) -> Any:
        """The inputs with a mean of zero and a variance of one over the axes, scaled and shifted."""
        x = ops.cast(inputs, "float32")
        axes = [self.axis] if isinstance(self.axis, int) else list(self.axis)
        axes = sorted(axis % len(x.shape) for axis in axes)
        centred = x - ops.mean(x, axes, keepdims=True)
        variance = ops.mean(centred * centred, axes, keepdims=True)
        outputs = centred * ops.rsqrt(variance + self.epsilon)
        shape = [x.shape[axis] if axis in axes else 1 for axis in range(len(x.shape))]
        if self.gamma is not None:
            outputs = outputs * ops.reshape(ops.cast(self.gamma, "float32"), shape)
        if self.beta is not None:
            outputs = outputs + ops.reshape(ops.cast(self.beta, "float32"), shape)
        return ops.cast(outputs, self.compute_dtype)


def with_integer_norms(model: keras.Model, signature: Signature, samples: Samples) -> keras.Model:
    """The model with its layer normalizations in a form that int8 and int16 files compute without floats.

    A model without any is returned as it is, and so is one whose graph cannot be built anew, or would compute something
    else if it were, since a class of its own calls it: its file has Keras's form. Layers inside layers keep theirs too.

    Args:
        model: Any model. It is not changed.
        signature: Its signature.
        samples: The first one shows whether both compute the same.
    """
    pairs: list[tuple[keras.Layer, keras.Layer]] = []

    def replace(clone: keras.Layer, source: keras.Layer) -> keras.Layer:
        if not _is_plain(source):
            return clone
        pairs.append((CentredNormalization.from_config(source.get_config()), source))
        return pairs[-1][0]

    try:
        if not any(map(_is_plain, layers_of(model))):
            return model
        rebuilt = rebuild(model, replace)
    except ModelError:
        return model
    for layer, source in pairs:
        layer.set_weights(source.get_weights())
    return rebuilt if _agree(model, rebuilt, signature, samples) else model


def _agree(model: keras.Model, rebuilt: keras.Model, signature: Signature, samples: Samples) -> bool:
    first = {name: array[:1] for name, array in samples.items()}
    outputs = [keras_outputs(each, signature, first) for each in (model, rebuilt)]
    return len(outputs[0]) == len(outputs[1]) and all(map(_close, *outputs))


def _close(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape:
        return False
    tolerance = 1e-3 * float(np.abs(one).max(initial=1e-6))
    return np.allclose(one.astype("float32"), other.astype("float32"), rtol=1e-2, atol=tolerance, equal_nan=True)


def _is_plain(layer: keras.Layer) -> bool:
    # A subclass may compute something else; scaling by the deviation alone subtracts no mean.
    return type(layer) is keras.layers.LayerNormalization and not layer.rms_scaling
