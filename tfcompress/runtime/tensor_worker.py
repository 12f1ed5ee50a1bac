"""The child process in which LiteRT runs a file and keeps every tensor."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.child import read_job, report_result, stage
from tfcompress.runtime.running import Make, allocated, each_run
from tfcompress.runtime.worker import in_file_order, limit_resources, quantize, shape_for


def main(folder: Path) -> None:
    """Does the job that lies in `folder`: writes `tensor_<index>.npy` for each tensor that was asked for."""
    job = read_job(folder)
    limit_resources()
    with stage(folder, "load"):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        # A delegate computes several operators at once and keeps nothing of what lies between.
        make = partial(
            Interpreter,
            model_path=job["path"],
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        make().get_input_details()
    with stage(folder, "run"):
        result = _tensors(make, job, folder)
    report_result(folder, result)


def _tensors(make: Make, job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Runs the samples in the file's batch size; what each tensor stores is written with a row for each run."""
    interpreter = make()
    with stage(folder, "input"):
        arrays = [np.load(folder / f"input_{i}.npy", allow_pickle=False) for i in range(job["inputs"])]
        ordered = in_file_order(interpreter, arrays, job["names"])
        shapes = [shape_for(*pair) for pair in zip(interpreter.get_input_details(), ordered, strict=True)]
    with stage(folder, "load"):
        interpreter = allocated(make, shapes)
    inputs = interpreter.get_input_details()
    with stage(folder, "input"):
        stored = [quantize(array, details) for array, details in zip(ordered, inputs, strict=True)]
    rows: dict[int, list[np.ndarray]] = {}
    for run in each_run(make, interpreter, stored, shapes):
        for index in job["tensors"]:
            rows.setdefault(index, []).append(_value(run, index))
    for index, parts in rows.items():
        if all(part.shape == parts[0].shape and part.dtype.kind in "fiub" for part in parts):
            np.save(folder / f"tensor_{index}.npy", np.stack(parts), allow_pickle=False)
    batch = shapes[0][0] if shapes[0] else 1
    return {"batch": batch, "tensors": sorted(int(path.stem.split("_")[1]) for path in folder.glob("tensor_*.npy"))}


def _value(interpreter: Any, index: int) -> np.ndarray:
    """What a tensor stores now; nothing where LiteRT holds none, as for what it computes once in advance."""
    try:
        value: np.ndarray = interpreter.get_tensor(index)
    except ValueError:
        return np.zeros(0)
    return value


if __name__ == "__main__":
    main(Path(sys.argv[1]))
