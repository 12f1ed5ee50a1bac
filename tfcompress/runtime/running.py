"""A file runs on samples, batch after batch, and forgets in between what it remembers."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

Make = Callable[[], Any]
"""Makes an interpreter of a file, its tensors not allocated yet."""
Shapes = Sequence[tuple[int, ...]]


def allocated(make: Make, shapes: Shapes) -> Any:
    """A new interpreter, ready for inputs of these shapes."""
    interpreter = make()
    for details, shape in zip(interpreter.get_input_details(), shapes, strict=True):
        if tuple(details["shape"]) != shape:
            interpreter.resize_tensor_input(details["index"], shape)
    interpreter.allocate_tensors()
    return interpreter


def each_run(make: Make, interpreter: Any, stored: Sequence[np.ndarray], shapes: Shapes) -> Iterator[Any]:
    """Runs all samples, in batches of the first input's first axis, and gives the interpreter after each run.

    `reset_all_variables` of ai-edge-litert 2.3 forgets the states of TFLite's recurrent operators and leaves resource
    variables as they are, in which Keras's stateful layers become a file; a new interpreter has none of either.

    Args:
        make: Makes the file's interpreter.
        interpreter: One that is allocated, for the first run.
        stored: Each input's samples, `(samples, ...)`, as the file stores them.
        shapes: The shape of each input.
    """
    batch = shapes[0][0] if shapes[0] else 1
    remembers = any(node["op_name"] == "VAR_HANDLE" for node in interpreter._get_ops_details())
    for start in range(0, len(stored[0]), batch):
        if start and remembers:
            interpreter = allocated(make, shapes)
        for array, details, shape in zip(stored, interpreter.get_input_details(), shapes, strict=True):
            interpreter.set_tensor(details["index"], filled(array[start : start + batch], batch).reshape(shape))
        interpreter.reset_all_variables()
        interpreter.invoke()
        yield interpreter


def filled(part: np.ndarray, batch: int) -> np.ndarray:
    """The last part is filled up to the batch with its own last sample."""
    missing = batch - len(part)
    return part if missing == 0 else np.concatenate([part, np.repeat(part[-1:], missing, axis=0)])
