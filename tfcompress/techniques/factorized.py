"""A factorized layer as plain Keras layers: they carry the original's stride, padding, bias and activation."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import keras
import numpy as np

from tfcompress.models.graph import LayerCall
from tfcompress.transforms.stages import Sizes, Stage

_ENDINGS = ("core", "factor", "flat", "joined", "low_rank", "moved", "scale", "sparse", "split", "sum", "window")
"""With which the names of layers inside a chain go on."""
_FACTORIZED = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D)


class Chain:
    """Layers, and functions of `keras.ops`, that are called one after the other where a graph called one layer."""

    def __init__(self, steps: Sequence[Callable[[Any], Any]]) -> None:
        self.steps = tuple(steps)

    @property
    def layers(self) -> list[keras.Layer]:
        """The layers among the steps."""
        return [step for step in self.steps if isinstance(step, keras.Layer)]

    def __call__(self, inputs: Any) -> Any:
        """The output of the last step."""
        for step in self.steps:
            inputs = step(inputs)
        return inputs


class Branches:
    """Two thin layers and a sparse one on the same input, their outputs added.

    The sum takes the name and the activation of `source`, the sparse layer its bias.

    Args:
        source: A built Dense, Conv1D or Conv2D. It is not changed.
        base: What the names of the other layers begin with.
        stages: The two thin layers.
        factors: Their kernels, (height, width, in, out).
        sparse: The sparse kernel, of any shape of the original's size.
    """

    def __init__(
        self,
        source: keras.Layer,
        base: str,
        stages: Sequence[Stage],
        factors: Sequence[np.ndarray],
        sparse: np.ndarray,
    ) -> None:
        name, dtype, thin = source.name, source.dtype_policy, f"{base}_low_rank"
        self.thin = Chain(layers_for(bare(source, thin, use_bias=False), thin, stages, factors))
        self.sparse = bare(source, f"{base}_sparse", use_bias=source.use_bias)
        kernel = sparse.reshape(source.kernel.shape)
        self.sparse.set_weights([kernel, source.bias.numpy()] if source.use_bias else [kernel])
        linear = source.activation is keras.activations.linear
        self.add = keras.layers.Add(name=name if linear else f"{base}_sum", dtype=dtype)
        self.activation = None if linear else keras.layers.Activation(source.activation, name=name, dtype=dtype)

    @property
    def layers(self) -> list[keras.Layer]:
        """The layers with weights."""
        return [*self.thin.layers, self.sparse]

    def __call__(self, inputs: Any) -> Any:
        """The activated sum."""
        total = self.add([self.sparse(inputs), self.thin(inputs)])
        return total if self.activation is None else self.activation(total)


def bare(source: keras.Layer, name: str, *, use_bias: bool) -> keras.Layer:
    """A linear layer of the same kind and geometry, built; its weights are the caller's to set."""
    changed = {"name": name, "activation": "linear", "use_bias": use_bias}
    layer = type(source).from_config({**source.get_config(), **changed})
    layer.build(_shape(source, kernel_of(source).shape[2]))
    return layer


def refusal(layer: keras.Layer) -> str | None:
    """Why a layer is none of those that can be factorized, or None."""
    if type(layer) not in _FACTORIZED:
        return type(layer).__name__
    if getattr(layer, "groups", 1) != 1:
        return f"{type(layer).__name__} in {layer.groups} groups"
    if layer.lora_enabled or getattr(layer, "quantization_mode", None):
        return "quantized or with LoRA"
    if layer.kernel_constraint is not None:
        return f"its kernel has the constraint {type(layer.kernel_constraint).__name__}, which no product keeps"
    return None


def kernel_of(layer: keras.Layer) -> np.ndarray:
    """The kernel as (height, width, in, out); a sequence has the width 1, a dense layer both 1."""
    kernel = np.asarray(keras.ops.convert_to_numpy(layer.kernel), "float32")
    if kernel.ndim == 2:
        return kernel[None, None]
    return kernel[:, None] if kernel.ndim == 3 else kernel


def sizes_of(call: LayerCall) -> Sizes:
    """The positions before and after a call; where a size is open, those of a call that makes one output."""
    layer = call.operation
    if isinstance(layer, keras.layers.Dense):
        positions = tuple(size or 1 for size in call.input_shape[1:-1])
        return Sizes(positions, positions, known=None not in call.input_shape[1:])
    axes = slice(1, -1) if layer.data_format == "channels_last" else slice(2, None)
    before, after = call.input_shape[axes], call.output_shape[axes]
    sizes = [
        (size, made) if size and made else (stride, 1)
        for size, made, stride in zip(before, after, layer.strides, strict=True)
    ]
    known = None not in (*before, *after)
    return Sizes(tuple(size for size, _ in sizes), tuple(made for _, made in sizes), known)


def free_base(name: str, taken: Collection[str]) -> str:
    """The name with which those of the layers inside a chain begin, so that none is taken: a chain may be split again.

    Example:
        >>> free_base("conv", ["conv", "conv_bn"]), free_base("conv", ["conv", "conv_factor1"])
        ('conv', 'conv_again')
    """
    while any(other.startswith(f"{name}_{ending}") for other in taken for ending in _ENDINGS):
        name = f"{name}_again"
    return name


def layers_for(
    source: keras.Layer, base: str, stages: Sequence[Stage], factors: Sequence[np.ndarray]
) -> list[keras.Layer]:
    """The chain in place of `source`, built, with the factors as kernels.

    The last layer takes the name of `source`, its bias and its activation; the others are linear and without bias.

    Args:
        source: A built Dense, Conv1D or Conv2D. It is not changed.
        base: What the names of the other layers begin with.
        stages: What the layers are.
        factors: Their kernels, (height, width, in, out).
    """
    made = []
    channels = stages[0].shape[2]
    for number, (stage, factor) in enumerate(zip(stages, factors, strict=True), 1):
        last = number == len(stages)
        layer = _layer(source, stage, last=last, name=source.name if last else f"{base}_factor{number}")
        layer.build(_shape(source, channels))
        kernel = factor.reshape(layer.kernel.shape)
        layer.set_weights([kernel, source.bias.numpy()] if last and source.use_bias else [kernel])
        layer.trainable = source.trainable
        channels = channels if stage.depthwise else stage.shape[3]
        made.append(layer)
    return made


def _layer(source: keras.Layer, stage: Stage, *, last: bool, name: str) -> keras.Layer:
    """One layer of the chain, unbuilt."""
    own: dict[str, Any] = {"name": name, "dtype": source.dtype_policy, "use_bias": last and source.use_bias}
    regularizer = "depthwise_regularizer" if stage.depthwise else "kernel_regularizer"
    own[regularizer] = source.kernel_regularizer
    if last:
        names = ["activation", "bias_regularizer", "bias_constraint", "activity_regularizer"]
        own |= {setting: getattr(source, setting) for setting in names}
    if isinstance(source, keras.layers.Dense):
        return keras.layers.Dense(stage.shape[3], **own)
    own |= _geometry(source, stage)
    if stage.depthwise:
        kind = keras.layers.DepthwiseConv2D if len(source.kernel_size) == 2 else keras.layers.DepthwiseConv1D
        return kind(**own)
    return type(source)(stage.shape[3], **own)


def _geometry(source: keras.Layer, stage: Stage) -> dict[str, Any]:
    """Window, stride, dilation and padding: what the stage carries of the original's, along each axis."""
    rank = len(source.kernel_size)
    carries = stage.carries[:rank]
    return {
        "kernel_size": stage.shape[:rank],
        "strides": tuple(one if carried else 1 for one, carried in zip(source.strides, carries, strict=True)),
        "dilation_rate": tuple(
            one if carried else 1 for one, carried in zip(source.dilation_rate, carries, strict=True)
        ),
        "padding": source.padding,
        "data_format": source.data_format,
    }


def _shape(source: keras.Layer, channels: int) -> tuple[int | None, ...]:
    """An input shape with this many channels, to build a layer of the chain by."""
    rank = 0 if isinstance(source, keras.layers.Dense) else len(source.kernel_size)
    if rank and source.data_format == "channels_first":
        return (None, channels, *([None] * rank))
    return (None, *([None] * rank), channels)
