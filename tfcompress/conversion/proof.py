"""The card of a converted file: what its bytes hold, how far its outputs are from the model's, what stayed float."""

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfcompress.card import Card
from tfcompress.conversion.difference import difference, keras_outputs
from tfcompress.conversion.failures import unusable
from tfcompress.conversion.flatbuffer import Settings
from tfcompress.conversion.representative import Samples
from tfcompress.conversion.signature import Port, Signature
from tfcompress.errors import DeviceError, FormatError
from tfcompress.models.profile import profile
from tfcompress.runtime.session import predict
from tfcompress.tflite.inspection import Inspection, inspect
from tfcompress.version import __version__

_COMPARED = 100
_RANDOM_SAMPLES, _SEED = 16, 0
_FLOAT_BYTES = 4
_MOST_NAMED = 8
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert")


def proven_card(file: Path, model: keras.Model, against: keras.Model, settings: Settings) -> Card:
    """The facts read back from the file, with the counts of the model that it was made from.

    Args:
        file: The converted file.
        model: The model it was made from.
        against: The model whose float32 parameters the compression rate is held against.
        settings: What the file should be.
    """
    facts, counts = inspect(file), profile(model)
    baseline = counts.parameters if against is model else profile(against).parameters
    return replace(
        facts.to_card(),
        parameters=counts.parameters,
        macs=counts.macs,
        compression_rate=_FLOAT_BYTES * baseline / facts.size_bytes,
        layers=json.loads(counts.to_json())["layers"],
        conversion={
            "mode": settings.mode.name,
            "io": settings.io,
            "batch": settings.batch,
            "arithmetic": facts.arithmetic,
            "float_operators": _float_operators(facts) if settings.mode.integer else [],
        },
        notes=[*counts.notes, *(_float_notes(facts) if settings.mode.integer else [])],
        versions={name: version(name) for name in _PACKAGES} | {"tfcompress": __version__},
    )


def measured_difference(
    file: Path,
    model: keras.Model,
    signature: Signature,
    samples: Samples | None,
    compared: Samples | None,
    settings: Settings,
) -> dict[str, Any]:
    """How far the file's outputs are from the model's (see `difference`), and on which `inputs` that was seen.

    Raises:
        ConversionError: LiteRT does not load or run the file.
    """
    if compared is not None:
        chosen, origin = compared, "compare"
    elif samples is not None:
        chosen, origin = {name: array[:_COMPARED] for name, array in samples.items()}, "representative"
    else:
        chosen, origin = _random_samples(signature.inputs), f"random, seed {_SEED}"
    try:
        received = predict(file, list(chosen.values()))
    except (FormatError, DeviceError) as error:
        raise unusable(file, settings.mode, error) from error
    outputs = received if isinstance(received, list) else [received]
    return {"inputs": origin} | difference(keras_outputs(model, signature, chosen), outputs)


def _random_samples(ports: Sequence[Port]) -> Samples:
    """Uniform in [0, 1) for floats, zeros for integers, which may be indices."""
    generator = np.random.default_rng(_SEED)
    samples = {}
    for port in ports:
        values = generator.random((_RANDOM_SAMPLES, *port.shape))
        samples[port.name] = values.astype(port.dtype) if "float" in port.dtype else np.zeros(values.shape, port.dtype)
    return samples


def _float_operators(facts: Inspection) -> list[dict[str, Any]]:
    return [{"name": item.name, "output": item.output_name} for item in facts.float_operators]


def _float_notes(facts: Inspection) -> list[str]:
    """Names what should compute on integers and does not."""
    named = [f"{item.name} ({item.output_name})" for item in facts.float_operators]
    if not named:
        return []
    rest = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return [f"{len(named)} operators stayed float: {', '.join(named[:_MOST_NAMED])}{rest}."]
