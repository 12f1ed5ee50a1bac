"""How many representative samples are enough: the error of the outputs against the number that gave the ranges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from tfcompress.models.watching import watched_outputs
from tfcompress.transforms.fidelity import outputs_snr_db
from tfcompress.transforms.kept_tensors import KeptTensor, Place, rounded_outputs

_COUNTS = (10, 20, 50, 100, 200, 500)
_ORDERS = 3
_MOST_TESTED = 64
_LEAST_TESTED = 4
_SETTLED_DB = 1.0
_FINE_DB = 30.0  # an error of 3 %, below what rounding the rest of a network adds
_SEED = 0


@dataclass(frozen=True)
class CurvePoint:
    """The outputs' error with ranges from so many samples.

    Attributes:
        samples: How many samples gave the ranges.
        snr_db: The signal-to-noise ratio of the outputs on samples that gave none; the mean over random orders.
        worst_db: The least of these.
    """

    samples: int
    snr_db: float
    worst_db: float


def sample_curve(
    flat: keras.Model, arrays: Sequence[np.ndarray], tensors: Mapping[Place, KeptTensor]
) -> tuple[CurvePoint, ...]:
    """Rounds the activations to ranges from 10, 20, 50 ... samples and compares the outputs with the model's.

    A quarter of the samples, at most 64, gives no ranges: on these the outputs are compared.

    Args:
        flat: A model without nested models. It is not changed.
        arrays: The samples, one array for each input.
        tensors: What `kept_tensors` gathered from them.

    Returns:
        A point for each number of samples that there are; empty with fewer than 16 samples.
    """
    tested = min(_MOST_TESTED, len(arrays[0]) // 4)
    if tested < _LEAST_TESTED:
        return ()
    order = np.random.default_rng(_SEED).permutation(len(arrays[0]))
    test, giving = [array[order[:tested]] for array in arrays], order[tested:]
    exact = watched_outputs(flat, test, lambda operation, number, output: output)
    counts = sorted({min(count, len(giving)) for count in (*_COUNTS, len(giving))})
    points = []
    for count in counts:
        orders = 1 if count == len(giving) else _ORDERS
        found = []
        for number in range(orders):
            chosen = np.random.default_rng(number).permutation(giving)[:count]
            ranges = {place: tensor.span(chosen) for place, tensor in tensors.items()}
            rounded = rounded_outputs(flat, test, ranges)
            found.append(outputs_snr_db(exact, rounded))
        points.append(CurvePoint(count, float(np.mean(found)), min(found)))
    return tuple(points)


def enough_samples(curve: Sequence[CurvePoint]) -> int | None:
    """The least number that no larger one betters by a decibel, or with which the error is below 3 % already.

    Args:
        curve: Points by rising number of samples.

    Returns:
        The number, or None where the last step still bettered it, or there are fewer than two points.

    Example:
        >>> enough_samples([CurvePoint(10, 20.0, 19.0), CurvePoint(20, 25.1, 25.0), CurvePoint(50, 25.3, 25.3)])
        20
        >>> enough_samples([CurvePoint(10, 20.0, 19.0), CurvePoint(20, 25.1, 25.0)])
    """
    for number, point in enumerate(curve[:-1]):
        best = max(later.snr_db for later in curve[number + 1 :])
        if best - point.snr_db < _SETTLED_DB or point.worst_db > _FINE_DB:
            return point.samples
    return None


def loss_by_more(curve: Sequence[CurvePoint]) -> float:
    """How many decibels the most samples give away against the number with the least error; 0 or more.

    Every sample can only widen a range. Where that costs more than what it no longer cuts off, more are worse.

    Example:
        >>> loss_by_more([CurvePoint(10, 20.0, 19.0), CurvePoint(20, 25.0, 25.0), CurvePoint(50, 21.0, 21.0)])
        4.0
    """
    return max((point.snr_db for point in curve), default=0.0) - curve[-1].snr_db if curve else 0.0
