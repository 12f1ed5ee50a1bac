"""What goes into a Keras model and comes out of it: names, shapes and types, in the model's own order."""

import re
from dataclasses import dataclass
from typing import Any

import keras

from tfcompress.errors import ConversionError
from tfcompress.models.graph import graph_of, trace


@dataclass(frozen=True)
class Port:
    """One input of a model: its name in the file's signature, the shape of one sample, and its type."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Signature:
    """The inputs and the names of the outputs, both in the order of `model.inputs` and `model.outputs`.

    Attributes:
        structure: How the model wants its inputs: one tensor, a list or a dictionary of them.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[str, ...]
    structure: Any


def signature_of(model: keras.Model, batch: int) -> Signature:
    """Reads a model's signature for a file with a fixed batch.

    Raises:
        ConversionError: The model has no fixed graph, a free axis besides the batch, or another fixed batch.
    """
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise ConversionError(
            f"The model '{model.name}' has no known inputs. Wrap it: inputs = keras.Input(shape); "
            "keras.Model(inputs, model(inputs))."
        )
    sequential = isinstance(model, keras.Sequential)
    for tensor in model.inputs:
        if keras.backend.standardize_dtype(tensor.dtype) == "string":
            _refuse_strings(model, tensor)
    names = _unique([_plain_name(tensor.name) for tensor in model.inputs])
    ports = tuple(_port(name, tensor, batch) for name, tensor in zip(names, model.inputs, strict=True))
    outputs = model.outputs[0] if sequential else model.output
    return Signature(ports, _output_names(outputs), model.inputs[0] if sequential else model.input)


def _refuse_strings(model: keras.Model, tensor: Any) -> None:
    """Names the layer that reads an input of strings, of which LiteRT computes nothing."""
    calls, _ = trace(graph_of(model), graph_of(model).inputs)
    reader = next((call.operation for call in calls if any(item is tensor for item in call.inputs)), None)
    where = "" if reader is None else f", which layer '{reader.name}' ({type(reader).__name__}) reads"
    raise ConversionError(
        f"The model's input '{tensor.name}' takes strings{where}. LiteRT has no operators for these: turn text into "
        "numbers in the program, and convert the model from there on."
    )


def _port(name: str, tensor: Any, batch: int) -> Port:
    if tensor.shape[:1] not in [(None,), (batch,)]:
        raise ConversionError(
            f"The model's input '{tensor.name}' has a fixed batch of {tensor.shape[0]}. "
            f"Convert with batch={tensor.shape[0]}."
        )
    if None in tensor.shape[1:]:
        axes = [axis for axis, size in enumerate(tensor.shape) if size is None and axis]
        raise ConversionError(
            f"The model's input '{tensor.name}' has shape {tensor.shape}, of which {_axes(axes)} free; a .tflite "
            f"needs fixed sizes: give them (shapes={{'{tensor.name}': ...}}, --shape)."
        )
    return Port(name, tuple(tensor.shape[1:]), keras.backend.standardize_dtype(tensor.dtype))


def _axes(axes: list[int]) -> str:
    return f"axis {axes[0]} is" if len(axes) == 1 else f"axes {' and '.join(map(str, axes))} are"


def _output_names(structure: Any) -> tuple[str, ...]:
    """Names of outputs: the keys where the model returns a dictionary, else `output_0` and so on, as Keras has them."""
    flat = keras.tree.flatten(structure)
    if isinstance(structure, dict) and len(flat) == len(structure):
        return tuple(_unique([_plain_name(str(key)) for key in sorted(structure)]))
    return tuple(f"output_{number}" for number in range(len(flat)))


def _plain_name(name: str) -> str:
    """A name that is one in Python and in TensorFlow."""
    plain = re.sub(r"\W", "_", name.partition(":")[0], flags=re.ASCII)
    return plain if plain and plain[0].isalpha() else f"input_{plain}"


def _unique(names: list[str]) -> list[str]:
    """Numbers what would otherwise be named twice."""
    return [name if names.index(name) == i else f"{name}_{i}" for i, name in enumerate(names)]
