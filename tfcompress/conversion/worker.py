"""The child process in which TensorFlow's converter runs: it leaks memory and can end its process."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.child import read_job, report_result, stage


def main(folder: Path) -> None:
    """Does the job that lies in `folder`: the SavedModel `saved` becomes `converted.tflite`."""
    job = read_job(folder)
    with stage(folder, "convert"):
        import tensorflow as tf

        (folder / "converted.tflite").write_bytes(_converted(tf, folder, job))
    report_result(folder, {"tensorflow": tf.__version__})


def _converted(tf: Any, folder: Path, job: dict[str, Any]) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
    mode = job["mode"]
    converter.target_spec.supported_ops = [getattr(tf.lite.OpsSet, name) for name in mode["operators"]]
    if mode["optimize"]:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if job["sparse"]:
        converter.optimizations = [*converter.optimizations, tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    if mode["weights"]:
        converter.target_spec.supported_types = [tf.as_dtype(mode["weights"])]
    if mode["calibrated"]:
        converter.representative_dataset = lambda: _batches(folder, job["inputs"], job["batch"])
        converter.inference_input_type = converter.inference_output_type = tf.as_dtype(job["io"])
    content: bytes = converter.convert()
    return content


def _batches(folder: Path, names: list[str], batch: int) -> Iterator[dict[str, np.ndarray]]:
    """The representative samples in the file's batch size; the last batch is filled up from the first samples."""
    arrays = {name: np.load(folder / f"representative_{i}.npy", allow_pickle=False) for i, name in enumerate(names)}
    samples = len(next(iter(arrays.values())))
    for start in range(0, samples, batch):
        chosen = np.arange(start, start + batch) % samples
        yield {name: array[chosen] for name, array in arrays.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
