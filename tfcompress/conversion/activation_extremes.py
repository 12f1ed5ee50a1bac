"""What a `.tflite` computes on samples: its outputs, and the extremes of each tensor."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from tfcompress.runtime.running import Make, each_run
from tfcompress.runtime.worker import dequantize, quantize
from tfcompress.tflite.reading import parse

Statistics = dict[str, dict[str, np.ndarray]]
"""By tensor: `min` and `max` over the samples, each of shape (1,)."""


def outputs_of(content: bytes, samples: Sequence[np.ndarray]) -> list[np.ndarray]:
    """A file's outputs, each `(samples, ...)`, in real numbers.

    Args:
        content: The bytes of a `.tflite` with a batch of 1.
        samples: Each input's samples, in the file's order.
    """
    from ai_edge_litert.interpreter import Interpreter

    make = partial(Interpreter, model_content=content, num_threads=1)
    interpreter = make()
    found: list[list[np.ndarray]] = [[] for _ in interpreter.get_output_details()]
    for run in _runs(make, interpreter, samples):
        for part, details in zip(found, run.get_output_details(), strict=True):
            part.append(dequantize(run.get_tensor(details["index"]), details).astype(np.float64))
    return [np.stack(part) for part in found]


def statistics(content: bytes, samples: Sequence[np.ndarray]) -> Statistics:
    """The extremes of every computed float tensor over the samples, by tensor name.

    Constants are left out: litert-quantizer would give a kernel with extremes one scale instead of one a channel.

    litert-quantizer 0.11's own calibration averages extremes with a factor of 0.95, so that with few samples the first
    one sets the ranges; here they are the extremes themselves.

    Args:
        content: The bytes of a float `.tflite`.
        samples: Each input's samples, in the file's order.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    make = partial(
        Interpreter,
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,  # XNNPACK hides tensors
        experimental_preserve_all_tensors=True,
    )
    computed = {tensor.index for tensor in parse(content, "the float file").graphs[0].tensors if not tensor.constant}
    interpreter = make()
    tensors = [
        item
        for item in interpreter.get_tensor_details()
        if item["dtype"] == np.float32 and item["name"] and item["index"] in computed
    ]
    found: Statistics = {}
    for run in _runs(make, interpreter, samples):
        for item in tensors:
            values = run.get_tensor(item["index"])
            if values.size:
                seen = found.setdefault(item["name"], {"min": values.min(), "max": values.max()})
                seen["min"] = np.minimum(seen["min"], values.min()).reshape(1)
                seen["max"] = np.maximum(seen["max"], values.max()).reshape(1)
    return found


def _runs(make: Make, interpreter: Any, samples: Sequence[np.ndarray]) -> Iterator[Any]:
    """The interpreter after each sample, each from a clean state."""
    interpreter.allocate_tensors()
    inputs = interpreter.get_input_details()
    stored = [quantize(array, details) for array, details in zip(samples, inputs, strict=True)]
    return each_run(make, interpreter, stored, [tuple(map(int, details["shape"])) for details in inputs])
