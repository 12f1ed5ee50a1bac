"""Makes `.tflite` files around given weights, without TensorFlow: they can be read and packed, not run."""

from collections.abc import Sequence
from dataclasses import dataclass

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
}


@dataclass(frozen=True)
class Weights:
    """One constant of a file: its name, its values, and a scale for each of its first axis, or none."""

    name: str
    values: np.ndarray
    scales: np.ndarray | None = None


def made_tflite(constants: Sequence[Weights]) -> bytes:
    """A file with these constants, those of rank 2 and more as kernels of operators, one after the other.

    Args:
        constants: Of the types float32, float16, int8, uint8, int16, int32 and int64.

    Example:
        >>> made_tflite([Weights("w", np.zeros((2, 3), np.int8))])[4:8]
        b'TFL3'
    """
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.description = 3, "made for tfcompress"
    model.buffers, model.operatorCodes, model.subgraphs = [schema.BufferT()], [], [graph]
    for code in (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED):
        operator_code = schema.OperatorCodeT()
        operator_code.builtinCode = operator_code.deprecatedBuiltinCode = code
        model.operatorCodes.append(operator_code)
    graph.tensors, graph.operators = [_activation("input")], []
    graph.inputs, last = [0], 0
    for item in constants:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(item.values).tobytes(), np.uint8)
        model.buffers.append(buffer)
        graph.tensors.append(_constant(item, len(model.buffers) - 1))
        if item.values.ndim > 1:
            operator = schema.OperatorT()
            operator.opcodeIndex = 0 if item.values.ndim == 4 else 1
            operator.inputs, operator.outputs = [last, len(graph.tensors) - 1], [len(graph.tensors)]
            last = len(graph.tensors)
            graph.tensors.append(_activation(f"{item.name}/output"))
            graph.operators.append(operator)
    graph.outputs = [last]
    return written(model)


def written(model: schema.ModelT) -> bytes:
    """The bytes of a model as a `.tflite`."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _activation(name: str) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, [1, 1], schema.TensorType.FLOAT32, 0
    return tensor


def _constant(item: Weights, buffer: int) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = item.name, list(item.values.shape), buffer
    tensor.type = _TYPES[item.values.dtype.name]
    if item.scales is not None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = item.scales.astype("<f4")
        tensor.quantization.zeroPoint = np.zeros(len(item.scales), "<i8")
    return tensor
