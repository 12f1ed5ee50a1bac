"""What comes after all other repairs: layers that still cost much are kept in int16 or float, the rest in int8."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras

from tfcompress.conversion.converter import convert
from tfcompress.conversion.quantize import quantize
from tfcompress.conversion.representative import Samples
from tfcompress.diagnosis.diagnosis import Diagnosis, Remedy, diagnose, precision_for
from tfcompress.diagnosis.matching import keras_tensors, matched
from tfcompress.diagnosis.trials import Trials
from tfcompress.errors import ConversionError
from tfcompress.models.surgery import flatten, layers_of, rebuild
from tfcompress.runtime.tensors import run_tensors
from tfcompress.transforms.activation_range import FixedRange

_ROUNDS = 2  # int16 or float by the cause; then float for what int16 did not mend
_FOR_NAMES = 8  # samples by whose values the layers of the float file are found
_MOST_NAMED = 4


def widen(
    model: keras.Model,
    steps: tuple[str, ...],
    trials: Trials,
    samples: Samples,
    settings: Mapping[str, Any],
    folder: Path,
) -> tuple[Diagnosis, str]:
    """Tries files in which the layers that still cost more than 3 % are kept in more than eight bits.

    litert-quantizer makes them from the model's float file, with ranges from the samples' extremes. An operator rounds
    what it reads, so the operators that read such a layer compute on int16 too.

    Args:
        model: The model, after repairs that leave what it computes as it is. Corrected biases make up for the rounding
            of kernels that may be float now, so they are not among these; `FixedRange` layers are left out.
        steps: The names of these repairs.
        trials: What was tried so far; the new files are added.
        samples: Representative samples.
        settings: `mode`, `io`, `batch` and `time_limit` of the files, as `convert` takes them.
        folder: Where the files may lie.

    Returns:
        The diagnosis of the best file, and why nothing could be tried, or "".
    """
    plain = rebuild(model, skip=[layer for layer in layers_of(model) if isinstance(layer, FixedRange)])
    after = seen = diagnose(plain, trials.file, samples)
    if not after.guilty:
        return after, ""
    if obstacle := _obstacle(settings):
        return after, obstacle
    float_file = folder / "float.tflite"
    convert(plain, float_file, mode="float32", time_limit=settings["time_limit"])
    names, wide = _tensors_by_layer(plain, float_file, samples), dict[str, str]()
    for number in range(_ROUNDS):
        last, wide = wide, {layer: kind for layer, kind in wider(seen, wide).items() if layer in names}
        if not wide:
            return after, f"none of the costly layers was found in the float file: {', '.join(after.guilty)}"
        if wide == last:
            break
        file = folder / f"wider_{number}.tflite"
        try:
            _write(float_file, file, {name: wide[layer] for layer in wide for name in names[layer]}, samples, settings)
        except ConversionError as error:
            return after, str(error)
        seen = diagnose(plain, file, samples)
        if trials.attempt((*steps, told(_found(wide, seen))), file):
            after = seen
        if not seen.guilty:
            break
    return after, ""


def wider(diagnosis: Diagnosis, before: Mapping[str, str]) -> dict[str, str]:
    """By layer the precision that it is kept in next: what its error calls for, and float if it was kept already."""
    found = dict(before)
    for item in diagnosis.findings:
        if item.remedy is not Remedy.NONE:
            layer = item.error.layer
            found[layer] = "float32" if layer in before else precision_for(item.error)
    return found


def told(wide: Mapping[str, str]) -> str:
    """The step in words.

    Example:
        >>> told({"stem": "int16", "head": "float32", "pool": "int16"})
        'int16 for stem, pool; float for head'
    """
    parts = []
    for precision, word in (("int16", "int16"), ("float32", "float")):
        layers = [layer for layer in wide if wide[layer] == precision]
        rest = f" and {len(layers) - _MOST_NAMED} more" if len(layers) > _MOST_NAMED else ""
        if layers:
            parts.append(f"{word} for {', '.join(layers[:_MOST_NAMED])}{rest}")
    return "; ".join(parts)


def _found(wide: Mapping[str, str], diagnosis: Diagnosis) -> dict[str, str]:
    """The precisions as the file has them: what only float operators read stays float where int16 was asked for."""
    types = {item.error.layer: item.error.type for item in diagnosis.findings}
    return {layer: "float32" if types.get(layer) == "float32" else precision for layer, precision in wide.items()}


def _obstacle(settings: Mapping[str, Any]) -> str:
    """Why litert-quantizer can make no such file, or ""."""
    if find_spec("litert_quantizer") is None:
        return "int16 and float for single layers need litert-quantizer: pip install 'tfcompress[quantizer]'"
    if settings["io"] == "uint8":
        return "files of mixed precision have no uint8 inputs and outputs; convert with io='int8' or 'float32'"
    if settings["batch"] > 1:
        return "files of mixed precision have a batch of 1; convert with batch=1"
    return ""


def _tensors_by_layer(model: keras.Model, float_file: Path, samples: Samples) -> dict[str, list[str]]:
    """By the name of a layer the names of the tensors of a float file that hold what it gives."""
    few = [array[:_FOR_NAMES] for array in samples.values()]
    exact, _ = keras_tensors(flatten(model), few)
    names: dict[str, list[str]] = {}
    for place, item in matched(run_tensors(float_file, few), exact).items():
        names.setdefault(exact[place].name, []).append(item.tensor.name)
    return names


def _write(
    float_file: Path, file: Path, kept: Mapping[str, str], samples: Samples, settings: Mapping[str, Any]
) -> None:
    quantize(
        float_file,
        file,
        precisions=["int8"],
        activations="int16" if settings["mode"] == "int16x8" else "int8",
        representative=samples,
        io=settings["io"],
        kept=kept,
        time_limit=settings["time_limit"],
    )
