"""What a model costs, layer by layer: parameters, multiply-accumulates, bytes of weights and of activations."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import keras
import numpy as np

from tfcompress.errors import ModelError
from tfcompress.models.graph import LayerCall, graph_of, trace
from tfcompress.models.macs import macs
from tfcompress.table import aligned

_WIDEST_NAME, _WIDEST_TYPE = 20, 18  # so that the table of a large network still fits 100 columns
_ITEM_BYTES = {
    "bfloat16": 2.0,
    "bool": 1.0,
    "string": 0.0,
    "int4": 0.5,
    "uint4": 0.5,
    "float8_e4m3fn": 1.0,
    "float8_e5m2": 1.0,
}


@dataclass(frozen=True)
class LayerProfile:
    """One layer, or one `keras.ops` node that multiplies matrices.

    Attributes:
        name: Its name.
        type: Its class.
        output_shape: Of its first output at its first call, without the batch.
        parameters: Values in its weights, trainable or not. Weights that an earlier layer has too count there.
        macs: Multiply-accumulates per sample, over all of its calls.
        weight_bytes: Its weights in memory, in the types that they have now.
        activation_bytes: All outputs of one call, per sample.
        calls: How often the graph calls it.
    """

    name: str
    type: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    weight_bytes: int
    activation_bytes: int
    calls: int


@dataclass(frozen=True)
class Profile:
    """The costs of a model. `print(profile)` shows them as a table.

    Attributes:
        name: The model's name.
        layers: One entry per layer, in the order of the graph.
        parameters: All values of all weights, trainable or not.
        macs: Multiply-accumulates per sample.
        weight_bytes: All weights in memory.
        peak_activation_bytes: The most bytes of tensors alive at one time, per sample, when the graph runs in its order
            and each tensor lives until its last use.
        notes: What could not be counted, and why.
        sha256: Of the file the model came from, where there is one.
    """

    name: str
    layers: tuple[LayerProfile, ...]
    parameters: int
    macs: int
    weight_bytes: int
    peak_activation_bytes: int
    notes: tuple[str, ...] = ()
    sha256: str | None = None

    def to_json(self) -> str:
        """The profile as JSON text, with the keys that all outputs of tfcompress share."""
        content = asdict(self)
        model = {"name": content.pop("name")}
        digest = content.pop("sha256")
        return json.dumps({"model": model | ({"sha256": digest} if digest else {}), **content}, indent=2)

    def __str__(self) -> str:
        heading = ("layer", "type", "shape", "parameters", "MACs", "weights", "outputs")
        rows = [
            (
                _end(layer.name + (f" x{layer.calls}" if layer.calls > 1 else ""), _WIDEST_NAME),
                _start(layer.type, _WIDEST_TYPE),
                "x".join(map(str, layer.output_shape)),
                f"{layer.parameters:,}",
                f"{layer.macs:,}",
                _in_bytes(layer.weight_bytes),
                _in_bytes(layer.activation_bytes),
            )
            for layer in self.layers
        ]
        total = ("total", "", "", f"{self.parameters:,}", f"{self.macs:,}", _in_bytes(self.weight_bytes), "")
        peak = f"peak memory of activations: {_in_bytes(self.peak_activation_bytes)}"
        return "\n".join([aligned([heading, *rows, total], left=3), peak, *(f"note: {note}" for note in self.notes)])


def profile(model: keras.Model, input_shapes: Sequence[tuple[int, ...]] | None = None) -> Profile:
    """Counts what a model costs for one sample, layer by layer.

    The graph is run on shapes alone, nested models entered, so that each call of a shared layer is counted at the sizes
    it sees. `macs.macs` says what counts as a multiply-accumulate and what does not.

    Args:
        model: A Functional or Sequential model. It is not changed.
        input_shapes: One shape per input of the model, without the batch, where the model's own leave a size open.

    Returns:
        The profile, which prints itself as a table.

    Raises:
        ModelError: A size is open, or the shapes do not fit the model.
        UnsupportedLayerError: A subclassed model, whose graph is not known.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="dense")], name="small")
        >>> found = profile(model)
        >>> found.parameters, found.macs
        (15, 12)
        >>> print(found)
        layer  type   shape  parameters  MACs  weights  outputs
        dense  Dense  3              15    12     60 B     12 B
        total                        15    12     60 B
        peak memory of activations: 28 B
    """
    graph = graph_of(model)
    inputs = _inputs(graph, input_shapes)
    calls, outputs = trace(graph, inputs)
    for call in calls:
        _check_closed(call)
    batch = inputs[0].shape[0] if inputs[0].shape else 1
    rows, notes = layer_rows(calls, batch)
    layers = tuple(row for _, row in rows)
    return Profile(
        name=model.name,
        layers=layers,
        parameters=sum(row.parameters for row in layers),
        macs=sum(row.macs for row in layers),
        weight_bytes=sum(row.weight_bytes for row in layers),
        peak_activation_bytes=peak_bytes(inputs, calls, outputs) // batch,
        notes=tuple(notes),
    )


def _inputs(graph: keras.Model, shapes: Sequence[tuple[int, ...]] | None) -> list[Any]:
    """The model's inputs with a batch of one where theirs is open."""
    own = graph.inputs
    if shapes is not None and len(shapes) != len(own):
        raise ModelError(f"Model '{graph.name}' has {len(own)} inputs and was given {len(shapes)} input shapes.")
    inputs = []
    for number, tensor in enumerate(own):
        shape = (tensor.shape[0] or 1, *(tensor.shape[1:] if shapes is None else shapes[number]))
        if None in shape:
            raise ModelError(
                f"Input '{tensor.name}' of model '{graph.name}' has the shape {tuple(tensor.shape)}: a size is open. "
                "Pass a fixed input shape (input_shapes=[(224, 224, 3)], or --input-shape 224x224x3)."
            )
        open_or_equal = [size in (None, given) for size, given in zip(tensor.shape, shape, strict=False)]
        if len(shape) != len(tensor.shape) or not all(open_or_equal[1:]):
            raise ModelError(
                f"Input '{tensor.name}' of model '{graph.name}' has the shape {tuple(tensor.shape)}, into which "
                f"{shape[1:]} does not fit."
            )
        inputs.append(keras.KerasTensor(shape, dtype=tensor.dtype, name=tensor.name))
    return inputs


def _check_closed(call: LayerCall) -> None:
    if any(None in tensor.shape for tensor in call.outputs):
        raise ModelError(
            f"Layer '{call.operation.name}' has an output of an open size, {call.output_shape}: it depends on the "
            "values, so its cost cannot be told. Make the sizes in the model fixed."
        )


def layer_rows(calls: Sequence[LayerCall], batch: int) -> tuple[list[tuple[keras.Operation, LayerProfile]], list[str]]:
    """One row per layer or operation, with all of its calls, and a note for each kind that has no rule.

    Args:
        calls: The calls of a graph, in order, all of their sizes known.
        batch: The samples in them.
    """
    by_layer: dict[int, list[LayerCall]] = {}
    for call in calls:
        by_layer.setdefault(id(call.operation), []).append(call)
    rows, seen, without_rule = [], set[int](), dict[str, list[str]]()
    for own_calls in by_layer.values():
        operation = own_calls[0].operation
        counts = [macs(call) for call in own_calls]
        if None in counts:
            without_rule.setdefault(type(operation).__name__, []).append(operation.name)
        total = sum(count or 0 for count in counts) // batch
        is_layer = isinstance(operation, keras.Layer)
        if not is_layer and not total and None not in counts:
            continue
        weights = [weight for weight in operation.weights if id(weight) not in seen] if is_layer else []
        seen |= {id(weight) for weight in weights}
        first = own_calls[0]
        row = LayerProfile(
            name=operation.name,
            type=type(operation).__name__,
            output_shape=first.output_shape[1:],
            parameters=sum(prod(weight.shape) for weight in weights),
            macs=total,
            weight_bytes=sum(tensor_bytes(weight) for weight in weights),
            activation_bytes=sum(map(tensor_bytes, first.outputs)) // batch,
            calls=len(own_calls),
        )
        rows.append((operation, row))
    return rows, [_note(type_name, names) for type_name, names in without_rule.items()]


def _note(type_name: str, names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"the MACs of {type_name} are not counted, as there is no rule for it: {shown}"


def peak_bytes(
    inputs: Sequence[Any],
    calls: Sequence[LayerCall],
    outputs: Sequence[Any],
    size: Callable[[Any], float] | None = None,
) -> int:
    """The most bytes alive while any call runs: what is still needed, what it reads and what it makes.

    Args:
        inputs: The graph's inputs.
        calls: Its calls, in order.
        outputs: Its outputs.
        size: The bytes of a tensor; by default those of its shape and type.
    """
    size = size or tensor_bytes
    last_use: dict[int, int] = {}
    for step, call in enumerate(calls):
        last_use |= {id(tensor): step for tensor in [*call.outputs, *call.inputs]}
    last_use |= {id(tensor): len(calls) for tensor in outputs}
    alive = {id(tensor): size(tensor) for tensor in inputs}
    peak: float = sum(alive.values())
    for step, call in enumerate(calls):
        alive |= {id(tensor): size(tensor) for tensor in call.outputs}
        peak = max(peak, sum(alive.values()))
        alive = {key: size for key, size in alive.items() if last_use.get(key, 0) > step}
    return int(peak)


def tensor_bytes(tensor: Any) -> int:
    """The bytes of a tensor or weight with known sizes."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    item = _ITEM_BYTES[dtype] if dtype in _ITEM_BYTES else float(np.dtype(dtype).itemsize)
    return int(prod(tensor.shape) * item)


def _start(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _end(text: str, width: int) -> str:
    """The end of a long name, where it differs from its neighbours'."""
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]


def _in_bytes(size: int) -> str:
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
