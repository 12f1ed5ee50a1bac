"""What the tensors inside a `.tflite` hold while it runs on samples, in a child process."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.child import job_folder, run
from tfcompress.errors import DataError
from tfcompress.runtime.session import checked, existing, given_arrays
from tfcompress.tflite.reading import Graph, Tensor, read

_WORKER = "tfcompress.runtime.tensor_worker"
_MOST_BYTES = 1_000_000_000
_WIDTHS = {"int8": 1, "uint8": 1, "int16": 2, "float16": 2, "float32": 4}


@dataclass(frozen=True, eq=False)
class RunTensor:
    """One tensor that the file computes, on samples.

    Attributes:
        tensor: What the file says of it.
        operator: The name of the operator that makes it; "" for an input.
        values: (samples, ...), real numbers.
        stored: The same as they are stored, integers where the file is quantized.
    """

    tensor: Tensor
    operator: str
    values: np.ndarray
    stored: np.ndarray

    @property
    def range(self) -> tuple[float, float] | None:
        """The least and greatest real value that it can hold; None where it is float."""
        quantization = self.tensor.quantization
        if quantization is None or self.stored.dtype.kind not in "iu" or self.stored.dtype.itemsize > 2:
            return None
        limits, scale, zero = np.iinfo(self.stored.dtype), quantization.scales[0], quantization.zero_points[0]
        return scale * (int(limits.min) - zero), scale * (int(limits.max) - zero)


def run_tensors(path: str | Path, inputs: Any, *, time_limit: float = 600.0) -> tuple[RunTensor, ...]:
    """Runs a `.tflite` on samples, without delegates, and gives its inputs and all that its operators make.

    Args:
        path: The `.tflite` file.
        inputs: As `predict` takes them. Of many samples only so many are run that a gigabyte holds all tensors.
        time_limit: Seconds after which the run is given up.

    Returns:
        The tensors of numbers of the first graph, in the order in which they are computed.

    Raises:
        FormatError: The file is not there, or LiteRT does not load it.
        DataError: The samples do not fit the file's inputs, or one sample alone is too large.
        DeviceError: LiteRT failed, crashed or hung while running the file.
    """
    source, (arrays, names) = existing(path), given_arrays(inputs)
    graph = read(source).graphs[0]
    wanted = _wanted(graph)
    each = sum(_bytes(graph.tensors[index]) for index in wanted)
    most = _MOST_BYTES // max(each, 1)
    if most < 1:
        raise DataError(f"{path}: the tensors of one sample take {each:,} bytes. Diagnose a smaller input.")
    with job_folder() as folder:
        for i, array in enumerate(arrays):
            np.save(folder / f"input_{i}.npy", array[:most], allow_pickle=False)
        job = {"path": str(source), "inputs": len(arrays), "names": names, "tensors": list(wanted)}
        result = checked(run(_WORKER, folder, job, time_limit=time_limit), source, time_limit)
        samples = min(most, len(arrays[0]))
        found = [
            _made(
                graph.tensors[index], wanted[index], np.load(folder / f"tensor_{index}.npy"), samples, result["batch"]
            )
            for index in wanted
            if index in result["tensors"]
        ]
    return tuple(item for item in found if item is not None)


def _wanted(graph: Graph) -> dict[int, str]:
    """The tensors to keep, in the order of execution, each with the operator that makes it."""
    wanted = {index: "" for index in graph.inputs if index >= 0}
    for operator in graph.operators:
        wanted |= {index: operator.name for index in operator.outputs if index >= 0}
    return {index: name for index, name in wanted.items() if graph.tensors[index].type in _WIDTHS}


def _bytes(tensor: Tensor) -> int:
    return _WIDTHS[tensor.type] * int(np.prod([max(size, 1) for size in tensor.shape]))


def _made(tensor: Tensor, operator: str, runs: np.ndarray, samples: int, batch: int) -> RunTensor | None:
    """The rows of runs as rows of samples; None for what has no batch axis."""
    if runs.ndim < 2 or runs.shape[1] != batch or not runs.size:
        return None
    stored = runs.reshape(-1, *runs.shape[2:])[:samples]
    values = stored.astype("float32")
    if tensor.quantization is not None and stored.dtype.kind in "iu":
        scale, zero = tensor.quantization.scales[0], tensor.quantization.zero_points[0]
        values = (values - np.float32(zero)) * np.float32(scale)
    return RunTensor(tensor, operator, values, stored)
