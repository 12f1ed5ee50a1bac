"""Models drawn at random from blocks that users have, for tests that must hold on any of them."""

from collections.abc import Callable
from math import prod
from typing import Any

import hypothesis.strategies as st
import keras

from tfcompress import layers

L = keras.layers
Draw = Callable[[st.SearchStrategy[Any]], Any]
_WIDTHS = (2, 3, 4, 6)


def _conv(draw: Draw, x: Any) -> Any:
    return L.Conv2D(
        draw(st.sampled_from(_WIDTHS)),
        draw(st.sampled_from((1, 3))),
        padding="same",
        use_bias=draw(st.booleans()),
        activation=draw(st.sampled_from((None, "relu", "sigmoid"))),
    )(x)


def _to(draw: Draw, x: Any, width: int) -> Any:
    return L.Conv2D(width, 1)(x)


def _residual(draw: Draw, x: Any) -> Any:
    y = _to(draw, L.ReLU()(_conv(draw, x)), x.shape[-1])
    return L.Add()([x, y])


def _branches(draw: Draw, x: Any) -> Any:
    parts = [_conv(draw, x) for _ in range(draw(st.integers(1, 2)))]
    return L.Concatenate()([*parts, x] if draw(st.booleans()) or len(parts) == 1 else parts)


def _depthwise(draw: Draw, x: Any) -> Any:
    return L.DepthwiseConv2D(3, padding="same", depth_multiplier=draw(st.integers(1, 2)))(x)


def _separable(draw: Draw, x: Any) -> Any:
    return L.SeparableConv2D(draw(st.sampled_from(_WIDTHS)), 3, padding="same")(x)


def _grouped(draw: Draw, x: Any) -> Any:
    return L.Conv2D(4, 3, padding="same", groups=2)(_to(draw, x, 4))


def _one_to_a_group(draw: Draw, x: Any) -> Any:
    return L.Conv2D(2 * x.shape[-1], 3, padding="same", groups=x.shape[-1])(x)


def _transposed(draw: Draw, x: Any) -> Any:
    return L.Conv2DTranspose(draw(st.sampled_from(_WIDTHS)), 3, padding="same")(x)


def _normalized(draw: Draw, x: Any) -> Any:
    norm = draw(st.sampled_from(("batch", "layer", "rms", "instance")))
    if norm == "instance":
        return L.GroupNormalization(groups=-1)(x)
    return {"batch": L.BatchNormalization, "layer": L.LayerNormalization, "rms": L.RMSNormalization}[norm]()(x)


def _group_normalized(draw: Draw, x: Any) -> Any:
    return L.GroupNormalization(groups=2)(_to(draw, x, 6))


def _gated(draw: Draw, x: Any) -> Any:
    """Squeeze and excitation."""
    gate = L.Dense(2, activation="relu")(L.GlobalAveragePooling2D(keepdims=draw(st.booleans()))(x))
    gate = L.Dense(x.shape[-1], activation="sigmoid")(gate)
    if len(gate.shape) == 4:
        return L.Multiply()([x, gate])
    channels = x.shape[-1]
    opened = {
        "expanded": lambda: keras.ops.expand_dims(gate, (1, -2)),
        "indexed": lambda: gate[:, None, None],
        "layer": lambda: L.Reshape((1, 1, channels))(gate),
        "reshaped": lambda: keras.ops.reshape(gate, (-1, 1, 1, channels)),
    }
    return x * opened[draw(st.sampled_from(sorted(opened)))]()


def _activated(draw: Draw, x: Any) -> Any:
    kind = draw(st.sampled_from(("silu", "prelu", "ops")))
    if kind == "ops":
        return keras.ops.tanh(x) * keras.ops.relu(x + 3.0)
    return L.Activation("silu")(x) if kind == "silu" else L.PReLU(shared_axes=[1, 2])(x)


def _halves(draw: Draw, x: Any) -> Any:
    """A simple gate, as in NAFNet: one half of the channels times the other."""
    one, other = keras.ops.split(_to(draw, x, 4), 2, axis=-1)
    return one * other


def _concatenated_relu(draw: Draw, x: Any) -> Any:
    return layers.CReLU()(x)


def _doubly_convolutional(draw: Draw, x: Any) -> Any:
    pool = draw(st.sampled_from((1, 2)))
    return layers.DoubleConv2D(draw(st.sampled_from(_WIDTHS)), 3, padding="same", extra=1, pool=pool)(x)


def _spatial(draw: Draw, x: Any) -> Any:
    x = L.UpSampling2D()(L.Cropping2D(1)(L.ZeroPadding2D(1)(x)))
    return draw(st.sampled_from((L.MaxPooling2D, L.AveragePooling2D)))(2)(x)


def _shared(draw: Draw, x: Any) -> Any:
    layer = L.Conv2D(x.shape[-1], 3, padding="same")
    return layer(layer(x))


def _nested(draw: Draw, x: Any) -> Any:
    inputs = keras.Input(x.shape[1:])
    return keras.Model(inputs, L.ReLU()(_conv(draw, _conv(draw, inputs))))(x)


class Opaque(L.Layer):
    """A layer without a rule."""

    def call(self, inputs: Any) -> Any:
        """The double."""
        return inputs * 2.0

    def compute_output_shape(self, shape: Any) -> Any:
        """The shape of the input."""
        return shape


def _shared_with_opaque(draw: Draw, x: Any) -> Any:
    """A layer or nested model that reads channels that could go, and a tensor whose channels cannot be told."""
    width = x.shape[-1]
    inner = keras.Input(x.shape[1:])
    kinds = {
        "batch": L.BatchNormalization,
        "conv": lambda: L.Conv2D(draw(st.sampled_from(_WIDTHS)), 1),
        "depthwise": lambda: L.DepthwiseConv2D(3, padding="same"),
        "instance": lambda: L.GroupNormalization(groups=-1),
        "layer": L.LayerNormalization,
        "nested": lambda: keras.Model(inner, L.ReLU()(_conv(draw, L.ReLU()(inner)))),
        "one to a group": lambda: L.Conv2D(width, 3, padding="same", groups=width),
        "prelu": lambda: L.PReLU(shared_axes=[1, 2]),
        "reshape": lambda: L.Reshape(x.shape[1:]),
        "separable": lambda: L.SeparableConv2D(draw(st.sampled_from(_WIDTHS)), 3, padding="same"),
        "transposed": lambda: L.Conv2DTranspose(draw(st.sampled_from(_WIDTHS)), 3, padding="same"),
    }
    shared = kinds[draw(st.sampled_from(sorted(kinds)))]()
    read = [x, Opaque()(_to(draw, x, width))]
    parts = [shared(one) for one in (reversed(read) if draw(st.booleans()) else read)]
    return draw(st.sampled_from((L.Concatenate, L.Add)))()(parts)


def _shuffled(draw: Draw, x: Any) -> Any:
    """Channel shuffle, as in ShuffleNet."""
    x = _to(draw, x, 4)
    height, width = x.shape[1:3]
    x = L.Permute((1, 2, 4, 3))(L.Reshape((height, width, 2, 2))(x))
    return L.Reshape((height, width, 4))(x)


_BLOCKS = (
    *(_conv, _residual, _branches, _depthwise, _separable, _grouped, _one_to_a_group, _transposed, _normalized),
    *(_group_normalized, _gated, _halves, _activated, _concatenated_relu, _doubly_convolutional, _spatial),
    *(_shared, _nested, _shared_with_opaque, _shuffled),
)


def _flattened(draw: Draw, x: Any) -> Any:
    return L.Flatten()(x) if draw(st.booleans()) else keras.ops.reshape(x, (-1, prod(x.shape[1:])))


def _pooled(draw: Draw, x: Any) -> Any:
    return L.GlobalMaxPooling2D()(x)


def _recurrent(draw: Draw, x: Any) -> Any:
    layer = draw(st.sampled_from((L.SimpleRNN, L.GRU, L.LSTM)))
    return layer(3, unroll=True)(L.Reshape((-1, x.shape[-1]))(x))


def _attended(draw: Draw, x: Any) -> Any:
    x = L.Reshape((-1, x.shape[-1]))(x)
    return L.GlobalAveragePooling1D()(L.Add()([x, L.MultiHeadAttention(2, 3)(x, x)]))


def model(draw: Draw) -> keras.Model:
    """A small network, an image, up to five blocks, one or two outputs, with choices from hypothesis' `data.draw`.

    It is no strategy: making layers takes random seeds, which a strategy must not.
    """
    image = keras.Input((4, 4, 2))
    x = _to(draw, image, draw(st.sampled_from(_WIDTHS)))
    for block in draw(st.lists(st.sampled_from(_BLOCKS), min_size=1, max_size=5)):
        x = block(draw, x)
    end = draw(st.sampled_from((_flattened, _pooled, _recurrent, _attended)))(draw, x)
    outputs = [L.Dense(2)(L.Dense(4, activation="relu")(end))]
    if draw(st.booleans()):
        outputs.append(L.Dense(1)(L.GlobalAveragePooling2D()(x)))
    return keras.Model(image, outputs)
