"""What a float `.tflite` computes on samples: outputs, the extremes of each tensor, second moments of dense inputs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcompress.runtime.worker import dequantize, quantize

Statistics = dict[str, dict[str, Any]]
"""By tensor: `min` and `max` over the samples, and for dense inputs `hessian`, 2/N X^T X, with `num_samples`."""


def outputs_of(content: bytes, samples: Sequence[np.ndarray]) -> list[np.ndarray]:
    """A file's outputs, each `(samples, ...)`, in real numbers.

    Args:
        content: The bytes of a `.tflite` with a batch of 1.
        samples: Each input's samples, in the file's order.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    found: list[list[np.ndarray]] = [[] for _ in interpreter.get_output_details()]
    for number in range(len(samples[0])):
        _run(interpreter, samples, number)
        for part, details in zip(found, interpreter.get_output_details(), strict=True):
            part.append(dequantize(interpreter.get_tensor(details["index"]), details).astype(np.float64))
    return [np.stack(part) for part in found]


def statistics(content: bytes, samples: Sequence[np.ndarray], dense: frozenset[int]) -> Statistics:
    """The extremes of every float tensor over the samples, by tensor name.

    litert-quantizer 0.11's own calibration averages extremes with a factor of 0.95, so that with few samples the first
    one sets the ranges; here they are the extremes themselves.

    Args:
        content: The bytes of a float `.tflite`.
        samples: Each input's samples, in the file's order.
        dense: Tensors whose second moments are wanted too.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,  # XNNPACK hides tensors
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    tensors = [item for item in interpreter.get_tensor_details() if item["dtype"] == np.float32 and item["name"]]
    found: Statistics = {}
    for number in range(len(samples[0])):
        _run(interpreter, samples, number)
        for item in tensors:
            values = interpreter.get_tensor(item["index"])
            if values.size:
                _see(found.setdefault(item["name"], {}), values, item["index"] in dense)
    return found


def _see(seen: dict[str, Any], values: np.ndarray, moments: bool) -> None:
    """Takes one tensor of one sample into its statistics."""
    seen["min"] = np.minimum(seen.get("min", np.inf), values.min()).reshape(1)
    seen["max"] = np.maximum(seen.get("max", -np.inf), values.max()).reshape(1)
    if moments:
        rows = values.reshape(-1, values.shape[-1]).astype(np.float64)
        before, count = seen.get("hessian", 0.0), seen.get("num_samples", 0)
        seen["num_samples"] = count + len(rows)
        seen["hessian"] = (before * count + 2 * rows.T @ rows) / seen["num_samples"]


def _run(interpreter: Any, samples: Sequence[np.ndarray], number: int) -> None:
    for array, details in zip(samples, interpreter.get_input_details(), strict=True):
        interpreter.set_tensor(details["index"], quantize(array[number], details).reshape(details["shape"]))
    interpreter.reset_all_variables()
    interpreter.invoke()
