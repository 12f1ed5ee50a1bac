"""Gives the integer biases of a file the scale that the runtime takes them to have."""

import numpy as np

from tfcompress.errors import FormatError
from tfcompress.tflite.flatbuffer import Buffer
from tfcompress.tflite.reading import Graph, Operator, Quantization, Tensor, parse

# Where an operator has its input, its kernel and its bias.
_OPERANDS = {
    "CONV_2D": (0, 1, 2),
    "DEPTHWISE_CONV_2D": (0, 1, 2),
    "FULLY_CONNECTED": (0, 1, 2),
    "TRANSPOSE_CONV": (2, 1, 3),
}
_CODES = {"int32": "<i4", "int64": "<i8"}


def with_matching_biases(data: bytes) -> bytes:
    """The same file with each integer bias in the scale `input scale * kernel scale`, which is all the runtime knows.

    TensorFlow 2.21's converter, given fake-quantized activations and representative data that does not fill their
    ranges, stores the bias of a FULLY_CONNECTED in the scale of the calibrated range and its input in the trained one.
    The runtime then adds a bias that is wrong by the ratio of the two, without a word. Values and scales are written
    anew, in place; no offset moves.

    Raises:
        FormatError: Values that two operators share would have to become two different ones.
    """
    content = parse(data, "the converted file")
    changed = bytearray(data)
    model = Buffer(memoryview(changed), "the converted file").root()
    buffers = model.tables(4)
    factors: dict[int, np.ndarray] = {}  # by which the values of a buffer were multiplied
    for graph, table in zip(content.graphs, model.tables(2), strict=True):
        tensors = table.tables(0)
        for operator in graph.operators:
            bias = _bias(graph, operator)
            if bias is None:
                continue
            tensor, before, scale = bias
            quantization = tensors[tensor.index].table(4)
            assert quantization is not None
            factor, values = before / scale, np.frombuffer(buffers[tensor.buffer].raw(0), _CODES[tensor.type])
            if tensor.buffer not in factors and not np.allclose(factor, 1, rtol=1e-4, atol=0):
                values[:] = np.rint(values * factor)
            # The converter stores equal values once, such as the zeros of all operators, whatever their scales are.
            if values.any() and not np.allclose(factors.setdefault(tensor.buffer, factor), factor, rtol=1e-4, atol=0):
                raise FormatError(f"The converted file: two operators share bias {tensor.name!r}, in two scales")
            quantization.numbers(2, "f4")[:] = scale  # a view of the new file's bytes
    return bytes(changed)


def _bias(graph: Graph, operator: Operator) -> tuple[Tensor, np.ndarray, np.ndarray] | None:
    """The integer bias of an operator, the scales that it has, and those it should have; None where there is none."""
    positions = _OPERANDS.get(operator.name)
    if positions is None or len(operator.inputs) <= positions[2] or min(operator.inputs[i] for i in positions) < 0:
        return None
    entries, kernel, bias = (graph.tensors[operator.inputs[i]] for i in positions)
    if bias.type not in _CODES or not bias.constant:
        return None
    if entries.quantization is None or kernel.quantization is None or bias.quantization is None:
        return None
    scales = np.array(bias.quantization.scales)
    return bias, scales, _product(entries.quantization, kernel.quantization, len(scales))


def _product(entries: Quantization, kernel: Quantization, count: int) -> np.ndarray:
    product = np.float64(entries.scales[0]) * np.array(kernel.scales)
    return np.broadcast_to(product, count).astype("f4")
