"""A Keras model becomes a `.tflite` file, which is read back and proven before it takes its name."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from tfcompress.card import Card
from tfcompress.child import job_folder
from tfcompress.conversion.doctor import examined
from tfcompress.conversion.flatbuffer import Settings, converted
from tfcompress.conversion.modes import mode_for
from tfcompress.conversion.proof import measured_difference, proven_card
from tfcompress.conversion.representative import Samples, collect
from tfcompress.conversion.shapes import with_shapes
from tfcompress.conversion.signature import Signature, signature_of
from tfcompress.conversion.sparse import better_of, untried
from tfcompress.errors import ConversionError, DataError, ModelError, OutputError
from tfcompress.files import check_output, replacing, sha256
from tfcompress.models import legacy, tfmot
from tfcompress.models.as_is import as_is
from tfcompress.models.loading import check_finite, load
from tfcompress.progress import task
from tfcompress.runtime.inspection import inspect
from tfcompress.tflite.metadata import Metadata, write_metadata
from tfcompress.tflite.promises import ask_xnnpack, check_promises, promises_of

_MOST_COMPARED = 1000


def convert(
    model: Any,
    path: str | Path,
    *,
    mode: str = "int8",
    representative: Any = None,
    io: str = "float32",
    batch: int = 1,
    compare: Any = None,
    against: Any = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    force: bool = False,
    check_scale: bool = True,
    sparse: bool = False,
    require: Sequence[str] = (),
    metadata: Metadata | None = None,
    time_limit: float = 900.0,
) -> Card:
    """Converts a Keras model to a `.tflite` file with its card, both read back from the written bytes.

    TensorFlow's converter runs in a child process, because it can end its process. Inputs and outputs keep the model's
    order. Nothing is written unless all went well.

    Args:
        model: A Keras model, or whatever `tfcompress.load` takes. It is not changed. A tf_keras model that TFMOT
            quantized, which `load` cannot upgrade, is converted as it is, with the ranges that it was trained with.
        path: The file to write; its card goes beside it.
        mode: `"float32"`, `"float16"` (half the bytes, computed in float), `"dynamic"` (int8 weights, float
            activations), `"int8"` (weights and activations) or `"int16x8"` (int8 weights, int16 activations).
        representative: Samples like those of training, from which int8 and int16x8 take the ranges of activations; see
            `tfcompress.conversion.representative.collect` for the forms. At most 200 are used.
        io: The type of inputs and outputs: `"float32"`; with int8 also `"int8"` and `"uint8"`, with int16x8 `"int16"`.
        batch: The fixed batch of the file, 1 or more.
        compare: Samples on which the file's outputs are compared with the model's, in the same forms; by default the
            first 100 representative ones, or 16 random ones where there are none.
        against: The model whose float32 parameters the compression rate is held against; by default `model` itself.
        shapes: For inputs with free axes besides the batch: by the input's name the shape of one sample.
        force: Whether an existing file may be replaced.
        check_scale: Whether representative data of an unmistakably wrong scale is refused, and what is doubtful about
            it noted; `check_representative` says more.
        sparse: Whether TFLite's own encoding of kernels with many zeros is tried. It is kept where it makes the file
            smaller, or faster on this host; what was measured stands among the card's notes. The `.tfz` and the zip of
            a dense file are mostly smaller. Without it the card of a file with many zeros says that it was not tried.
        require: What the file must be, or nothing is written: `"arithmetic == int8"`, `"sparsity >= 0.8"`,
            `"distinct_values <= 16"`, `"io == int8"`, `"size_bytes <= 50000"` and more, see
            `tfcompress.tflite.promises.Promise`.
        metadata: What the file says about itself to programs that read it: labels, normalization and more. The card is
            added, and the SHA-256 of the model where that is a file.
        time_limit: Seconds after which the converter is stopped.

    Returns:
        The card that lies beside the file.

    Raises:
        ConversionError: The mode is unknown, or the model cannot be converted.
        PromiseError: The file is not what `require` says.
        DataError: Representative data is missing, does not fit the inputs, or has the wrong scale.
        ModelError: The model cannot be read, or has weights that are NaN or infinite.
        OutputError: The file exists and `force` is false, or it cannot be written.

    Example:
        >>> import keras, tempfile, numpy as np, tfcompress as tfc
        >>> keras.utils.set_random_seed(0)
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> samples = np.random.default_rng(0).random((100, 4), np.float32)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     card = tfc.convert(model, f"{folder}/phone.tflite", representative=samples)
        ...     kernels = [kernel.type for kernel in tfc.inspect(f"{folder}/phone.tflite").kernels]
        ...     outputs = tfc.predict(f"{folder}/phone.tflite", samples)
        ...     latency = tfc.measure(f"{folder}/phone.tflite").latency_ms
        >>> card.conversion["arithmetic"], kernels, outputs.shape, sorted(latency)
        ('int8 throughout', ['int8'], (100, 2), ['median', 'p90'])
    """
    path, settings = Path(path), Settings(mode_for(mode, io), io, batch, time_limit)
    promises = promises_of(require)
    _check_output(path, model, force)
    if batch < 1:
        raise ConversionError(f"A batch is 1 or more; received {batch}.")
    with task(f"converting {path.name}") as progress:
        progress.say("loading the model")
        source = _loaded(model) if shapes is None else with_shapes(_loaded(model), shapes)
        baseline = source if against is None else load(against)
        progress.say("reading samples")
        signature = signature_of(source, batch)
        samples = _representative(representative, settings, signature)
        compared = None if compare is None else collect(compare, signature.inputs, limit=_MOST_COMPARED)
        notes = examined(source, samples, compared) if samples and check_scale else []
        with job_folder() as folder:
            progress.say("TensorFlow's converter is running")
            started, file = time.monotonic(), folder / path.name
            file.write_bytes(converted(source, signature, samples, settings, folder))
            if sparse:
                progress.say("trying the sparse encoding")
                notes.append(_encoded_sparse(file, source, signature, samples, settings))
            facts: dict[str, Any] = {
                "seconds": round(time.monotonic() - started, 1),
                "representative_samples": _count(samples),
            }
            progress.say("comparing the file with the model")
            card = proven_card(file, source, baseline, settings)
            if not sparse:
                notes += untried(card.sparsity or 0.0)
            facts["difference"] = measured_difference(file, source, signature, samples, compared, settings)
            card = replace(card, conversion=card.conversion | facts, notes=[*notes, *card.notes])
            card = _described(file, card, metadata, model)
            if promises:
                check_promises(promises, inspect(file, xnnpack=ask_xnnpack(promises)))
            with replacing(path, force=force) as temporary:
                temporary.write_bytes(file.read_bytes())
                card.save_beside(path)
    return card


def _encoded_sparse(
    file: Path, model: keras.Model, signature: Signature, samples: Samples | None, settings: Settings
) -> str:
    """Replaces the file by one with sparse kernels where that pays, and says what was found."""
    with job_folder() as folder:
        encoded = replace(settings, sparse=True)
        content, note = better_of(file, lambda: converted(model, signature, samples, encoded, folder), folder)
    file.write_bytes(content)
    return note


def _described(file: Path, card: Card, metadata: Metadata | None, model: Any) -> Card:
    """The card of the file once the metadata, if there is any, has been put into it."""
    if metadata is None:
        return card
    if not metadata.parent and isinstance(model, (str, Path)) and Path(model).is_file():
        metadata = replace(metadata, parent=sha256(model))
    card.save_beside(file)
    write_metadata(file, metadata)
    return Card.load_beside(file)


def _check_output(path: Path, model: Any, force: bool) -> None:
    """Refuses, before the long work, what could not be written after it, or would be lost by it."""
    if path.is_dir():
        raise OutputError(f"{path} is a folder. Give the name of a file, such as {path / 'model.tflite'}.")
    check_output(path, force=force)
    if path.exists() and isinstance(model, (str, Path)) and Path(model).exists() and path.samefile(model):
        raise OutputError(f"{path} is the model itself and would be lost. Choose another name, such as model.tflite.")


def _loaded(model: Any) -> keras.Model:
    """The model, all of its weights finite."""
    quantized = legacy.is_legacy_model(model) and tfmot.is_quantized(model)
    loaded = as_is(model) if quantized else load(model)
    try:
        check_finite(loaded)
    except ModelError as error:
        raise type(error)(f"{model}: {error}" if isinstance(model, (str, Path)) else str(error)) from error
    return loaded


def _representative(source: Any, settings: Settings, signature: Signature) -> Samples | None:
    """The representative samples, which integer modes cannot do without."""
    if source is not None:
        return collect(source, signature.inputs)
    if settings.mode.calibrated:
        raise DataError(
            f"Mode {settings.mode.name} takes the ranges of activations from representative data, and none was given. "
            "Give 100 to 500 samples like those of training (representative=, --representative), or choose mode "
            "dynamic or float16."
        )
    return None


def _count(samples: Samples | None) -> int | None:
    return None if samples is None else len(next(iter(samples.values())))
