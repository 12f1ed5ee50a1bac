"""What each tensor of a file adds to the error: its own part, where that comes from, what it does to the outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tfcompress.diagnosis.matching import KerasTensor
from tfcompress.models.watching import watched_outputs
from tfcompress.progress import task
from tfcompress.runtime.tensors import RunTensor
from tfcompress.transforms.fidelity import cosine, outputs_snr_db, share_outside, snr_db
from tfcompress.transforms.kept_tensors import Place

_TAIL = 99.9


@dataclass(frozen=True)
class TensorError:
    """One tensor of the file against the model's.

    Attributes:
        layer: The layer of the model.
        tensor: The tensor's name in the file.
        operator: The operator that makes it.
        type: What it is stored in.
        output_snr_db: The signal-to-noise ratio of the model's outputs if this tensor alone had its own error.
        snr_db: That of the tensor, with all errors before it.
        own_snr_db: That of the tensor when the model computes it from what the file has before it.
        cosine: Of the angle to the model's tensor.
        clipped: The share of the model's values that lie outside the file's range.
        range: The file's range, None for a float tensor.
        used: The least and the greatest of the model's values.
        dead_channels: How many channels are constant in the file and not in the model.
        spread: How many times the largest channel is larger than the median one.
        tail: How many times the used range is wider than that of the middle 99.9 % of the values.
        shares: The parts of its own error: `clipping`, `rounding`, `shift` (the mean of each channel) and `weights`.
        on_grid: Whether the model itself rounds it, as one that was trained for quantization does.
    """

    layer: str
    tensor: str
    operator: str
    type: str
    output_snr_db: float
    snr_db: float
    own_snr_db: float
    cosine: float
    clipped: float
    range: tuple[float, float] | None
    used: tuple[float, float]
    dead_channels: int
    spread: float
    tail: float
    shares: Mapping[str, float]
    on_grid: bool = False

    @property
    def cause(self) -> str:
        """The largest part of its own error."""
        return max(self.shares, key=lambda name: self.shares[name])


def tensor_errors(
    flat: keras.Model,
    arrays: Sequence[np.ndarray],
    exact: Mapping[Place, KerasTensor],
    outputs: Sequence[np.ndarray],
    found: Mapping[Place, RunTensor],
) -> tuple[TensorError, ...]:
    """Measures each tensor that was found.

    Args:
        flat: The model, without nested models.
        arrays: The samples.
        exact: The model's tensors on these.
        outputs: The model's outputs on these.
        found: The file's tensors, on the same samples.

    Returns:
        The errors, the one that costs the outputs most first.
    """
    local = _from_the_file(flat, arrays, found)
    errors = []
    with task("what each layer costs", total=len(found)) as progress:
        for place, item in found.items():
            progress.say(exact[place].name)
            own = item.values.reshape(local[place].shape) - local[place]
            alone = _with(flat, arrays, place, own)
            costs = outputs_snr_db(outputs, alone)
            errors.append(_error(exact[place], item, local[place], own, costs))
            progress.advance()
    return tuple(sorted(errors, key=lambda error: error.output_snr_db))


def _from_the_file(
    flat: keras.Model, arrays: Sequence[np.ndarray], found: Mapping[Place, RunTensor]
) -> dict[Place, np.ndarray]:
    """What the model computes for each tensor from the file's tensors before it."""
    local: dict[Place, list[np.ndarray]] = {}
    begun: dict[Place, int] = {}

    def watch(operation: keras.Operation, number: int, output: Any) -> Any:
        place = id(operation), number
        if place not in found:
            return output
        local.setdefault(place, []).append(keras.ops.convert_to_numpy(output).astype("float32"))
        start = begun.get(place, 0)
        begun[place] = start + len(output)
        values = found[place].values[start : start + len(output)]
        return keras.ops.convert_to_tensor(values.reshape(output.shape), dtype=output.dtype)

    watched_outputs(flat, arrays, watch)
    return {place: np.concatenate(parts) for place, parts in local.items()}


def _with(flat: keras.Model, arrays: Sequence[np.ndarray], place: Place, error: np.ndarray) -> list[np.ndarray]:
    """The model's outputs with an error added to one tensor."""
    begun = 0

    def watch(operation: keras.Operation, number: int, output: Any) -> Any:
        nonlocal begun
        if (id(operation), number) != place:
            return output
        part = error[begun : begun + len(output)]
        begun += len(output)
        return output + keras.ops.convert_to_tensor(part, dtype=output.dtype)

    return watched_outputs(flat, arrays, watch)


def _error(exact: KerasTensor, item: RunTensor, local: np.ndarray, own: np.ndarray, costs: float) -> TensorError:
    values, given = exact.values, item.values.reshape(exact.values.shape)
    channels, file_channels = (_by_channel(array) for array in (values, given))
    reach = np.abs(channels).max(axis=0)
    alive = reach[reach > 0]
    inner = np.percentile(values, [(100 - _TAIL) / 2, 100 - (100 - _TAIL) / 2])
    width = max(float(inner[1]), 0.0) - min(float(inner[0]), 0.0)
    used = float(values.min()), float(values.max())
    return TensorError(
        layer=exact.name,
        tensor=item.tensor.name,
        operator=item.operator,
        type=item.tensor.type,
        output_snr_db=costs,
        snr_db=snr_db(values, given),
        own_snr_db=snr_db(local, local + own),
        cosine=cosine(values, given),
        clipped=share_outside(values, *_widened(item)) if item.range else 0.0,
        range=item.range,
        used=used,
        dead_channels=int(((np.ptp(file_channels, axis=0) == 0) & (np.ptp(channels, axis=0) > 0)).sum()),
        spread=float(alive.max() / np.median(alive)) if alive.size else 1.0,
        tail=(max(used[1], 0.0) - min(used[0], 0.0)) / width if width > 0 else 1.0,
        shares=_shares(item, local, own),
        on_grid=exact.on_grid,
    )


def _shares(item: RunTensor, local: np.ndarray, own: np.ndarray) -> dict[str, float]:
    """Where a tensor's own error comes from: its range, its steps, and, beyond these, the weights before it."""
    total = float(np.square(own, dtype="float64").sum())
    clipping = rounding = np.zeros_like(own)
    if item.range is not None and item.tensor.quantization is not None:
        low, high = item.range
        step = item.tensor.quantization.scales[0]
        inside = np.clip(local, low, high)
        clipping, rounding = inside - local, np.rint(inside / step) * step - inside
    rest = _by_channel(own - clipping - rounding)
    mean = rest.mean(axis=0)
    parts = {
        "clipping": np.square(clipping, dtype="float64").sum(),
        "rounding": np.square(rounding, dtype="float64").sum(),
        "shift": np.square(mean, dtype="float64").sum() * len(rest),
        "weights": np.square(rest - mean, dtype="float64").sum(),
    }
    whole = sum(map(float, parts.values()))
    return {name: float(part) / whole if total and whole else 0.0 for name, part in parts.items()}


def _by_channel(array: np.ndarray) -> np.ndarray:
    """Rows of channels: the last axis, for vectors of samples a single one."""
    return array.reshape(-1, array.shape[-1] if array.ndim > 1 else 1)


def _widened(item: RunTensor) -> tuple[float, float]:
    """The range with the half step by which values round into it."""
    half = 0.5 * item.tensor.quantization.scales[0] if item.tensor.quantization else 0.0
    low, high = item.range or (0.0, 0.0)
    return low - half, high + half
