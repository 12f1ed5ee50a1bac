"""How many multiply-accumulates one call of a layer costs: a table of rules, one per kind of layer."""

from collections.abc import Callable
from math import prod
from typing import Any

import keras

from tfcompress import layers
from tfcompress.models.graph import LayerCall

Shape = tuple[int, ...]


Rule = Callable[[LayerCall], int | None]

# Layers of these parts of Keras move, compare or scale values; by convention such work counts as no MAC.
_PARTS_WITHOUT_MACS = (
    "activations",
    "merging",
    "normalization",
    "pooling",
    "preprocessing",
    "regularization",
    "reshaping",
)
_LAYERS_WITHOUT_MACS = (
    *(keras.layers.Embedding, keras.layers.Identity, keras.layers.InputLayer, keras.layers.Masking),
    *(layers.CReLU, layers.GroupBatchNormalization, layers.GroupPooling),
)
_UNCOUNTED = (keras.layers.MelSpectrogram, keras.layers.STFTSpectrogram)  # their transform is no layer's work
_OPERATIONS_WITH_MACS = (
    "Conv",
    "ConvTranspose",
    "DepthwiseConv",
    "Dot",
    "DotProductAttention",
    "Einsum",
    "Inner",
    "Matmul",
    "Outer",
    "SeparableConv",
    "Tensordot",
    "Vdot",
)


def macs(call: LayerCall) -> int | None:
    """The multiply-accumulates of one call, for all samples of its batch.

    A bias, an activation, a normalization, pooling, padding and everything elementwise count as none: the same
    convention as the published figures of MobileNet and ResNet.

    Args:
        call: The call, all of its shapes known.

    Returns:
        The count, or None for a layer without a rule, such as a custom one.

    Example:
        >>> from tfcompress.models.graph import LayerCall
        >>> dense = keras.layers.Dense(4)
        >>> inputs = keras.KerasTensor((1, 5, 3))
        >>> macs(LayerCall(dense, (inputs,), {}, (dense(inputs),)))
        60
    """
    operation = call.operation
    if not isinstance(operation, keras.Layer):
        return _operation(call)
    for parent in type(operation).__mro__:
        if parent in _RULES:
            # A subclass with a call of its own may compute anything; a wrapper's call is expected to be its own.
            own = type(operation).call is not parent.call and parent is not keras.layers.Wrapper
            return None if own else _RULES[parent](call)
    if isinstance(operation, _UNCOUNTED):
        return None
    if isinstance(operation, _LAYERS_WITHOUT_MACS):
        return 0
    package, _, part = type(operation).__module__.partition(".layers.")
    return 0 if package == "keras.src" and part.split(".")[0] in _PARTS_WITHOUT_MACS else None


def _dense(call: LayerCall) -> int:
    return prod(call.output_shape) * call.input_shape[-1]


def _convolution(call: LayerCall) -> int:
    """Each output position costs the kernel once; with groups, the kernel's own input axis is the group's."""
    return _positions(call.operation, call.output_shape) * _size(call.operation.kernel)


def _filter_bank(call: LayerCall) -> int:
    """Each output position costs the whole bank, though the layer stores less of it."""
    return prod(call.output_shape[:-1]) * prod(call.operation.bank_shape)


def _transposed_convolution(call: LayerCall) -> int:
    """Each input position is multiplied with the whole kernel; what padding crops afterwards was computed."""
    return _positions(call.operation, call.input_shape) * _size(call.operation.kernel)


def _separable_convolution(call: LayerCall) -> int:
    layer = call.operation
    return _positions(layer, call.output_shape) * (_size(layer.depthwise_kernel) + _size(layer.pointwise_kernel))


def _einsum_dense(call: LayerCall) -> int | None:
    return _einsum_macs(call.operation.equation, [call.input_shape, tuple(call.operation.kernel.shape)])


def _recurrent(call: LayerCall) -> int | None:
    """Each step multiplies the input and the state with their kernels once."""
    per_step = _cell(call.operation.cell)
    return None if per_step is None else prod(call.input_shape[:2]) * per_step


def _cell(cell: Any) -> int | None:
    cells = cell.cells if isinstance(cell, keras.layers.StackedRNNCells) else [cell]
    known = (keras.layers.SimpleRNNCell, keras.layers.GRUCell, keras.layers.LSTMCell)
    if not all(type(part) in known for part in cells):
        return None
    return sum(_size(part.kernel) + _size(part.recurrent_kernel) for part in cells)


def _convolutional_lstm(call: LayerCall) -> int:
    layer, output = call.operation, call.output_shape
    steps = call.input_shape[1]
    positions = prod(output) // (layer.filters * (steps if layer.return_sequences else 1))
    return steps * positions * (_size(layer.cell.kernel) + _size(layer.cell.recurrent_kernel))


def _bidirectional(call: LayerCall) -> int | None:
    both = [_inner(layer, call.inputs[0]) for layer in (call.operation.forward_layer, call.operation.backward_layer)]
    return None if None in both else sum(count or 0 for count in both)


def _time_distributed(call: LayerCall) -> int | None:
    """The inner layer on one step, as often as there are steps."""
    steps = keras.KerasTensor((call.input_shape[0], *call.input_shape[2:]), dtype=call.inputs[0].dtype)
    count = _inner(call.operation.layer, steps)
    return None if count is None else count * call.input_shape[1]


def _wrapper(call: LayerCall) -> int | None:
    """What a wrapper wraps."""
    return _inner(call.operation.layer, call.inputs[0])


def _inner(layer: keras.Layer, tensor: Any) -> int | None:
    """The MACs of a layer inside a layer; a whole model there has no rule."""
    if isinstance(layer, keras.Model):
        return None
    outputs = keras.tree.flatten(layer.compute_output_spec(tensor))
    return macs(LayerCall(layer, (tensor,), {}, tuple(outputs)))


def _multi_head_attention(call: LayerCall) -> int:
    """Four projections, and per head the products query x key and scores x value."""
    layer = call.operation
    query, value = tuple(call.argument("query").shape), tuple(call.argument("value").shape)
    key = call.argument("key")
    key_shape = value if key is None else tuple(key.shape)
    projections = (
        prod(query[:-1]) * (_size(layer.query_dense.kernel) + _size(layer.output_dense.kernel))
        + prod(key_shape[:-1]) * _size(layer.key_dense.kernel)
        + prod(value[:-1]) * _size(layer.value_dense.kernel)
    )
    attended = [axis % len(query) for axis in layer.attention_axes or range(1, len(query) - 1)]
    pairs = prod(query[:-1]) * prod(value[axis] for axis in attended)
    return projections + layer.num_heads * pairs * (layer.key_dim + layer.value_dim)


def _dot_attention(call: LayerCall) -> int:
    """The products query x key and scores x value; an additive score costs as many."""
    query, value, *key = [tuple(tensor.shape) for tensor in call.args[0]]
    pairs = query[0] * query[-2] * value[-2]
    return pairs * ((key[0] if key else value)[-1] + value[-1])


def _dot(call: LayerCall) -> int:
    axes = call.operation.axes
    axis = axes if isinstance(axes, int) else axes[0]
    return prod(call.output_shape) * call.input_shape[axis]


def _operation(call: LayerCall) -> int | None:
    """A `keras.ops` node; all but the few that multiply matrices are elementwise or move values."""
    name = type(call.operation).__name__
    if name == "Matmul":
        return prod(call.output_shape) * call.input_shape[-1]
    if name == "Einsum":
        return _einsum_macs(call.operation.subscripts, [tuple(tensor.shape) for tensor in call.inputs])
    return None if name in _OPERATIONS_WITH_MACS else 0


def _einsum_macs(equation: str, shapes: list[Shape]) -> int | None:
    """The product of the sizes of all indices; more than two operands would depend on their order."""
    terms = equation.replace(" ", "").split("->")[0].split(",")
    if len(terms) != len(shapes) or len(terms) > 2:
        return None
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        before, dots, after = term.partition("...")
        split = len(shape) - len(after) if dots else len(shape)
        named = [*zip(before, shape, strict=False), *zip(after, shape[split:], strict=False)]
        sizes |= {index: max(size, sizes.get(index, 1)) for index, size in named}
        if dots:
            rest = prod(shape[len(before) : split])
            sizes["..."] = max(rest, sizes.get("...", 1))
    return prod(sizes.values())


def _positions(layer: keras.Layer, shape: Shape) -> int:
    """How many places of batch, height and width a shape has."""
    return prod(shape) // (shape[-1] if layer.data_format == "channels_last" else shape[1])


def _size(weight: Any) -> int:
    return prod(weight.shape)


_RULES: dict[type[keras.Layer], Rule] = {
    keras.layers.AdditiveAttention: _dot_attention,
    keras.layers.Attention: _dot_attention,
    keras.layers.Bidirectional: _bidirectional,
    keras.layers.Conv1D: _convolution,
    keras.layers.Conv1DTranspose: _transposed_convolution,
    keras.layers.Conv2D: _convolution,
    keras.layers.Conv2DTranspose: _transposed_convolution,
    keras.layers.Conv3D: _convolution,
    keras.layers.Conv3DTranspose: _transposed_convolution,
    keras.layers.ConvLSTM1D: _convolutional_lstm,
    keras.layers.ConvLSTM2D: _convolutional_lstm,
    keras.layers.ConvLSTM3D: _convolutional_lstm,
    keras.layers.Dense: _dense,
    keras.layers.DepthwiseConv1D: _convolution,
    keras.layers.DepthwiseConv2D: _convolution,
    keras.layers.Dot: _dot,
    keras.layers.EinsumDense: _einsum_dense,
    keras.layers.MultiHeadAttention: _multi_head_attention,
    keras.layers.RNN: _recurrent,
    keras.layers.SeparableConv1D: _separable_convolution,
    keras.layers.SeparableConv2D: _separable_convolution,
    keras.layers.SimpleRNN: _recurrent,
    keras.layers.GRU: _recurrent,
    keras.layers.LSTM: _recurrent,
    keras.layers.TimeDistributed: _time_distributed,
    keras.layers.Wrapper: _wrapper,
    layers.FilterBankConv2D: _filter_bank,
}
