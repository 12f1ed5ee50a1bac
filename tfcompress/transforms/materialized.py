"""Which tensors of a model TFLite keeps in memory with a range of their own: there a fake-quantized range belongs.

TFLite computes a convolution, the batch norm after it and the ReLU after that in one operator, so only the last of
their outputs is kept. Some operators (pooling, reshaping, padding) hand on the range of their input, some (softmax,
sigmoid, tanh) have a range that TFLite fixes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import keras

from tfcompress.layers import CReLU, FilterBankConv2D, GroupPooling
from tfcompress.models.graph import graph_of, input_layers, is_model, run
from tfcompress.transforms.activation_range import ActivationRange, FixedRange

_L = keras.layers
_KERNELS = (
    *(_L.Dense, _L.Conv1D, _L.Conv2D, _L.Conv3D, _L.Conv1DTranspose, _L.Conv2DTranspose, _L.Conv3DTranspose),
    *(_L.DepthwiseConv1D, _L.DepthwiseConv2D, _L.SeparableConv1D, _L.SeparableConv2D),
)
_ACTIVATIONS = (_L.Activation, _L.ReLU, _L.LeakyReLU, _L.PReLU, _L.ELU)
_ARITHMETIC = (_L.Add, _L.Subtract, _L.Multiply, _L.Average)
_COMPUTING = (
    *(_L.BatchNormalization, _L.Concatenate, _L.Rescaling, _L.Normalization, _L.Dot, CReLU, FilterBankConv2D),
    *(_L.GlobalAveragePooling1D, _L.GlobalAveragePooling2D, _L.GlobalAveragePooling3D),
)
_ABSENT_IN_INFERENCE = (
    *(_L.Dropout, _L.SpatialDropout1D, _L.SpatialDropout2D, _L.SpatialDropout3D, _L.AlphaDropout, _L.Identity),
    *(_L.GaussianNoise, _L.GaussianDropout, _L.ActivityRegularization),
)
_HANDING_ON = (
    *(_L.MaxPooling1D, _L.MaxPooling2D, _L.MaxPooling3D, _L.AveragePooling1D, _L.AveragePooling2D, _L.AveragePooling3D),
    *(_L.GlobalMaxPooling1D, _L.GlobalMaxPooling2D, _L.GlobalMaxPooling3D, _L.Maximum, _L.Minimum, _L.Embedding),
    *(_L.ZeroPadding1D, _L.ZeroPadding2D, _L.ZeroPadding3D, _L.Cropping1D, _L.Cropping2D, _L.Cropping3D),
    *(_L.UpSampling1D, _L.UpSampling2D, _L.UpSampling3D, _L.Flatten, _L.Reshape, _L.Permute, _L.RepeatVector),
    *(_L.Masking, _L.Softmax, GroupPooling),
)

# `keras.ops` nodes are told by the names of their classes, which Keras keeps private.
_ARITHMETIC_OPS = {"Add", "Subtract", "Multiply"}
_COMPUTING_OPS = {"Concatenate", "Mean", "Matmul", "Relu", "Relu6", "LeakyRelu", "Silu", "HardSilu", "Gelu", "Elu"}
_HANDING_ON_OPS = {
    *("Reshape", "Flatten", "Ravel", "Transpose", "Swapaxes", "Moveaxis", "GetItem", "Squeeze", "ExpandDims", "Split"),
    *("Pad", "Tile", "Repeat", "Flip", "BroadcastTo", "StopGradient", "Identity", "Max", "Min", "Maximum", "Minimum"),
    *("MaxPool", "AveragePool", "Softmax", "Sigmoid", "Tanh"),
}
_OF_FIXED_RANGE = {"softmax", "log_softmax", "sigmoid", "tanh"}
_FUSED_RELUS = {"relu", "relu6"}


@dataclass(frozen=True)
class Materialized:
    """Where ranges belong in a model.

    Attributes:
        places: For the id of each layer or operation, whether a range belongs after its first, second, ... call.
        unknown: Names of the layers and operations for which there is no rule.
    """

    places: dict[int, list[bool]]
    unknown: tuple[str, ...]


@dataclass(eq=False)
class _Call:
    """One call in a graph: who reads its outputs, and whether it is an output of the graph."""

    operation: keras.Operation
    is_float: bool = True
    leaves: bool = False
    readers: list["_Call"] = field(default_factory=list)


def materialized(model: keras.Model) -> Materialized:
    """Finds the tensors of a model that TFLite keeps with a range of their own.

    Calls are counted in the order in which `surgery.rebuild` visits them.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.ReLU()])
        >>> found = materialized(model)
        >>> [found.places[id(layer)] for layer in model.layers]
        [[False], [True]]
    """
    places: dict[int, list[bool]] = {}
    unknown: dict[str, None] = {}
    for call in _calls(graph_of(model), set(), outermost=True):
        operation = call.operation
        known = _known(operation)
        if not known and call.is_float:
            unknown[f"{type(operation).__name__} {operation.name!r}"] = None
        places.setdefault(id(operation), []).append(known and call.is_float and _keeps(call))
    return Materialized(places, tuple(unknown))


def _calls(graph: keras.Model, entered: set[int], *, outermost: bool = False) -> Iterator[_Call]:
    """The calls of a graph in order; those of a nested model come where it is called first."""
    calls: list[_Call] = []
    inputs = [_Call(layer, _is_float(layer.output)) for layer in input_layers(graph)]

    def call(operation: keras.Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if is_model(operation):
            inner = graph_of(operation)
            made = _Call(operation)
            if id(operation) not in entered:
                entered.add(id(operation))
                calls.extend(_calls(inner, entered))
            outputs = inner.outputs
        else:
            # Keras has no public way to ask how many outputs a call has; all calls of one operation have as many.
            outputs = operation._inbound_nodes[0].outputs
            made = _Call(operation, _is_float(outputs[0]))
            calls.append(made)
        for read in keras.tree.flatten([list(args), dict(kwargs)]):
            if isinstance(read, _Call):
                read.readers.append(made)
        return [made] * len(outputs)

    for output in keras.tree.flatten(run(graph, inputs, call)):
        output.leaves = True
    return iter([*inputs, *calls] if outermost else calls)


def _is_float(tensor: Any) -> bool:
    return "float" in keras.backend.standardize_dtype(tensor.dtype)


def _known(operation: keras.Operation) -> bool:
    """Whether there is a rule for an operation's output."""
    if isinstance(operation, _L.EinsumDense):
        # A bias of several axes is an addition of its own for TFLite, and what comes before it has no range.
        return operation.bias_axes is None or operation.equation[-1] == operation.bias_axes
    if isinstance(operation, keras.Layer):
        layers = (*_KERNELS, *_ACTIVATIONS, *_ARITHMETIC, *_COMPUTING, *_ABSENT_IN_INFERENCE, *_HANDING_ON)
        return isinstance(operation, (*layers, _L.InputLayer, FixedRange, ActivationRange))
    return type(operation).__name__ in _ARITHMETIC_OPS | _COMPUTING_OPS | _HANDING_ON_OPS


def _keeps(call: _Call) -> bool:
    """Whether the output of a call with a rule is kept with a range of its own."""
    operation = call.operation
    if isinstance(operation, (*_ABSENT_IN_INFERENCE, *_HANDING_ON, FixedRange, ActivationRange)):
        return False
    if not isinstance(operation, keras.Layer) and type(operation).__name__ in _HANDING_ON_OPS:
        return False
    if _activation(operation) in _OF_FIXED_RANGE:
        return False
    reader = _only_reader(call)
    if reader is None:
        return True
    if isinstance(reader, (FixedRange, ActivationRange)) or _is(reader, (_L.Concatenate,), {"Concatenate"}):
        return False
    if isinstance(reader, _L.BatchNormalization) and _on_channels(reader):
        return not (_multiplies(operation) and _activation(operation) == "linear")
    if _activation(reader) in _FUSED_RELUS and not _multiplies(reader):
        return not _takes_relu(operation)
    return True


def _only_reader(call: _Call) -> keras.Operation | None:
    """The one operation that reads an output in inference; None where there are several, or the model gives it out."""
    while not call.leaves and len(call.readers) == 1:
        call = call.readers[0]
        if not isinstance(call.operation, _ABSENT_IN_INFERENCE):
            return call.operation
    return None


def _takes_relu(operation: keras.Operation) -> bool:
    """Whether TFLite's operator for this one can end in a ReLU."""
    if _multiplies(operation):
        return _activation(operation) == "linear"
    return _is(operation, (*_ARITHMETIC, _L.BatchNormalization), _ARITHMETIC_OPS)


def _multiplies(operation: keras.Operation) -> bool:
    """Whether an operation ends in one of TFLite's that take a batch norm and a ReLU in."""
    combined = isinstance(operation, FilterBankConv2D) and operation.bank_filters > operation.channels
    return isinstance(operation, (*_KERNELS, FilterBankConv2D)) and not combined


def _activation(operation: keras.Operation) -> str | None:
    """The name of the activation that an operation is or ends in; None for one that has none, or of another kind."""
    if isinstance(operation, _L.ReLU):
        plain = not operation.negative_slope and not operation.threshold
        return {None: "relu", 6: "relu6"}.get(operation.max_value) if plain else None
    if not isinstance(operation, keras.Layer):
        return type(operation).__name__.lower()
    return getattr(getattr(operation, "activation", None), "__name__", None)


def _on_channels(layer: keras.layers.BatchNormalization) -> bool:
    return layer.axis in (-1, layer.input_spec.ndim - 1)


def _is(operation: keras.Operation, layers: tuple[type, ...], names: set[str]) -> bool:
    """Whether an operation is one of these layers, or a `keras.ops` node of one of these names."""
    if isinstance(operation, keras.Layer):
        return isinstance(operation, layers)
    return type(operation).__name__ in names
