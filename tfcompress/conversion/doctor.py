"""The calibration doctor: whether representative data will give good ranges, said before the conversion."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from tfcompress.conversion.counting import CurvePoint, enough_samples, loss_by_more, sample_curve
from tfcompress.conversion.representative import MOST_SAMPLES, Samples, collect, taken
from tfcompress.conversion.scale import scale_notes
from tfcompress.conversion.signature import signature_of
from tfcompress.errors import DataError, ModelError
from tfcompress.models.loading import check_finite, load
from tfcompress.models.surgery import flatten
from tfcompress.progress import task
from tfcompress.table import aligned, cell
from tfcompress.transforms.kept_tensors import KeptTensor, kept_tensors

_FEW_BITS_LEFT = 4.0
_TAIL = 99.9  # percent
_TAIL_IS_LONG = 4.0  # times
_MOST_ROWS = 10
_SHARE_OF_DUPLICATES = 0.1
_BITS = 8
_WORSE_DB = 1.0


@dataclass(frozen=True)
class TensorRange:
    """How one tensor would use the range that min and max of the samples give it.

    Attributes:
        name: The layer that makes it.
        minimum: The least value, at most 0.
        maximum: The greatest, at least 0.
        tail: How many times the range is wider than that of the middle 99.9 % of the values.
        channels: How many there are.
        widest: The channel with the largest magnitude.
        spread: How many times it is larger than the median channel's.
        bits_left: Bits of 8 that the median channel has in this range, 8 - log2(spread).
    """

    name: str
    minimum: float
    maximum: float
    tail: float
    channels: int
    widest: int
    spread: float
    bits_left: float


@dataclass(frozen=True)
class Checkup:
    """What the doctor found; prints itself.

    Attributes:
        samples: How many samples were looked at.
        wrong: What makes the data useless; `convert` refuses it.
        doubtful: What may be a slip.
        tensors: Ranges, the ones that use their bits worst first.
        curve: How the output's error falls with the number of samples.
        enough: The number of samples from which it hardly moves; None where it still does.
    """

    samples: int
    wrong: tuple[str, ...]
    doubtful: tuple[str, ...] = ()
    tensors: tuple[TensorRange, ...] = ()
    curve: tuple[CurvePoint, ...] = field(default=())
    enough: int | None = None

    @property
    def good(self) -> bool:
        """Whether nothing is wrong or doubtful."""
        return not self.wrong and not self.doubtful

    @property
    def guilty(self) -> tuple[str, ...]:
        """The layers whose outputs have channels too different for one range, the worst first."""
        return tuple(item.name for item in self.tensors if item.bits_left < _FEW_BITS_LEFT)

    def __str__(self) -> str:
        verdict = "wrong" if self.wrong else "doubtful" if self.doubtful else "good"
        lines = [f"representative data: {self.samples} samples, {verdict}"]
        lines += [f"wrong     {text}" for text in self.wrong]
        lines += [f"doubtful  {text}" for text in self.doubtful]
        if self.curve:
            lines += ["", *_curve_lines(self.curve, self.enough)]
        if self.tensors:
            lines += ["", *_tensor_lines(self.tensors)]
        return "\n".join(lines)


def check_representative(
    model: Any,
    data: Any,
    *,
    training: Any = None,
    labels: Any = None,
    classes: int | None = None,
    limit: int = MOST_SAMPLES,
) -> Checkup:
    """Examines representative data before a conversion takes the ranges of activations from it.

    Looked at are type and shape; the scale, against the model's own normalization and against training samples; inputs
    that are constant or repeated; classes that are missing; tensors in which one channel, or a few values, take the
    range from all others; and how the error of the outputs falls with the number of samples, so that no more are asked
    for than help.

    Args:
        model: A Keras model, or whatever `tfcompress.load` takes. It is not changed.
        data: The samples; see `tfcompress.conversion.representative.collect` for the forms.
        training: Samples as the model was trained on, in the same forms, if they are at hand: the best witness of the
            scale.
        labels: The class of each sample of `data`, integers (samples,), if they are known.
        classes: How many classes there are; by default as many as the model has outputs.
        limit: How many samples are looked at, as many as `convert` takes.

    Returns:
        The findings.

    Raises:
        ModelError: The model cannot be read, or has weights that are NaN or infinite.

    Example:
        >>> import tfcompress as tfc
        >>> layers = [keras.layers.Rescaling(1 / 255, name="scale"), keras.layers.Dense(2)]
        >>> model = keras.Sequential([keras.Input((4,), name="pixels"), *layers])
        >>> pixels = np.random.default_rng(0).integers(0, 256, (100, 4)).astype("float32")
        >>> tfc.check_representative(model, pixels).good
        True
        >>> print(tfc.check_representative(model, pixels / 255).wrong[0])
        The representative data has the wrong scale: layer 'scale' scales it to 0 .. 0.003922. ...

    Reference:
        Nagel et al., "A White Paper on Neural Network Quantization", arXiv:2106.08295, section 3.
    """
    model = load(model)
    check_finite(model)
    signature = signature_of(model, model.inputs[0].shape[0] or 1)
    try:
        samples = collect(data, signature.inputs, limit=limit)
        known = None if training is None else collect(training, signature.inputs, limit=limit)
        doubtful = examined(model, samples, known)
    except DataError as error:
        return Checkup(0, (str(error),))
    count = len(next(iter(samples.values())))
    if labels is not None:
        doubtful += _coverage(taken(np.asarray(labels), data, limit), classes or _outputs(model))
    tensors, curve = _measured(model, list(samples.values()))
    enough = enough_samples(curve)
    if curve and enough is None:
        doubtful.append(
            f"The error of the outputs still moves from {curve[-2].samples} to {curve[-1].samples} samples. Give more."
        )
    if (loss := loss_by_more(curve)) > _WORSE_DB:
        doubtful.append(
            f"More samples make it worse, by {loss:.1f} dB up to {curve[-1].samples}: each can only widen a range. "
            "Fewer are no cure; tfc.RangeSetting or tfc.Equalization is."
        )
    return Checkup(count, (), (*doubtful, *_advice(tensors)), tensors, curve, enough)


def examined(model: keras.Model, samples: Samples, known: Samples | None) -> list[str]:
    """What `convert` asks of representative data: scale, constant and repeated inputs.

    Args:
        model: The model.
        samples: The representative samples.
        known: Samples that are known to be right, or None.

    Returns:
        Sentences on what is doubtful, for the card.

    Raises:
        DataError: The data is unmistakably wrong.
    """
    notes = scale_notes(model, samples, known)
    count = len(next(iter(samples.values())))
    if len(samples) > 1:
        notes += [
            f"Input '{name}' is the same in all samples, so its range says little. Give samples as they will come."
            for name, array in samples.items()
            if count > 1 and (array == array[0]).all()
        ]
    blank = sum(all(np.ptp(array[i]) == 0 for array in samples.values()) for i in range(count))
    single = all(array[0].size == 1 for array in samples.values())
    if blank > 1 and not single:
        notes.append(f"{blank} of {count} samples have one value throughout. Leave such samples out.")
    rows = {b"".join(np.ascontiguousarray(array[i]).tobytes() for array in samples.values()) for i in range(count)}
    if count - len(rows) > _SHARE_OF_DUPLICATES * count:
        notes.append(
            f"{count - len(rows)} of {count} samples repeat another one, so they count less than they seem. Give "
            "different samples."
        )
    return notes


def _measured(model: keras.Model, arrays: list[np.ndarray]) -> tuple[tuple[TensorRange, ...], tuple[CurvePoint, ...]]:
    """Ranges and the curve, where the model has a graph that can be looked into."""
    try:
        flat = flatten(model)
    except ModelError:  # a layer of the user's own that cannot be rebuilt still converts
        return (), ()
    with task("looking at ranges"):
        found = kept_tensors(flat, arrays)
        ranges = sorted((_range(tensor) for tensor in found.values()), key=lambda item: item.bits_left)
        return tuple(ranges), sample_curve(flat, arrays, found)


def _range(tensor: KeptTensor) -> TensorRange:
    minimum, maximum = tensor.span()
    inner = np.percentile(tensor.values, [(100 - _TAIL) / 2, 100 - (100 - _TAIL) / 2])
    width = max(float(inner[1]), 0.0) - min(float(inner[0]), 0.0)
    alive = tensor.reach[tensor.reach > 0]
    spread = float(alive.max() / np.median(alive)) if alive.size else 1.0
    return TensorRange(
        name=tensor.name,
        minimum=minimum,
        maximum=maximum,
        tail=(maximum - minimum) / width if width > 0 else 1.0,
        channels=len(tensor.reach),
        widest=int(tensor.reach.argmax()),
        spread=spread,
        bits_left=_BITS - float(np.log2(spread)),
    )


def _advice(tensors: Iterable[TensorRange]) -> list[str]:
    """What the ranges ask for."""
    tensors = list(tensors)
    uneven = [item for item in tensors if item.bits_left < _FEW_BITS_LEFT]
    found = []
    if uneven:
        names = ", ".join(
            f"{item.name} (channel {item.widest} is {item.spread:.0f} times the median one)" for item in uneven[:3]
        )
        found.append(
            f"In {len(uneven)} tensors one channel takes the range from the others: {names}. More data does not help; "
            "tfc.Equalization does where it can, quantization-aware training everywhere."
        )
    long = sorted((item for item in tensors if item.tail > _TAIL_IS_LONG), key=lambda item: -item.tail)
    if long:
        names = ", ".join(f"{item.name} ({item.tail:.1f} times)" for item in long[:3])
        found.append(
            f"In {len(long)} tensors a few values make the range wider than the middle {_TAIL} % need: {names}. "
            "tfc.RangeSetting cuts them off where that helps."
        )
    return found


def _coverage(labels: np.ndarray, classes: int | None) -> list[str]:
    """Classes that the samples lack, or hardly have."""
    if labels.ndim > 1:
        labels = labels.argmax(axis=-1)
    counts = np.bincount(labels.astype("int64").ravel(), minlength=classes or 0)
    missing = np.flatnonzero(counts == 0)
    if not missing.size:
        return []
    names = ", ".join(map(str, missing[:10])) + (f" and {missing.size - 10} more" if missing.size > 10 else "")
    return [f"No sample is of class {names}. What only these classes show is missing in the ranges: give some of each."]


def _outputs(model: keras.Model) -> int | None:
    shape = model.outputs[0].shape
    return shape[-1] if len(model.outputs) == 1 and len(shape) == 2 and (shape[-1] or 0) > 1 else None


def _curve_lines(curve: Iterable[CurvePoint], enough: int | None) -> list[str]:
    rows = [("samples", "output SNR, dB", "worst order")]
    rows += [(cell(point.samples), f"{point.snr_db:.1f}", f"{point.worst_db:.1f}") for point in curve]
    said = "still moving: give more" if enough is None else f"enough: {enough} samples"
    return [f"{aligned(rows, left=0)}", said]


def _tensor_lines(tensors: tuple[TensorRange, ...]) -> list[str]:
    rows = [("tensor", "min", "max", "tail", "channels", "widest", "spread", "bits left")]
    rows += [
        (
            item.name,
            f"{item.minimum:.4g}",
            f"{item.maximum:.4g}",
            f"{item.tail:.1f}",
            cell(item.channels),
            str(item.widest),
            f"{item.spread:.1f}",
            f"{item.bits_left:.1f}",
        )
        for item in tensors[:_MOST_ROWS]
    ]
    rest = [f"and {len(tensors) - _MOST_ROWS} more tensors"] if len(tensors) > _MOST_ROWS else []
    return [aligned(rows), *rest]
