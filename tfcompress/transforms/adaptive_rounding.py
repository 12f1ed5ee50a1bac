"""Which weights to round up and which down, so that what is computed from them changes least: a relaxation, solved."""

from dataclasses import dataclass

import numpy as np

_LOW, _HIGH = -0.1, 1.1  # the stretched sigmoid reaches 0 and 1
_FIRST_POWER, _LAST_POWER = 20.0, 2.0
_WARM_UP = 0.2
_RATE, _MOMENTUM, _SQUARES, _TINY = 0.02, 0.9, 0.999, 1e-8
_ON_GRID = 1e-3


@dataclass(frozen=True)
class Moments:
    """What a kernel reads and should answer, as second moments over samples and positions.

    Attributes:
        reads: G = E[x x^T] of what the rounded layer reads, (entries, entries).
        answers: C = E[x y^T] of that with what the exact layer answers, (entries, channels).
        energies: E[y^2], (channels,).
    """

    reads: np.ndarray
    answers: np.ndarray
    energies: np.ndarray


def adaptive_integers(kernel: np.ndarray, scales: np.ndarray, most: int, moments: Moments, steps: int) -> np.ndarray:
    """The integers q between the two next to each weight for which s q answers most like the exact layer.

    For each output channel

        L(q) = s^2 q^T G q - 2 s q^T C + E[y^2] = E[(x^T s q - y)^2],   q = floor(w / s) + h(V),
        h(V) = clip(1.2 sigmoid(V) - 0.1, 0, 1)

    is lowered over V by gradient descent (Adam) from h = the fraction of w / s on, while 1 - |2 h - 1|^beta, beta from
    20 to 2, drives each h to 0 or 1. L is measured relative to that of rounding to the nearest. Where the result is no
    better than the nearest integers, these are taken.

    Args:
        kernel: W, (entries, channels), or several of them side by side, (kernels, entries, channels).
        scales: s, (channels,), all above 0; for several kernels (kernels, channels), and moments likewise.
        most: The largest integer, 2^(bits - 1) - 1.
        moments: G and C.
        steps: Of the descent, 1 or more.

    Returns:
        Integers in [-most, most], in the shape of the kernel. Weights that lie on the grid stay.

    Example:
        >>> kernel, scales = np.array([[0.4], [0.4], [3.0]]), np.array([1.0])
        >>> x = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 1.0]])   # the first two always come together
        >>> moments = Moments(x.T @ x / 3, x.T @ (x @ kernel) / 3, np.square(x @ kernel).mean(axis=0))
        >>> sorted(adaptive_integers(kernel, scales, 7, moments, 500).ravel().tolist())     # 0 + 1 is nearer to 0.8
        [0.0, 1.0, 3.0]

    Reference:
        Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", arXiv:2004.10568.
    """
    scales = scales[..., np.newaxis, :]
    units = kernel / scales
    nearest = np.clip(np.rint(units), -most, most)
    low = np.floor(units)
    fixed = np.abs(units - np.rint(units)) < _ON_GRID
    share = np.maximum(_loss(nearest, scales, moments), 1e-9 * moments.energies + np.finfo("float64").tiny)
    found = _descend(units - low, low, fixed, scales, moments, share[..., np.newaxis, :], steps)
    relaxed = np.where(fixed, nearest, np.clip(low + found, -most, most))
    flipped = [_flipped(start, _other(start, low, fixed, most), scales, moments) for start in (relaxed, nearest)]
    better = _loss(flipped[0], scales, moments) < _loss(flipped[1], scales, moments)
    return np.where(better[..., np.newaxis, :], *flipped)


def _descend(
    fraction: np.ndarray,
    low: np.ndarray,
    fixed: np.ndarray,
    scales: np.ndarray,
    moments: Moments,
    share: np.ndarray,
    steps: int,
) -> np.ndarray:
    """Which weights go up, 0 or 1."""
    inside = np.clip((fraction - _LOW) / (_HIGH - _LOW), 1e-4, 1 - 1e-4)
    values = np.log(inside / (1 - inside))
    first, second = np.zeros_like(values), np.zeros_like(values)
    for step in range(1, steps + 1):
        sigmoid = 1 / (1 + np.exp(-values))
        stretched = sigmoid * (_HIGH - _LOW) + _LOW
        up = np.clip(stretched, 0.0, 1.0)
        # As the error of a channel is measured in that of nearest rounding, all channels move alike.
        slope = 2 * scales * (moments.reads @ ((low + up) * scales) - moments.answers) / share
        progress = (step / steps - _WARM_UP) / (1 - _WARM_UP)
        if progress > 0:
            power = _LAST_POWER + (_FIRST_POWER - _LAST_POWER) * (1 + np.cos(np.pi * progress)) / 2
            centred = 2 * up - 1
            slope = slope - 2 * power * np.abs(centred) ** (power - 1) * np.sign(centred) / values.shape[-2]
        moving = (stretched > 0) & (stretched < 1) & ~fixed
        gradient = np.where(moving, slope * sigmoid * (1 - sigmoid) * (_HIGH - _LOW), 0.0)
        first = _MOMENTUM * first + (1 - _MOMENTUM) * gradient
        second = _SQUARES * second + (1 - _SQUARES) * np.square(gradient)
        moved = first / (1 - _MOMENTUM**step) / (np.sqrt(second / (1 - _SQUARES**step)) + _TINY)
        values = values - _RATE * np.where(moving, moved, 0.0)
    return (1 / (1 + np.exp(-values)) > 0.5).astype("float64")


def _other(integers: np.ndarray, low: np.ndarray, fixed: np.ndarray, most: int) -> np.ndarray:
    """The integer on the other side of each weight; the same one where the weight lies on the grid."""
    return np.where(fixed, integers, np.clip(2 * low + 1 - integers, -most, most))


def _flipped(integers: np.ndarray, other: np.ndarray, scales: np.ndarray, moments: Moments) -> np.ndarray:
    """Flips in each channel the weight that lowers the loss most from one integer to the other, until none does."""
    diagonal = np.diagonal(moments.reads, axis1=-2, axis2=-1)[..., np.newaxis]
    residue, entries = moments.reads @ (integers * scales) - moments.answers, integers.shape[-2]
    least = 1e-12 * moments.energies[..., np.newaxis, :]
    for _ in range(2 * entries):
        change = (other - integers) * scales
        gains = -(2 * change * residue + np.square(change) * diagonal)
        rows = gains.argmax(axis=-2)[..., np.newaxis, :]
        active = np.take_along_axis(gains, rows, axis=-2) > least
        if not active.any():
            break
        step = np.where(active, np.take_along_axis(change, rows, axis=-2), 0.0)
        residue = residue + np.take_along_axis(moments.reads, rows, axis=-1) * step
        chosen = (np.arange(entries)[:, np.newaxis] == rows) & active
        integers, other = np.where(chosen, other, integers), np.where(chosen, integers, other)
    return integers


def _loss(integers: np.ndarray, scales: np.ndarray, moments: Moments) -> np.ndarray:
    """The mean square error of each channel."""
    values = integers * scales
    loss: np.ndarray = (values * (moments.reads @ values - 2 * moments.answers)).sum(axis=-2) + moments.energies
    return loss
