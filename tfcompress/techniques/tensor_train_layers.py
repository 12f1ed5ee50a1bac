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
_INSIDE = frozenset({"linear", "relu", "relu6", "tanh", "sigmoid"})
"""Activations that work entry by entry, so that the last core can have them before its axes are joined."""


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
    source: keras.Layer, train: TensorTrain, shape: Shape, sizes: Sizes, factors: Sequence[np.ndarray]
) -> list[Step]:
    """The chain in place of `source`: layers, and `keras.ops` that split, move and join axes.

    The last takes the name of `source`; the bias is in the last core.

    Args:
        source: A built Dense or Conv2D. It is not changed.
        train: How in and out are split.
        shape: Of the kernel, (height, width, in, out).
        sizes: The positions before and after each of its calls.
        factors: What `TensorTrain.factors` makes.
    """
    inputs, outputs = train.modes(shape)
    cores = [*factors][-train.axes :]
    positions, name, dtype = prod(sizes.after), source.name, source.dtype_policy
    axes = dict(zip(ascii_lowercase, inputs, strict=False)) | {_POSITIONS: positions, _RANKS[0]: 1}
    if len(factors) > train.axes:
        axes[_RANKS[0]] = factors[0].shape[3]
        chain = _window(source, sizes, factors[0], (-1, *axes.values()))
    else:
        chain = [keras.layers.Reshape((positions, shape[2]), name=f"{name}_flat", dtype=dtype)]
        chain.append(keras.layers.Permute((2, 1), name=f"{name}_moved", dtype=dtype))
        chain.append(keras.layers.Reshape(tuple(axes.values()), name=f"{name}_split", dtype=dtype))
    inside = source.activation.__name__ in _INSIDE
    for number, core in enumerate(cores):
        layer, axes = _core(source, number, core, axes, outputs, inside=inside)
        chain.append(layer)
    final = name if inside else f"{name}_joined"
    chain.append(keras.layers.Reshape((*sizes.after, shape[3]), name=final, dtype=dtype))
    return chain if inside else [*chain, keras.layers.Activation(source.activation, name=name, dtype=dtype)]


def _core(
    source: keras.Layer, number: int, core: np.ndarray, axes: dict[str, int], outputs: Sequence[int], *, inside: bool
) -> tuple[keras.Layer, dict[str, int]]:
    """One core as a layer, built, and the axes that it leaves, the batch apart.

    It contracts the rank before it and its own axis of the input, and adds its axis of the output and the next rank.
    """
    last = number == len(outputs) - 1
    reads = _RANKS[number] + ascii_lowercase[number]
    makes = {ascii_uppercase[number]: outputs[number]}
    if not last:
        makes[_RANKS[number + 1]] = core.shape[3] // outputs[number]
    left = {letter: size for letter, size in axes.items() if letter not in reads} | makes
    biased = last and source.use_bias
    layer = keras.layers.EinsumDense(
        f"{_BATCH}{''.join(axes)},{reads}{''.join(makes)}->{_BATCH}{''.join(left)}",
        output_shape=tuple(left.values()),
        bias_axes="".join(filter(str.isupper, left)) if biased else None,
        activation=source.activation if last and inside else None,
        kernel_regularizer=source.kernel_regularizer,
        bias_regularizer=source.bias_regularizer,
        dtype=source.dtype_policy,
        name=f"{source.name}_core{number + 1}",
    )
    layer.build((None, *axes.values()))
    kernel = core.reshape(layer.kernel.shape)
    layer.set_weights([kernel, source.bias.numpy().reshape(layer.bias.shape)] if biased else [kernel])
    return layer, left


def _window(source: keras.Layer, sizes: Sizes, factor: np.ndarray, split: tuple[int, ...]) -> list[Step]:
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
        name=f"{source.name}_window",
    )
    convolution.build((None, height, width, 1))
    convolution.set_weights([factor])
    first = keras.layers.Permute((3, 1, 2), name=f"{source.name}_moved", dtype=source.dtype_policy)
    return [
        first,
        lambda features: keras.ops.reshape(features, (-1, height, width, 1)),
        convolution,
        lambda features: keras.ops.reshape(features, split),
    ]
