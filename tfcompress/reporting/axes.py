"""Where numbers lie on an axis, and which of them are written beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_LOG_FROM, _LOG_TO = 20, 1e15  # largest over smallest value, between which equal ratios get equal lengths
_MOST_TICKS, _MOST_DIGITS = 6, 12


@dataclass(frozen=True)
class Axis:
    """One axis: values from `low` to `high` lie between two positions in a drawing.

    Example:
        >>> axis = Axis(0, 10, start=50.0, end=150.0, logarithmic=False)
        >>> axis.at(5), axis.ticks()
        (100.0, [0, 2, 4, 6, 8, 10])
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool

    def at(self, value: float) -> float:
        """The position of a value."""
        low, high, at = (math.log(x) if self.logarithmic else x for x in (self.low, self.high, value))
        return round(self.start + (at - low) / (high - low) * (self.end - self.start), 2)

    def ticks(self) -> list[float]:
        """The values to write: round ones, a few."""
        return self._powers() if self.logarithmic else self._steps()

    def _steps(self) -> list[float]:
        step = _nice((self.high - self.low) / (_MOST_TICKS - 1))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [float(f"{i * step:.12g}") if step < 1 else round(i * step) for i in range(first, last + 1)]

    def _powers(self) -> list[float]:
        """Powers of ten, with their doubles and fives where those are few, thinned out where there are many."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for digits in ((1, 2, 5), (1, 3), (1,)):
            found = [digit * 10.0**power for power in range(first, last + 1) for digit in digits]
            found = [value for value in found if self.low * 0.999 <= value <= self.high * 1.001]
            if len(found) <= _MOST_TICKS:
                return found
        return found[:: math.ceil(len(found) / _MOST_TICKS)]


def axis_for(values: Sequence[float], start: float, end: float) -> Axis:
    """An axis on which all of these values lie, with a little room on both sides.

    Args:
        values: One or more finite numbers.
        start: The position of the axis' beginning in the drawing.
        end: The position of its end; smaller than `start` for an axis that goes up.

    Example:
        >>> axis_for([1.0, 1000.0], 0, 100).logarithmic
        True
    """
    low, high = min(values), max(values)
    if low > 0 and _LOG_FROM <= high / low <= _LOG_TO:
        room = (high / low) ** 0.06
        return Axis(low / room, high * room, start, end, logarithmic=True)
    room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    below = low - room
    return Axis(max(below, 0.0) if low >= 0 else below, high + room, start, end, logarithmic=False)


def short(value: float, digits: int = 3) -> str:
    """A number for an axis or a bar, to a few digits.

    Example:
        >>> [short(x) for x in (0.00012, 0.125, 17, 1234, 1_727_316, 2.5e9)]
        ['0.00012', '0.125', '17', '1.23k', '1.73M', '2.5G']
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.{digits}g}{unit}"
    return f"{value:.{digits}g}"


def told_apart(values: Sequence[float]) -> list[str]:
    """The numbers of an axis with as many digits as it takes to tell neighbours apart.

    Example:
        >>> told_apart([0.9918, 0.9919, 0.992]), told_apart([0.5, 1])
        (['0.9918', '0.9919', '0.992'], ['0.5', '1'])
    """
    texts = [short(value) for value in values]
    for digits in range(4, _MOST_DIGITS):
        if len(set(texts)) == len(values):
            break
        texts = [short(value, digits) for value in values]
    return texts


def _nice(step: float) -> float:
    """The next larger 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= step * 0.999)
