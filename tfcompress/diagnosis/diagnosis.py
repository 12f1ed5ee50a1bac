"""`diagnose`: the layers of a file that cost the most accuracy, with the reason and the remedy."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfcompress.conversion.representative import collect
from tfcompress.conversion.signature import signature_of
from tfcompress.diagnosis.errors_by_layer import TensorError, tensor_errors
from tfcompress.diagnosis.matching import keras_tensors, matched
from tfcompress.errors import DataError
from tfcompress.models.loading import check_finite, load
from tfcompress.models.surgery import flatten
from tfcompress.progress import task
from tfcompress.runtime.session import existing, predict
from tfcompress.runtime.tensors import run_tensors
from tfcompress.table import aligned
from tfcompress.transforms.fidelity import snr_db

_MOST_SAMPLES = 32
_MOST_ROWS = 12
_COSTS = 30.0
"""Decibels of the outputs below which a tensor is said to cost; 30 dB are an error of 3 %."""
_UNEVEN, _LONG_TAIL, _CUT_OFF = 8.0, 4.0, 0.001
_SAME_STEPS = 50.0
"""Decibels of its own above which a tensor that the model rounds too holds the same steps, all but a few."""


class Remedy(Enum):
    """What helps against the error of a tensor."""

    NONE = "nothing: it costs little"
    SAMPLES = "more samples, or a wider range (RangeSetting): values lie outside its range"
    EQUALIZATION = "Equalization: its channels differ widely and share one range"
    RANGES = "RangeSetting: a few values make its range wide"
    BIAS = "BiasCorrection: its channels are shifted"
    INT16 = "int16 for this layer, or quantization-aware training: 8 bits are too few for its values"
    TRAINING = "longer training: the file holds the model's own steps, and what follows magnifies the few that differ"
    FLOAT = "float for this layer, or quantization-aware training: 8 bits are too few for its weights"


@dataclass(frozen=True)
class Finding:
    """One tensor's error, and what helps against it."""

    error: TensorError
    remedy: Remedy


@dataclass(frozen=True)
class Diagnosis:
    """A file against its model, tensor by tensor; prints itself.

    Attributes:
        file: The file.
        samples: On how many samples.
        output_snr_db: The signal-to-noise ratio of the file's outputs.
        findings: The tensors, the one that costs the outputs most first.
        unmatched: The integer tensors of the file for which no layer was found.
    """

    file: str
    samples: int
    output_snr_db: float
    findings: tuple[Finding, ...]
    unmatched: tuple[str, ...]

    @property
    def guilty(self) -> tuple[str, ...]:
        """The layers that cost the outputs more than 3 %, the worst first."""
        return tuple(item.error.layer for item in self.findings if item.remedy is not Remedy.NONE)

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """What helps, what the worst layer needs first."""
        return tuple(dict.fromkeys(item.remedy for item in self.findings if item.remedy is not Remedy.NONE))

    def to_json(self) -> str:
        """The facts as JSON text."""
        facts = {
            "file": self.file,
            "samples": self.samples,
            "output_snr_db": self.output_snr_db,
            "layers": [asdict(item.error) | {"remedy": item.remedy.name.lower()} for item in self.findings],
            "unmatched": list(self.unmatched),
        }
        return json.dumps(facts, indent=2, allow_nan=False)

    def __str__(self) -> str:
        lines = [
            f"{self.file}: output SNR {self.output_snr_db:.1f} dB against the model, on {self.samples} samples",
            "",
        ]
        heads = (
            "layer",
            "type",
            "main cause",
            "costs, dB",
            "SNR",
            "own SNR",
            "cosine",
            "clipped",
            "range",
            "used",
            "dead",
        )
        lines.append(aligned([heads, *(_row(item.error) for item in self.findings[:_MOST_ROWS])], left=3))
        if len(self.findings) > _MOST_ROWS:
            lines.append(f"and {len(self.findings) - _MOST_ROWS} more")
        lines.append(
            "\ncosts: SNR of the outputs if this tensor alone had its error; own: without the errors before it"
        )
        for remedy in self.remedies:
            layers = [item.error.layer for item in self.findings if item.remedy is remedy]
            rest = f" and {len(layers) - 4} more" if len(layers) > 4 else ""
            lines.append(f"{', '.join(layers[:4])}{rest}: {remedy.value}")
        if not self.remedies:
            lines.append("no layer costs the outputs more than 3 %")
        if self.unmatched:
            lines.append(f"not compared, since no layer was found for them: {len(self.unmatched)} tensors")
        return "\n".join(lines)


def diagnose(model: Any, path: str | Path, data: Any, *, limit: int = _MOST_SAMPLES) -> Diagnosis:
    """Runs a Keras model and the `.tflite` made from it side by side and says which layers cost the accuracy.

    Every tensor that the file computes is compared with the layer's output in Keras, on its grid where the model was
    trained for quantization. Its own error is what it adds to those before it: the model computes the layer from the
    file's inputs. What this costs is measured by adding it to the exact model and looking at the outputs; by that the
    layers are ranked. Where the error comes from (values outside the range, coarse steps, shifted channels, weights)
    decides what is said to help.

    Args:
        model: The Keras model that was converted, or whatever `tfcompress.load` takes. It is not changed.
        path: The file.
        data: Samples, in the forms that `convert` takes as representative data.
        limit: The largest number of samples, 1 or more; all tensors of all samples are in memory.

    Returns:
        The findings.

    Raises:
        ModelError: The model cannot be read, or its graph is hidden.
        DataError: The samples do not fit, or the file was made from another model.
        FormatError: The file is not there or cannot be run.
        DeviceError: LiteRT failed while running it.

    Example:
        >>> import tempfile, keras, numpy as np, tfcompress as tfc
        >>> keras.utils.set_random_seed(0)
        >>> layers = [keras.layers.Dense(8, activation="relu", name="hidden"), keras.layers.Dense(2, name="head")]
        >>> model = keras.Sequential([keras.Input((4,), name="x"), *layers])
        >>> x = np.random.default_rng(0).random((100, 4), np.float32)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     card = tfc.convert(model, f"{folder}/m.tflite", representative=x)
        ...     diagnosis = tfc.diagnose(model, f"{folder}/m.tflite", x)
        >>> sorted(item.error.layer for item in diagnosis.findings), diagnosis.guilty
        (['head', 'hidden', 'x'], ())
    """
    model, file = load(model), existing(path)
    check_finite(model)
    signature = signature_of(model, model.inputs[0].shape[0] or 1)
    samples = list(collect(data, signature.inputs, limit=limit).values())
    with task(f"diagnosing {file.name}") as progress:
        progress.say("running the file")
        tensors = run_tensors(file, samples)
        count = len(tensors[0].values)
        samples = [array[:count] for array in samples]
        progress.say("running the model")
        flat = flatten(model)
        exact, outputs = keras_tensors(flat, samples)
        found = matched(tensors, exact)
        if not found:
            raise DataError(
                f"{path}: no tensor of it resembles one of the model '{model.name}'. Give the model it was made from."
            )
        received = predict(file, samples)
        given = received if isinstance(received, list) else [received]
        _check_same_outputs(model, path, outputs, given)
        progress.say("comparing")
        errors = tensor_errors(flat, samples, exact, outputs, found)
    whole = [snr_db(one, other) for one, other in zip(outputs, given, strict=True)]
    known = {id(item) for item in found.values()}
    left = [item.tensor.name for item in tensors if item.range is not None and id(item) not in known]
    findings = tuple(Finding(error, remedy_for(error)) for error in errors)
    return Diagnosis(file.name, count, min(whole), findings, tuple(left))


def _check_same_outputs(
    model: keras.Model, path: str | Path, outputs: Sequence[np.ndarray], given: Sequence[np.ndarray]
) -> None:
    """Refuses a file whose outputs cannot be the model's."""
    shapes = [[item.shape[1:] for item in items] for items in (outputs, given)]
    if shapes[0] != shapes[1]:
        raise DataError(
            f"{path} was not made from the model '{model.name}': its outputs have the shapes {shapes[1]}, the model's "
            f"{shapes[0]}. Give the model that was converted."
        )


def remedy_for(error: TensorError) -> Remedy:
    """What helps against one tensor's error."""
    if error.output_snr_db >= _COSTS or error.type == "float32":
        return Remedy.NONE
    if error.on_grid and error.own_snr_db > _SAME_STEPS:
        return Remedy.TRAINING
    if error.clipped > _CUT_OFF:
        return Remedy.SAMPLES
    if error.spread > _UNEVEN:
        return Remedy.EQUALIZATION
    if error.cause == "shift":
        return Remedy.BIAS
    if error.cause == "rounding" and error.tail > _LONG_TAIL:
        return Remedy.RANGES
    return Remedy.FLOAT if precision_for(error) == "float32" else Remedy.INT16


def precision_for(error: TensorError) -> str:
    """The precision to keep a tensor in where nothing else helps: int16, which has int8 weights, or float."""
    return "float32" if error.cause == "weights" or error.type == "int16" else "int16"


def _row(error: TensorError) -> tuple[str, ...]:
    between = "-" if error.range is None else f"{error.range[0]:.3g} .. {error.range[1]:.3g}"
    return (
        error.layer,
        error.type,
        f"{error.cause} {error.shares[error.cause]:.0%}",
        f"{error.output_snr_db:.1f}",
        f"{error.snr_db:.1f}",
        f"{error.own_snr_db:.1f}",
        f"{error.cosine:.4f}",
        f"{error.clipped:.2%}",
        between,
        f"{error.used[0]:.3g} .. {error.used[1]:.3g}",
        str(error.dead_channels),
    )
