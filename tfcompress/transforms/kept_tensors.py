"""What the tensors that a `.tflite` keeps hold while a model runs on samples: extremes, channels, some values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from tfcompress.models.watching import batches, watched, watched_outputs
from tfcompress.transforms.activation_range import affine_grid
from tfcompress.transforms.materialized import materialized

Place = tuple[int, int]
"""The id of an operation, and the number of its call."""
Range = tuple[float, float]
_MOST_VALUES = 65_536
_SEED = 0


@dataclass(frozen=True, eq=False)
class KeptTensor:
    """What one tensor held.

    Attributes:
        name: The operation that makes it.
        lowest: The least value of each sample, 0 where all are above it, (samples,).
        highest: The greatest value of each sample, 0 where all are below it.
        reach: The largest magnitude of each channel, (channels,).
        values: Some of its values, drawn at random, and its extremes.
    """

    name: str
    lowest: np.ndarray
    highest: np.ndarray
    reach: np.ndarray
    values: np.ndarray

    def span(self, samples: Any = slice(None)) -> Range:
        """The range of these samples, zero inside."""
        return float(self.lowest[samples].min()), float(self.highest[samples].max())


@dataclass
class _Gathering:
    """A tensor under way, batch by batch."""

    name: str
    lowest: list[np.ndarray] = field(default_factory=list)
    highest: list[np.ndarray] = field(default_factory=list)
    reach: Any = 0.0
    values: list[np.ndarray] = field(default_factory=list)

    def see(self, array: np.ndarray, share: int, generator: np.random.Generator) -> None:
        rows = array.reshape(len(array), -1)
        self.lowest.append(np.minimum(rows.min(axis=1), 0.0))
        self.highest.append(np.maximum(rows.max(axis=1), 0.0))
        channels = array.reshape(-1, array.shape[-1] if array.ndim > 1 else 1)
        self.reach = np.maximum(self.reach, np.abs(channels).max(axis=0))
        flat = rows.ravel()
        chosen = flat if flat.size <= share else flat[generator.integers(0, flat.size, share)]
        self.values.append(np.concatenate([chosen, [flat.min(), flat.max()]]))

    def done(self) -> KeptTensor:
        lowest, highest, values = map(np.concatenate, (self.lowest, self.highest, self.values))
        return KeptTensor(self.name, lowest, highest, np.asarray(self.reach), values)


def kept_tensors(flat: keras.Model, arrays: Sequence[np.ndarray], batch: int = 32) -> dict[Place, KeptTensor]:
    """Runs a model on samples and gathers what the tensors hold that get a range of their own in an integer file.

    Args:
        flat: A model without nested models. It is not changed.
        arrays: The samples, one array for each input, (samples, ...), all finite.
        batch: How many samples are in memory at once.

    Returns:
        By its place each tensor, in the order in which they are computed.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.ReLU(name="relu")])
        >>> found = kept_tensors(model, [np.array([[-1.0, 2.0], [3.0, 1.0]])])
        >>> {tensor.name: tensor.span() for tensor in found.values() if tensor.name == "relu"}
        {'relu': (0.0, 3.0)}
    """
    places, generator = materialized(flat).places, np.random.default_rng(_SEED)
    found: dict[Place, _Gathering] = {}
    share = max(1, _MOST_VALUES // -(-len(arrays[0]) // batch))

    def watch(operation: keras.Operation, number: int, output: Any) -> Any:
        if id(operation) in places and places[id(operation)][number]:
            gathering = found.setdefault((id(operation), number), _Gathering(operation.name))
            gathering.see(keras.ops.convert_to_numpy(output).astype("float32"), share, generator)
        return output

    for _, part in batches(arrays, batch):
        watched(flat, part, watch)
    return {place: gathering.done() for place, gathering in found.items()}


def rounded_outputs(
    flat: keras.Model, arrays: Sequence[np.ndarray], ranges: Mapping[Place, Range], bits: int = 8
) -> list[np.ndarray]:
    """The outputs of a model whose tensors are rounded to the grids of these ranges, as an integer file would do it.

    Args:
        flat: A model without nested models. It is not changed.
        arrays: The samples, one array for each input.
        ranges: For the places that are rounded minimum and maximum; one that is empty leaves its tensor alone.
        bits: 2 to 8.
    """

    def watch(operation: keras.Operation, number: int, output: Any) -> Any:
        minimum, maximum = ranges.get((id(operation), number), (0.0, 0.0))
        return affine_grid(output, minimum, maximum, bits) if maximum > minimum else output

    return watched_outputs(flat, arrays, watch)
