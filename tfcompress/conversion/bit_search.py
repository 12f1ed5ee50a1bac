"""The search for each layer's bits: what every step costs is measured, the cheapest step for its bytes comes first."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tfcompress.errors import ConversionError
from tfcompress.pareto import front

_NO_NOISE = 1e-30
_LEAST_COST = 1e-12  # noise that a step adds at least: one that seems to help is still taken for its bytes

Precisions = Mapping[str, str]
"""Each layer's precision by its name."""


@dataclass(frozen=True)
class Point:
    """One file that could be written.

    Attributes:
        bytes: Its size.
        noise: The power of what its outputs differ by, over that of the float file's outputs.
        precisions: Each layer's precision.
    """

    bytes: int
    noise: float
    precisions: Precisions

    @property
    def snr_db(self) -> float:
        """Signal over noise of the outputs, in decibels.

        Example:
            >>> Point(100, 0.01, {}).snr_db
            20.0
        """
        return -10 * math.log10(max(self.noise, _NO_NOISE))


Measure = Callable[[Precisions], Point]


def search(options: Mapping[str, Sequence[str]], measure: Measure) -> list[Point]:
    """Goes from the widest to the narrowest precisions, one layer at a time, and measures each file on the way.

    First every layer is narrowed alone, which tells what noise that adds and what bytes it saves. Then the step with
    the least noise for a byte is taken, again and again.

    Args:
        options: Each layer's precisions, the widest first.
        measure: Makes the file of some precisions and measures it.

    Returns:
        The files that no other beats in bytes and noise, from the largest to the smallest: fewer bytes, more noise.

    Reference:
        Dong et al., "HAWQ-V2", arXiv 1911.03852, in the form in which the loss is measured instead of estimated.
    """
    state = {name: choices[0] for name, choices in options.items()}
    widest = measure(state)
    alone = {(name, choices[0]): widest for name, choices in options.items()}
    for name, choices in options.items():
        for choice in choices[1:]:
            alone[name, choice] = measure({**state, name: choice})
    points, left = [widest, *alone.values()], {name: list(choices[1:]) for name, choices in options.items()}
    while steps := [
        (_price(alone[name, state[name]], alone[name, choice]), name, choice)
        for name, choices in left.items()
        for choice in choices
    ]:
        _, name, choice = min(steps)
        state[name] = choice
        left[name] = left[name][left[name].index(choice) + 1 :]
        points.append(measure(state))
    return pareto(points)


def pareto(points: Sequence[Point]) -> list[Point]:
    """Those points that no other beats, from the largest to the smallest, each size once.

    Example:
        >>> [point.bytes for point in pareto([Point(9, 0.1, {}), Point(8, 0.3, {}), Point(7, 0.2, {})])]
        [9, 7]
    """
    kept = {points[i].bytes: points[i] for i in front([(point.bytes, point.noise) for point in points])}
    return sorted(kept.values(), key=lambda point: -point.bytes)


def chosen(points: Sequence[Point], max_bytes: int | None, min_snr_db: float | None) -> Point:
    """The point that keeps a budget: of those that fit the bytes the one of least noise, or the smallest of the SNR.

    Args:
        points: A Pareto front, the largest first.
        max_bytes: The largest size, or None.
        min_snr_db: The least signal over noise, or None.

    Raises:
        ConversionError: No point does.
    """
    small = [point for point in points if max_bytes is None or point.bytes <= max_bytes]
    if not small:
        raise ConversionError(
            f"No precisions give a file of at most {max_bytes:,} bytes; the smallest has {points[-1].bytes:,}. "
            "Allow int4, prune channels, or give a larger budget."
        )
    clean = [point for point in small if min_snr_db is None or point.snr_db >= min_snr_db]
    if not clean:
        best = max(point.snr_db for point in small)
        within = "" if max_bytes is None else f" within {max_bytes:,} bytes"
        raise ConversionError(
            f"No precisions give outputs of {min_snr_db:g} dB{within}; the best have {best:.1f} dB. Allow int16 or "
            "float32, or ask for less."
        )
    return clean[-1] if min_snr_db is not None else clean[0]


def _price(before: Point, after: Point) -> float:
    """Noise for a byte; what saves nothing comes last."""
    saved = before.bytes - after.bytes
    return math.inf if saved <= 0 else max(after.noise - before.noise, _LEAST_COST) / saved
