"""Which tensor of a file is which output of the Keras model: by the layers that its name tells, then by its values."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tfcompress.models.watching import watched_outputs
from tfcompress.runtime.tensors import RunTensor
from tfcompress.transforms.activation_range import FixedRange
from tfcompress.transforms.fidelity import cosine
from tfcompress.transforms.kept_tensors import Place

_ALIKE = 0.9
_AS_GOOD = 0.002


@dataclass(frozen=True, eq=False)
class KerasTensor:
    """One output of a layer or operation on the samples: its name, values (samples, ...) and place in the order.

    `on_grid` says that the model itself rounds it, as one that was trained for quantization does.
    """

    name: str
    values: np.ndarray
    order: int
    on_grid: bool = False


def keras_tensors(flat: keras.Model, arrays: Sequence[np.ndarray]) -> tuple[dict[Place, KerasTensor], list[np.ndarray]]:
    """Every float tensor of a model on samples, in the order in which they are computed, and the model's outputs.

    Args:
        flat: A model without nested models. It is not changed.
        arrays: The samples, one array for each input.
    """
    parts: dict[Place, list[np.ndarray]] = {}
    sources: dict[Place, keras.Operation] = {}

    def watch(operation: keras.Operation, number: int, output: Any) -> Any:
        if hasattr(output, "shape") and "float" in keras.backend.standardize_dtype(output.dtype) and len(output.shape):
            sources[id(operation), number] = operation
            parts.setdefault((id(operation), number), []).append(keras.ops.convert_to_numpy(output).astype("float32"))
        return output

    outputs = watched_outputs(flat, arrays, watch)
    found = {
        place: KerasTensor(
            _layer_of(sources[place]).name, np.concatenate(rows), order, isinstance(sources[place], FixedRange)
        )
        for order, (place, rows) in enumerate(parts.items())
        if sum(map(len, rows)) == len(arrays[0])
    }
    return found, outputs


def _layer_of(operation: keras.Operation) -> keras.Operation:
    """The layer whose output an operation hands on: for a range of quantization-aware training the one before it.

    A file holds such an output on the range's grid, so with the layer's name the range, which is later, is the match.
    """
    if not isinstance(operation, FixedRange):
        return operation
    (tensor,) = operation._inbound_nodes[0].input_tensors  # of a shared nested model, all calls follow the same layer
    return tensor._keras_history.operation


def matched(file: Sequence[RunTensor], model: Mapping[Place, KerasTensor]) -> dict[Place, RunTensor]:
    """For tensors of the model those of the file that hold the same.

    A name that the converter gave lists the layers that were merged into an operator; the last of them whose output has
    the size of the tensor is the one, or the one that its values resemble most where a layer is called several times.
    A tensor whose name tells no layer goes by its values alone.

    Args:
        file: The file's tensors on the samples.
        model: The model's on the same samples.
    """
    found: dict[Place, RunTensor] = {}
    for item in file:
        same = [place for place, tensor in model.items() if tensor.values[0].size == item.values[0].size]
        named = [place for place in same if _names(item.tensor.name, model[place].name)]
        place = _best(item, named or same, model, needed=-1.0 if named else _ALIKE)
        if place is None:
            continue
        other = found.get(place)
        # Of several that hold the same the first integer one counts: what follows only hands it on.
        if other is None or (other.range is None and item.range is not None) or _closer(item, other, model[place]):
            found[place] = item
    return dict(sorted(found.items(), key=lambda entry: model[entry[0]].order))


def _closer(item: RunTensor, other: RunTensor, wanted: KerasTensor) -> bool:
    """Whether a tensor of the same kind is much nearer: a layer's steps on the way may point where its output does."""
    if (item.range is None) != (other.range is None):
        return False
    error, other_error = (np.square(one.values.ravel() - wanted.values.ravel()).sum() for one in (item, other))
    return bool(error < 0.5 * other_error)


def _names(text: str, layer: str) -> bool:
    """Whether the name of a tensor has a layer as a part of a path, perhaps numbered by Keras.

    Example:
        >>> _names("fashion_1/stem_1/convolution;fashion_1/stem_norm_1/add", "stem"), _names("a/stem_norm/add", "stem")
        (True, False)
    """
    wanted = re.compile(rf"{re.escape(layer)}(_\d+)?")
    return any(wanted.fullmatch(part) for part in re.split(r"[/;:]", text))


def _best(
    item: RunTensor, candidates: Sequence[Place], model: Mapping[Place, KerasTensor], *, needed: float
) -> Place | None:
    """The candidate that resembles a tensor most; of equally good ones the last, which is what an operator ends in."""
    alike = {place: cosine(model[place].values, item.values) for place in candidates}
    top = max(alike.values(), default=-2.0)
    if not alike or top < needed:
        return None
    if needed < 0 and top < _ALIKE:  # the values tell nothing, so the name must
        return max(alike, key=lambda place: model[place].order)
    return max((place for place in alike if alike[place] >= top - _AS_GOOD), key=lambda place: model[place].order)
