"""Runs a `.tflite` with LiteRT on this host, in a child process, so that no file can end the caller."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.child import Ending, job_folder, run
from tfcompress.errors import DataError, DeviceError, FormatError, TfCompressError

_WORKER = "tfcompress.runtime.worker"
_ADVICE = "Convert the model again from Keras; a file from elsewhere may be damaged or made for another runtime."
_KINDS: dict[str, type[TfCompressError]] = {"load": FormatError, "input": DataError, "run": DeviceError}
_FAILED = {
    "load": "LiteRT does not load it",
    "input": "these samples do not fit it",
    "run": "LiteRT failed while running it",
}
_LONGEST_MESSAGE = 200
_MENDS = {"load": _ADVICE, "input": "`tfcompress inspect` shows what it takes.", "run": _ADVICE}


def predict(
    path: str | Path,
    inputs: Any,
    *,
    threads: int = 1,
    time_limit: float = 600.0,
) -> np.ndarray | list[np.ndarray]:
    """Runs a `.tflite` over samples and gives its outputs, as `keras.Model.predict` does.

    Values are real numbers in the model's own units on both sides, whatever the file's types are: for an int8, uint8 or
    int16 input with a scale, `round(value / scale) + zero point` is what the file sees (integer arrays are no
    exception), and outputs are scaled back. The samples run one by one, or in the file's batch size; a recurrent file
    starts each from a clean state.

    Args:
        path: The `.tflite` file.
        inputs: For one input an array `(samples, ...)`; for several a list of arrays in the file's order, or a mapping
            from the names of the file's signature.
        threads: How many threads LiteRT may use, 1 or more.
        time_limit: Seconds after which the run is given up.

    Returns:
        An array `(samples, ...)`, or a list of them in the file's order when it has several outputs.

    Raises:
        FormatError: The file is not there, or LiteRT does not load it.
        DataError: The samples do not fit the file's inputs.
        DeviceError: LiteRT failed, crashed or hung while running the file.

    Example:
        The example of `tfcompress.convert` runs this.

        >>> predict("phone.tflite", images).argmax(axis=-1)  # doctest: +SKIP
        array([7, 2, 1])
    """
    source, arrays, names = existing(path), *given_arrays(inputs)
    job = {"work": "predict", "path": str(source), "threads": _positive(threads, "threads")}
    with job_folder() as folder:
        for i, array in enumerate(arrays):
            np.save(folder / f"input_{i}.npy", array, allow_pickle=False)
        ending = run(_WORKER, folder, job | {"inputs": len(arrays), "names": names}, time_limit=time_limit)
        result = checked(ending, source, time_limit)
        outputs = [np.load(folder / f"output_{i}.npy", allow_pickle=False) for i in range(result["outputs"])]
    return outputs[0] if len(outputs) == 1 else outputs


def latencies(
    path: str | Path,
    *,
    runs: int = 50,
    warmup: int = 10,
    threads: int = 1,
    seed: int = 0,
    time_limit: float = 600.0,
) -> np.ndarray:
    """Takes the time of single runs of a `.tflite`, after a warm-up, on seeded random inputs.

    Args:
        path: The `.tflite` file; a free batch axis counts as 1.
        runs: How many runs are timed, 1 or more.
        warmup: How many runs come first, untimed, 0 or more.
        threads: How many threads LiteRT may use, 1 or more.
        seed: Of the inputs: uniform in [0, 1) for floats, over the whole type for int8, uint8 and int16, zeros for
            integers that may be indices.
        time_limit: Seconds after which the measurement is given up.

    Returns:
        Milliseconds of each timed run, `(runs,)`, in their order.

    Raises:
        FormatError: The file is not there, or LiteRT does not load it.
        DeviceError: LiteRT failed, crashed or hung while running the file, or a number is out of its range.
    """
    source = existing(path)
    job = {"work": "time", "path": str(source), "threads": _positive(threads, "threads"), "seed": seed}
    job |= {"runs": _positive(runs, "runs"), "warmup": warmup}
    with job_folder() as folder:
        result = checked(run(_WORKER, folder, job, time_limit=time_limit), source, time_limit)
    return np.array(result["milliseconds"])


def backends(path: str | Path, *, time_limit: float = 120.0) -> tuple[str, ...]:
    """Who computes each operator of a `.tflite`'s first graph on this host, in the file's order.

    LiteRT loads the file as it would to run it, with one partition for each operator, so that each shows on its own.

    Args:
        path: The `.tflite` file; a free batch axis counts as 1.
        time_limit: Seconds after which loading is given up.

    Returns:
        `"xnnpack"`, or `"builtin"` where XNNPACK does not take the operator and LiteRT's own kernel computes it.

    Raises:
        FormatError: The file is not there, or LiteRT does not load it.
        DeviceError: LiteRT crashed or hung while loading the file.
    """
    source = existing(path)
    job = {"work": "backends", "path": str(source), "threads": 1}
    with job_folder() as folder:
        result = checked(run(_WORKER, folder, job, time_limit=time_limit), source, time_limit)
    return tuple(result["backends"])


def existing(path: str | Path) -> Path:
    """The absolute path of a file that is there.

    Raises:
        FormatError: There is no such file.
    """
    source = Path(path).resolve()
    if not source.is_file():
        raise FormatError(f"{path} is not a file. Give the path of a .tflite file.")
    return source


def given_arrays(inputs: Any) -> tuple[list[np.ndarray], list[str] | None]:
    """The arrays that were given, and their names where a mapping was."""
    names = None
    if isinstance(inputs, Mapping):
        names, given = [str(name) for name in inputs], list(inputs.values())
    elif isinstance(inputs, Sequence) and inputs and hasattr(inputs[0], "shape"):
        given = list(inputs)
    else:
        given = [inputs]
    arrays = [_array(item) for item in given]
    lengths = [len(array) for array in arrays]
    if not arrays or min(lengths) == 0:
        raise DataError("There are no samples to run. Give arrays of shape (samples, ...).")
    if len(set(lengths)) > 1:
        raise DataError(f"The inputs have different numbers of samples: {', '.join(map(str, lengths))}.")
    return arrays, names


def _array(values: Any) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(f"The samples cannot be made into one array: {error}.") from error
    if array.dtype.kind not in "fiub" or array.ndim == 0:
        raise DataError(
            f"Samples must be numbers in an array (samples, ...); received {array.dtype} of shape {array.shape}."
        )
    return array


def _positive(number: int, name: str) -> int:
    if number < 1:
        raise DeviceError(f"{name} must be 1 or more; received {number}.")
    return number


def checked(ending: Ending, path: Path, time_limit: float) -> dict[str, Any]:
    """The child's result, or the error that its end amounts to."""
    if ending.result is not None:
        return ending.result
    if ending.timed_out:
        raise DeviceError(
            f"{path}: LiteRT was still running after {time_limit:g} s and was stopped. "
            "Give a longer time limit, or fewer samples or runs."
        )
    if ending.signal == "SIGKILL":
        raise DeviceError(f"{path}: LiteRT was killed (SIGKILL), most likely because memory ran out. {_ADVICE}")
    if ending.signal:
        raise DeviceError(f"{path}: LiteRT crashed ({ending.signal}) while running it. {_ADVICE}")
    if ending.failure is None:
        raise DeviceError(f"{path}: LiteRT ended without a result. {_ADVICE}")
    stage, message = ending.failure["stage"], " ".join(ending.failure["message"].split())
    message = message.rstrip(".") + "." if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "..."
    raise _KINDS[stage](f"{path}: {_FAILED[stage]}: {message} {_MENDS[stage]}")
