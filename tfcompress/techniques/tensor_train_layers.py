"""A tensor train as plain Keras layers: one EinsumDense for each core, and a small convolution for the window."""

from collections.abc import Callable, Sequence
from math import prod
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import keras
import numpy as np

from tfcompress.transforms.stages import Shape, Sizes
from tfcompress.transforms.tensor_train import TensorTrain

Step = Callable[[Any], Any]

_BATCH, _POSITIONS, _RANKS = "Z", "p", "zyxwvuts"


def misfit(layer: keras.Layer, train: TensorTrain, shape: Shape, calls: Sequence[Sizes]) -> str | None:
    """Why a layer cannot become this tensor train, or None."""
    if isinstance(layer, keras.layers.Conv1D):
        return "a tensor train is for Dense and Conv2D"
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return "a tensor train needs channels_last"
    if len(set(calls)) > 1 or not calls[0].known:
        return "a tensor train needs one size, the same at every call"
    return train.misfit(shape)


def tensor_train_layers(
    source: keras.Layer, base: str, train: TensorTrain, shape: Shape, sizes: Sizes, factors: Sequence[np.ndarray]
) -> list[Step]:
    """The chain in place of `source`: layers, and `keras.ops` that split, move and join axes.

    The bias and the activation are in a depthwise convolution of 1 x 1 at the end, which TFLite has as one operator; a
    bias of several axes in the last core would be an addition of its own, which TensorFlow 2.21 does not quantize.

    Args:
        source: A built Dense or Conv2D. It is not changed.
        base: What the names of the other layers begin with.
        train: How in and out are split.
        shape: Of the kernel, (height, width, in, out).
        sizes: The positions before and after each of its calls.
        factors: What `TensorTrain.factors` makes.
    """
    inputs, outputs = train.modes(shape)
    *cores, scale = factors[-1 - train.axes :]
    positions, dtype = prod(sizes.after), source.dtype_policy
    axes = dict(zip(ascii_lowercase, inputs, strict=False)) | {_POSITIONS: positions, _RANKS[0]: 1}
    if len(factors) > train.axes + 1:
        axes[_RANKS[0]] = factors[0].shape[3]
        chain = _window(source, base, sizes, factors[0], (-1, *axes.values()))
    else:
        chain = [
            keras.layers.Reshape((positions, shape[2]), name=f"{base}_flat", dtype=dtype),
            keras.layers.Permute((2, 1), name=f"{base}_moved", dtype=dtype),
            keras.layers.Reshape(tuple(axes.values()), name=f"{base}_split", dtype=dtype),
        ]
    for number, core in enumerate(cores):
        layer, axes = _core(source, base, number, core, axes, outputs)
        chain.append(layer)
    return [*chain, *_end(source, base, sizes, scale)]


def _end(source: keras.Layer, base: str, sizes: Sizes, scale: np.ndarray) -> list[Step]:
    """The joined axes of the output, scaled, with bias and activation; the last layer has the name of `source`."""
    name, dtype, filters = source.name, source.dtype_policy, scale.shape[2]
    is_map = isinstance(source, keras.layers.Conv2D)
    last = keras.layers.DepthwiseConv2D(
        1,
        activation=source.activation,
        use_bias=source.use_bias,
        bias_regularizer=source.bias_regularizer,
        bias_constraint=source.bias_constraint,
        activity_regularizer=source.activity_regularizer,
        dtype=dtype,
        name=name if is_map else f"{base}_scale",
    )
    last.build((None, None, None, filters))
    last.set_weights([scale, source.bias.numpy()] if source.use_bias else [scale])
    places = sizes.after if is_map else (1, prod(sizes.after))
    joined = keras.layers.Reshape((*places, filters), name=f"{base}_joined", dtype=dtype)
    if is_map:
        return [joined, last]
    return [joined, last, keras.layers.Reshape((*sizes.after, filters), name=name, dtype=dtype)]


def _core(
    source: keras.Layer, base: str, number: int, core: np.ndarray, axes: dict[str, int], outputs: Sequence[int]
) -> tuple[keras.Layer, dict[str, int]]:
    """One core as a layer, built, and the axes that it leaves, the batch apart.

    It contracts the rank before it and its own axis of the input, and adds its axis of the output and the next rank.
    """
    reads = _RANKS[number] + ascii_lowercase[number]
    makes = {ascii_uppercase[number]: outputs[number]}
    if number < len(outputs) - 1:
        makes[_RANKS[number + 1]] = core.shape[3] // outputs[number]
    left = {letter: size for letter, size in axes.items() if letter not in reads} | makes
    layer = keras.layers.EinsumDense(
        f"{_BATCH}{''.join(axes)},{reads}{''.join(makes)}->{_BATCH}{''.join(left)}",
        output_shape=tuple(left.values()),
        kernel_regularizer=source.kernel_regularizer,
        dtype=source.dtype_policy,
        name=f"{base}_core{number + 1}",
    )
    layer.build((None, *axes.values()))
    layer.set_weights([core.reshape(layer.kernel.shape)])
    return layer, left


def _window(source: keras.Layer, base: str, sizes: Sizes, factor: np.ndarray, split: tuple[int, ...]) -> list[Step]:
    """One small convolution on every channel alike: the channels stand in the batch while it runs, then are split."""
    height, width = sizes.before
    convolution = keras.layers.Conv2D(
        factor.shape[3],
        source.kernel_size,
        source.strides,
        source.padding,
        dilation_rate=source.dilation_rate,
        use_bias=False,
        kernel_regularizer=source.kernel_regularizer,
        dtype=source.dtype_policy,
        name=f"{base}_window",
    )
    convolution.build((None, height, width, 1))
    convolution.set_weights([factor])
    first = keras.layers.Permute((3, 1, 2), name=f"{base}_moved", dtype=source.dtype_policy)
    return [
        first,
        lambda features: keras.ops.reshape(features, (-1, height, width, 1)),
        convolution,
        lambda features: keras.ops.reshape(features, split),
    ]
