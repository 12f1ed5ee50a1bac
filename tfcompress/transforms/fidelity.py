"""How near an array is to what it should be: signal-to-noise ratio, cosine, and what a range cuts off."""

from collections.abc import Sequence

import numpy as np

MOST_DECIBELS = 150.0
"""What stands for an exact answer; float32 rounding alone is at about 140."""


def snr_db(exact: np.ndarray, received: np.ndarray) -> float:
    """The signal-to-noise ratio in decibels, 10 log10(sum x^2 / sum (x - y)^2); 6 dB are one bit.

    Args:
        exact: x, any shape, finite.
        received: y, as many entries.

    Returns:
        At most 150, for equal arrays; -150 where a signal of zeros was answered by something else.

    Example:
        >>> round(snr_db(np.array([1.0, 2.0]), np.array([1.1, 2.0])), 2)
        26.99
        >>> snr_db(np.array([1.0]), np.array([1.0]))
        150.0
    """
    x, y = np.ravel(exact).astype("float64"), np.ravel(received).astype("float64")
    signal, noise = float(np.square(x).sum()), float(np.square(x - y).sum())
    if noise == 0:
        return MOST_DECIBELS
    if signal == 0:
        return -MOST_DECIBELS
    return float(np.clip(10 * np.log10(signal / noise), -MOST_DECIBELS, MOST_DECIBELS))


def outputs_snr_db(exact: Sequence[np.ndarray], received: Sequence[np.ndarray]) -> float:
    """The signal-to-noise ratio of all of a model's outputs together, in decibels.

    Example:
        >>> round(outputs_snr_db([np.ones(9), np.ones(1)], [np.ones(9), np.zeros(1)]), 1)      # 1 of 10 is lost
        10.0
    """
    one, other = (np.concatenate([item.ravel() for item in items]) for items in (exact, received))
    return snr_db(one, other)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """The cosine of the angle between two arrays taken as vectors; 0 where one is zero and the other is not.

    Example:
        >>> cosine(np.array([1.0, 0.0]), np.array([3.0, 4.0]))
        0.6
    """
    x, y = np.ravel(one).astype("float64"), np.ravel(other).astype("float64")
    lengths = float(np.sqrt(np.square(x).sum() * np.square(y).sum()))
    if lengths == 0:
        return float(not x.any() and not y.any())
    return float((x * y).sum() / lengths)


def share_outside(values: np.ndarray, minimum: float, maximum: float) -> float:
    """The share of values that lie outside a range.

    Example:
        >>> share_outside(np.array([-1.0, 0.0, 1.0, 2.0]), 0.0, 1.0)
        0.5
    """
    return float(((values < minimum) | (values > maximum)).mean()) if values.size else 0.0
