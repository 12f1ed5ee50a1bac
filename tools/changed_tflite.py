"""A model with float inputs and outputs and int8 inside, changed into what no app can run; without TensorFlow."""

from collections.abc import Callable
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from tools.made_tflite import written


def with_dynamic_batch(content: bytes) -> bytes:
    """The batch of the input and of the output is free, as in many published files."""

    def change(model: Any, graph: Any) -> None:
        for index in (*graph.inputs, *graph.outputs):
            tensor = graph.tensors[index]
            tensor.shapeSignature = [-1, *map(int, tensor.shape[1:])]

    return _changed(content, change)


def with_int8_inputs_and_outputs(content: bytes) -> bytes:
    """QUANTIZE at the beginning and DEQUANTIZE at the end are gone."""

    def change(model: Any, graph: Any) -> None:
        first, last = graph.operators[0], graph.operators[-1]
        graph.operators = graph.operators[1:-1]
        graph.inputs, graph.outputs = list(first.outputs), list(last.inputs)
        for signature in model.signatureDefs or ():
            signature.inputs[0].tensorIndex, signature.outputs[0].tensorIndex = graph.inputs[0], graph.outputs[0]

    return _changed(content, change)


def with_int8_input(content: bytes) -> bytes:
    """The input is said to be int8, though the file's first operator takes floats."""

    def change(model: Any, graph: Any) -> None:
        graph.tensors[graph.inputs[0]].type = schema.TensorType.INT8

    return _changed(content, change)


def with_two_outputs(content: bytes) -> bytes:
    """The output is given twice."""

    def change(model: Any, graph: Any) -> None:
        graph.outputs = [*graph.outputs, *graph.outputs]

    return _changed(content, change)


def with_two_inputs(content: bytes) -> bytes:
    """The output is an input, too."""

    def change(model: Any, graph: Any) -> None:
        graph.inputs = [*graph.inputs, *graph.outputs]

    return _changed(content, change)


def with_flat_input(content: bytes) -> bytes:
    """The input's shape is said to be that of a row of 256 numbers."""

    def change(model: Any, graph: Any) -> None:
        graph.tensors[graph.inputs[0]].shape = [1, 256]
        graph.tensors[graph.inputs[0]].shapeSignature = None

    return _changed(content, change)


def _changed(content: bytes, change: Callable[[Any, Any], None]) -> bytes:
    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    change(model, model.subgraphs[0])
    return written(model)
