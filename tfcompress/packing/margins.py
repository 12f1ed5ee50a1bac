"""How the rows, middles and columns of a tensor differ in density and scale, and how much of that is mere chance."""

import numpy as np

from tfcompress.packing.classes import Grid

_BUCKETS = 24
_ROUNDS = 6
_LARGEST_LOGIT = 9.0
_LEAST_SIGNAL = 0.02  # variance of the logarithm of scales that is worth a try


def density_levels(flags: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Levels whose sum is about the logit of a flag: `logit p(i, k, j) = a(i) + b(k) + c(j) + constant`.

    The additive logistic model is fitted to the margins, on positions put together by their density; a level is shrunk
    towards its mean by the share of the differences that chance alone would make.

    Returns:
        The levels along i, k and j; empty where an axis shows nothing but chance.
    """
    cube = flags.reshape(grid.rows, grid.middles, grid.columns)
    margins = [cube.sum(axis=axes, dtype=np.int64) for axes in ((1, 2), (0, 2), (0, 1))]
    share = min(max(flags.mean(), 1e-6), 1 - 1e-6)
    shown = [_shown(margin, cube.size // len(margin), share) for margin in margins]
    if not any(shown):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    buckets = [_bucket(margin, cube.size // len(margin), share) for margin in margins]
    sizes = [np.bincount(bucket) for bucket in buckets]
    sums = [np.bincount(bucket, margin) for bucket, margin in zip(buckets, margins, strict=True)]
    fitted = _additive(sizes, sums, float(np.log(share / (1 - share))))
    i, k, j = (
        level[bucket] if visible else np.zeros(0) for level, bucket, visible in zip(fitted, buckets, shown, strict=True)
    )
    return i, k, j


def _bucket(margin: np.ndarray, trials: int, share: float) -> np.ndarray:
    """Puts positions of about the same density together."""
    logits = np.log((margin + share) / (trials - margin + 1 - share))
    low, high = float(logits.min()), float(logits.max())
    if high - low < 1e-9:
        return np.zeros(len(margin), np.int64)
    _, bucket = np.unique(((logits - low) / (high - low) * (_BUCKETS - 1)).astype(np.int64), return_inverse=True)
    return bucket


def _shown(margin: np.ndarray, trials: int, share: float) -> bool:
    """Whether densities differ more than those of coin throws do."""
    if len(margin) < 2:
        return False
    expected = trials * share * (1 - share)
    return bool(margin.var() > expected * (1 + 4 * np.sqrt(2 / len(margin))))


def _additive(sizes: list[np.ndarray], sums: list[np.ndarray], start: float) -> list[np.ndarray]:
    """Levels for which the model's margins are those seen, by Newton steps along one axis after the other."""
    levels = [np.zeros(len(size)) for size in sizes]
    total = np.einsum("i,k,j->ikj", *sizes)
    for _ in range(_ROUNDS):
        for axis in range(3):
            logit = start + levels[0][:, None, None] + levels[1][None, :, None] + levels[2][None, None, :]
            p = 1 / (1 + np.exp(-np.clip(logit, -_LARGEST_LOGIT, _LARGEST_LOGIT)))
            others = tuple({0, 1, 2} - {axis})
            mean, spread = (total * p).sum(axis=others), (total * p * (1 - p)).sum(axis=others)
            levels[axis] += np.clip((sums[axis] - mean) / (spread + 1.0), -2, 2)
            np.clip(levels[axis], -_LARGEST_LOGIT, _LARGEST_LOGIT, out=levels[axis])
    return levels


def scale_levels(magnitudes: np.ndarray, kept: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Levels whose sum is about the mean logarithm of the size of the values at a position.

    Args:
        magnitudes: The logarithm of each value's size, 0 where it is not kept.
        kept: Which values count.
        grid: Their axes.
    """
    shape = (grid.rows, grid.middles, grid.columns)
    cube, count = magnitudes.reshape(shape), kept.reshape(shape)
    number = max(int(kept.sum()), 1)
    mean = float(magnitudes.sum() / number)
    variance = float(((magnitudes - mean) ** 2)[kept].mean()) if number > 1 else 0.0
    i, k, j = (_scale_level(cube, count, axes, mean, variance) for axes in ((1, 2), (0, 2), (0, 1)))
    return i, k, j


def _scale_level(
    cube: np.ndarray, count: np.ndarray, axes: tuple[int, int], mean: float, variance: float
) -> np.ndarray:
    """The levels along the axis that is left, shrunk by what chance alone would make; empty where that is all."""
    seen = count.sum(axis=axes)
    margin = (cube.sum(axis=axes) - mean * seen) / np.maximum(seen, 1)
    noise = variance / np.maximum(seen, 1)
    signal = max(float((margin**2).mean() - noise.mean()), 0.0)
    if len(margin) < 2 or signal < _LEAST_SIGNAL:
        return np.zeros(0)
    return margin * signal / (signal + noise)
