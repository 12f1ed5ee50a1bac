"""The child process in which LiteRT runs a file: `python -m tfcompress.runtime.worker FOLDER`, without TensorFlow."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.child import read_job, report_result, stage
from tfcompress.runtime.running import Make, allocated, each_run

_QUANTIZED = {np.dtype(np.int8), np.dtype(np.uint8), np.dtype(np.int16)}


def main(folder: Path) -> None:
    """Does the job that lies in `folder`: loads the file, then predicts or takes times."""
    job = read_job(folder)
    limit_resources()
    with stage(folder, "load"):
        from ai_edge_litert.interpreter import Interpreter

        # One partition an operator shows which of them the delegate takes; for all else they are as large as can be.
        settings = {"experimental_disable_delegate_node_fusion": job["work"] == "backends"}
        make = partial(Interpreter, model_path=job["path"], num_threads=job["threads"], **settings)
        make().get_input_details()
    with stage(folder, "run"):
        # The result counts only when this process then ends well: a damaged heap shows at its end.
        result = _WORK[job["work"]](make, job, folder)
    report_result(folder, result)


def quantize(values: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    """Real values as what the tensor stores: `round(value / scale) + zero point` within the type's range.

    Example:
        >>> details = {"dtype": np.int8, "quantization": (0.5, -128), "name": "x"}
        >>> quantize(np.array([0.0, 1.0, 1000.0]), details)
        array([-128, -126,  127], dtype=int8)
    """
    dtype, (scale, zero_point) = np.dtype(details["dtype"]), details["quantization"]
    if dtype in _QUANTIZED and scale > 0:
        if np.isnan(values).any():
            raise ValueError(f"input '{details['name']}' was given NaN, which {dtype} cannot hold")
        limits = np.iinfo(dtype)
        return np.clip(np.rint(values / np.float32(scale)) + zero_point, limits.min, limits.max).astype(dtype)
    if dtype.kind in "iu" and values.size and not _fits(values, dtype):
        given = f"values from {values.min()} to {values.max()}"
        raise ValueError(f"input '{details['name']}' takes {dtype} integers and was given {given}")
    return values.astype(dtype)


def dequantize(stored: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    """What the tensor stores as real values: `scale * (stored - zero point)`; tensors without a scale as they are.

    Example:
        >>> details = {"dtype": np.int8, "quantization": (0.5, -128), "name": "y"}
        >>> dequantize(np.array([-128, -126], np.int8), details)
        array([0., 1.], dtype=float32)
    """
    scale, zero_point = details["quantization"]
    if stored.dtype in _QUANTIZED and scale > 0:
        return (stored.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
    return stored


def _fits(values: np.ndarray, dtype: np.dtype) -> bool:
    limits = np.iinfo(dtype)
    return bool(np.array_equal(values, np.rint(values)) and limits.min <= values.min() <= values.max() <= limits.max)


def limit_resources() -> None:
    """Keeps a hostile file from eating the machine's memory and from leaving a core file."""
    import resource

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for kind, wanted in [(resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)]:
        _, hard = resource.getrlimit(kind)
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (limit, hard))


def _predict(make: Make, job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Runs all samples, in the file's batch size, and writes `output_<i>.npy`."""
    interpreter = make()
    with stage(folder, "input"):
        arrays = [np.load(folder / f"input_{i}.npy", allow_pickle=False) for i in range(job["inputs"])]
        ordered = in_file_order(interpreter, arrays, job["names"])
        shapes = [
            shape_for(details, array) for details, array in zip(interpreter.get_input_details(), ordered, strict=True)
        ]
    with stage(folder, "load"):
        interpreter = allocated(make, shapes)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    with stage(folder, "input"):
        stored = [quantize(array, details) for array, details in zip(ordered, inputs, strict=True)]
    batch = shapes[0][0] if shapes[0] else 1
    collected: list[list[np.ndarray]] = [[] for _ in outputs]
    samples = len(stored[0])
    for run in each_run(make, interpreter, stored, shapes):
        for part, details in zip(collected, outputs, strict=True):
            part.append(run.get_tensor(details["index"]))
    for i, (part, details) in enumerate(zip(collected, outputs, strict=True)):
        np.save(folder / f"output_{i}.npy", dequantize(_joined(part, batch, samples), details), allow_pickle=False)
    return {"outputs": len(outputs)}


def in_file_order(interpreter: Any, arrays: list[np.ndarray], names: Sequence[str] | None) -> list[np.ndarray]:
    """The arrays in the order of the file's inputs; `names` are those of its signature or of its tensors."""
    details = interpreter.get_input_details()
    if len(arrays) != len(details):
        raise ValueError(f"the file has {len(details)} inputs and was given {len(arrays)}")
    if names is None:
        return arrays
    known = {item["name"]: position for position, item in enumerate(details)}
    for signature in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(signature)
        by_index = {item["index"]: position for position, item in enumerate(details)}
        for name, item in runner.get_input_details().items():
            if item["index"] in by_index:
                known[name] = by_index[item["index"]]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"the file has no input '{unknown[0]}'; its inputs are {', '.join(sorted(known))}")
    given = {known[name]: array for name, array in zip(names, arrays, strict=True)}
    if len(given) != len(details):
        raise ValueError("two of the names given mean the same input")
    return [given[position] for position in range(len(details))]


def shape_for(details: dict[str, Any], samples: np.ndarray) -> tuple[int, ...]:
    """The shape to run an input in: the file's own, with free axes taken from the samples and a free batch of 1."""
    fixed = tuple(int(size) for size in details["shape"])
    free = tuple(int(size) for size in details["shape_signature"]) or fixed
    wanted = (
        fixed
        if -1 not in free
        else tuple(size if size != -1 else (1 if axis == 0 else _size(samples, axis)) for axis, size in enumerate(free))
    )
    if samples.shape[1:] != wanted[1:]:
        raise ValueError(
            f"input '{details['name']}' takes samples of shape {wanted[1:]} and was given {samples.shape[1:]}"
        )
    return wanted


def _size(samples: np.ndarray, axis: int) -> int:
    return samples.shape[axis] if axis < samples.ndim else -1


def _joined(parts: list[np.ndarray], batch: int, samples: int) -> np.ndarray:
    """One array of all samples; an output without a batch axis gets one, an entry per run."""
    if parts[0].ndim and all(len(part) == batch for part in parts):
        return np.concatenate(parts)[:samples]
    return np.stack(parts)


def _time(make: Make, job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Takes the time of each run, after a warm-up, on inputs that stay the same."""
    interpreter = make()
    with stage(folder, "load"):
        interpreter.allocate_tensors()
    generator = np.random.default_rng(job["seed"])
    for details in interpreter.get_input_details():
        interpreter.set_tensor(details["index"], _random_input(details, generator))
    for _ in range(job["warmup"]):
        interpreter.invoke()
    times = []
    for _ in range(job["runs"]):
        started = time.perf_counter_ns()
        interpreter.invoke()
        times.append((time.perf_counter_ns() - started) / 1e6)
    return {"milliseconds": times}


def _backends(make: Make, _job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Names who computes each operator; those that a delegate replaced stay in the list of nodes, its own come last."""
    interpreter = make()
    with stage(folder, "load"):
        interpreter.allocate_tensors()
    nodes = interpreter._get_ops_details()
    taken = {int(index) for node in nodes if node["op_name"] == "DELEGATE" for index in node["outputs"]}
    own = [node for node in nodes if node["op_name"] != "DELEGATE"]
    return {"backends": ["xnnpack" if taken & {int(i) for i in node["outputs"]} else "builtin" for node in own]}


def _random_input(details: dict[str, Any], generator: np.random.Generator) -> np.ndarray:
    """Uniform over [0, 1) for floats, over the type for quantized integers; zeros where a value may be an index."""
    dtype, shape = np.dtype(details["dtype"]), tuple(details["shape"])
    if dtype.kind == "f":
        return generator.random(shape).astype(dtype)
    if dtype in _QUANTIZED and details["quantization"][0] > 0:
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    return np.zeros(shape, dtype)


_WORK: dict[str, Callable[[Make, dict[str, Any], Path], dict[str, Any]]] = {
    "predict": _predict,
    "time": _time,
    "backends": _backends,
}

if __name__ == "__main__":
    main(Path(sys.argv[1]))
