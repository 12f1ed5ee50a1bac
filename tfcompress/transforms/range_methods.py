"""Ways to set the range of a tensor from values that it held: min and max, percentile, least square error, entropy."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfcompress.errors import RecipeError
from tfcompress.transforms.named import named

Range = tuple[float, float]
_CANDIDATES = 60
_NARROWEST = 0.05
_BINS = 2048


class RangeMethod(ABC):
    """A way to set a range, zero always inside."""

    @abstractmethod
    def range(self, values: np.ndarray, bits: int) -> Range:
        """Minimum and maximum for values, any shape, that will have so many bits."""


@dataclass(frozen=True)
class MinMax(RangeMethod):
    """From the least to the greatest value: nothing is cut off.

    Example:
        >>> MinMax().range(np.array([0.5, 3.0]), 8)
        (0.0, 3.0)
    """

    def range(self, values: np.ndarray, bits: int) -> Range:
        """Minimum and maximum."""
        return min(float(values.min()), 0.0), max(float(values.max()), 0.0)


@dataclass(frozen=True)
class Percentile(RangeMethod):
    """The middle share of the values; the rest, half at each end, is cut off.

    Args:
        percent: The share, in (0, 100].

    Example:
        >>> Percentile(50.0).range(np.arange(-4.0, 5.0), 8)
        (-2.0, 2.0)
    """

    percent: float = 99.99

    def __post_init__(self) -> None:
        if isinstance(self.percent, bool) or not isinstance(self.percent, (int, float)) or not 0 < self.percent <= 100:
            raise RecipeError(f"Percentile: percent must be in (0, 100], not {self.percent!r}.")

    def range(self, values: np.ndarray, bits: int) -> Range:
        """Minimum and maximum."""
        rest = (100 - self.percent) / 2
        low, high = np.percentile(values, [rest, 100 - rest])
        return min(float(low), 0.0), max(float(high), 0.0)


@dataclass(frozen=True)
class LeastSquares(RangeMethod):
    """The range whose grid has the least mean square error, found among narrower and narrower ones, then end by end.

    Example:
        >>> values = np.concatenate([np.linspace(0, 1, 10_000), [10.0]])
        >>> minimum, maximum = LeastSquares().range(values, 4)
        >>> minimum, 1.0 <= maximum < 9.0
        (0.0, True)

    Reference:
        Nagel et al., arXiv:2106.08295, section 3.1.
    """

    def range(self, values: np.ndarray, bits: int) -> Range:
        """Minimum and maximum."""
        least, greatest = MinMax().range(values, bits)
        both = ((least * share, greatest * share) for share in np.geomspace(1.0, _NARROWEST, _CANDIDATES))
        low, high = min(both, key=lambda ends: _square_error(values, ends, bits))
        for factors in (np.linspace(0.5, 2.0, _CANDIDATES), np.linspace(0.9, 1.1, _CANDIDATES)):
            ends = ((low, min(high * factor, greatest)) for factor in (1.0, *factors))
            low, high = min(ends, key=lambda ends: _square_error(values, ends, bits))
            ends = ((max(low * factor, least), high) for factor in (1.0, *factors))
            low, high = min(ends, key=lambda ends: _square_error(values, ends, bits))
        return float(low), float(high)


@dataclass(frozen=True)
class Entropy(RangeMethod):
    """The range after which the distribution of the rounded values says most of that of the values.

    Among narrower and narrower ranges the one with the least Kullback-Leibler divergence from P, the histogram of the
    values, cut off and gathered at the ends, to Q, the same in 2^bits levels, each spread evenly over those of its bins
    that hold something.

    Example:
        >>> values = np.concatenate([np.random.default_rng(0).exponential(1.0, 50_000), [80.0]])
        >>> Entropy().range(values, 8)[1] < 40.0
        True

    Reference:
        Migacz, "8-bit Inference with TensorRT", GPU Technology Conference 2017.
    """

    def range(self, values: np.ndarray, bits: int) -> Range:
        """Minimum and maximum."""
        low, high = MinMax().range(values, bits)
        if high <= low:
            return low, high
        nonzero = values[values != 0]  # what a ReLU cut off would be all that the histogram says
        counts, _ = np.histogram(nonzero if nonzero.size else values, bins=_BINS, range=(low, high))
        zero = round(-low / (high - low) * _BINS)
        width, levels = (high - low) / _BINS, 2**bits
        best, found = np.inf, (low, high)
        for share in np.linspace(1.0, max(_NARROWEST, levels / _BINS), _CANDIDATES):
            first, last = round(zero * (1 - share)), round(zero + (_BINS - zero) * share)
            divergence = _divergence(counts, first, last, levels)
            if divergence < best:
                best, found = divergence, (low + first * width, low + last * width)
        return min(float(found[0]), 0.0), max(float(found[1]), 0.0)


RANGE_METHODS: dict[str, type[RangeMethod]] = {
    kind.__name__: kind for kind in (MinMax, Percentile, LeastSquares, Entropy)
}


def make_range_method(given: RangeMethod | Mapping[str, Any] | str) -> RangeMethod:
    """A method as it is, or the one that a recipe names; a table has the name under `type`.

    Raises:
        RecipeError: The name or a setting is unknown.

    Example:
        >>> make_range_method({"type": "Percentile", "percent": 99.9})
        Percentile(percent=99.9)
    """
    made: RangeMethod = given if isinstance(given, RangeMethod) else named("range method", given, RANGE_METHODS)
    return made


def rounded_to(values: np.ndarray, minimum: float, maximum: float, bits: int) -> np.ndarray:
    """The nearest points of the affine integer grid of a range, with zero on the grid.

    Example:
        >>> rounded_to(np.array([-1.0, 0.4, 0.6, 9.0]), 0.0, 3.0, 2).tolist()
        [0.0, 0.0, 1.0, 3.0]
    """
    if maximum <= minimum:
        return np.zeros_like(values)
    step = (maximum - minimum) / (2**bits - 1)
    zero = np.rint(-minimum / step)
    rounded: np.ndarray = (np.clip(np.rint(values / step) + zero, 0, 2**bits - 1) - zero) * step
    return rounded


def _square_error(values: np.ndarray, ends: Range, bits: int) -> float:
    return float(np.square(values - rounded_to(values, ends[0], ends[1], bits)).mean())


def _divergence(counts: np.ndarray, first: int, last: int, levels: int) -> float:
    """The divergence from a histogram cut to the bins first to last, to itself in so many levels."""
    inside = counts[first:last].astype("float64")
    if inside.size < levels:
        return float("inf")
    true = inside.copy()
    true[0] += counts[:first].sum()
    true[-1] += counts[last:].sum()
    level = np.arange(inside.size) * levels // inside.size
    held = inside > 0
    totals = np.bincount(level, inside, levels)
    filled = np.bincount(level, held, levels)
    spread = np.where(held, totals[level] / np.maximum(filled[level], 1), 0.0)
    if not spread.sum() or not true.sum():
        return float("inf")
    p, q = true / true.sum(), spread / spread.sum()
    # What was gathered at an end where nothing lay has no fellow: it counts as if it had the least probability.
    q = np.maximum(q, 1e-9)
    some = p > 0
    return float((p[some] * np.log(p[some] / q[some])).sum())
