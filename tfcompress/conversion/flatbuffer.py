"""The way from a Keras model to a `.tflite`'s bytes: a SavedModel here, TensorFlow's converter in a child process."""

import gc
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfcompress.child import run
from tfcompress.conversion.failures import conversion_error, unusable
from tfcompress.conversion.integer_norms import with_integer_norms
from tfcompress.conversion.modes import Mode
from tfcompress.conversion.representative import Samples
from tfcompress.conversion.signature import Signature
from tfcompress.errors import FormatError
from tfcompress.tflite.biases import with_matching_biases
from tfcompress.tflite.ordering import ordered

_WORKER = "tfcompress.conversion.worker"


@dataclass(frozen=True)
class Settings:
    """What a file shall be: its mode, the type of its inputs and outputs, its batch; and the seconds it may take.

    `sparse` asks for TFLite's own encoding of kernels with many zeros.
    """

    mode: Mode
    io: str
    batch: int
    time_limit: float
    sparse: bool = False


def converted(
    model: keras.Model, signature: Signature, samples: Samples | None, settings: Settings, folder: Path
) -> bytes:
    """The bytes of the `.tflite`, its inputs and outputs in the model's order.

    Args:
        model: The model, which is not changed.
        signature: Its signature for the batch of the settings.
        samples: Representative samples, which integer modes need.
        settings: What the file shall be.
        folder: An empty folder for the child's files.

    Raises:
        ConversionError: The converter failed, crashed or took too long, or wrote a file that cannot be used.
    """
    exported = model
    if settings.mode.integer and samples:
        exported = with_integer_norms(model, signature, samples)
    _save(exported, signature, settings.batch, folder / "saved")
    # What was exported hangs in cycles; until they are collected, each conversion keeps 0.6 MB (TensorFlow 2.21).
    gc.collect()
    for i, array in enumerate((samples or {}).values()):
        np.save(folder / f"representative_{i}.npy", array, allow_pickle=False)
    job = {"mode": asdict(settings.mode), "io": settings.io, "batch": settings.batch, "inputs": list(samples or {})}
    job["sparse"] = settings.sparse
    ending = run(_WORKER, folder, job, time_limit=settings.time_limit)
    if ending.result is None:
        raise conversion_error(model, settings.mode, ending, settings.time_limit)
    made = folder / "converted.tflite"
    try:
        content = with_matching_biases(made.read_bytes())
    except FormatError as error:
        raise unusable(made, settings.mode, error) from error
    return ordered(content, tuple(port.name for port in signature.inputs), signature.outputs)


def _save(model: keras.Model, signature: Signature, batch: int, folder: Path) -> None:
    """Writes the model as a SavedModel of one function with a fixed batch, its inputs and outputs named by `signature`.

    `TFLiteConverter.from_concrete_functions` with a Keras 3 model does not see its variables and writes a broken file
    without an error (TensorFlow 2.21), so the converter is given a SavedModel.

    Raises:
        OSError: The disk of the folder is full.
    """
    import tensorflow as tf

    def serve(*tensors: Any) -> dict[str, Any]:
        result = model(keras.tree.pack_sequence_as(signature.structure, list(tensors)), training=False)
        return dict(zip(signature.outputs, keras.tree.flatten(result), strict=True))

    specs = [tf.TensorSpec((batch, *port.shape), port.dtype, port.name) for port in signature.inputs]
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", serve, input_signature=specs)
    try:
        archive.write_out(str(folder), verbose=False)
    except tf.errors.OpError as error:
        raise OSError(f"TensorFlow could not write there, {error.message.rpartition('; ')[2]}") from error
