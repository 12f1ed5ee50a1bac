"""How much each channel matters, from its values alone: pure maths on arrays (channels, values)."""

from collections.abc import Sequence

import numpy as np


def norms(rows: np.ndarray, order: int) -> np.ndarray:
    """The L1 or L2 norm of each row.

    Args:
        rows: (channels, values).
        order: 1 or 2.

    Returns:
        (channels,), float64.

    Example:
        >>> norms(np.array([[3.0, -4.0], [1.0, 0.0]]), 1), norms(np.array([[3.0, -4.0], [1.0, 0.0]]), 2)
        (array([7., 1.]), array([5., 1.]))

    Reference:
        Li et al., "Pruning Filters for Efficient ConvNets", arXiv:1608.08710, for L1.
    """
    # Kernels of dense layers may have a hundred million values: no copy of them in float64 is made.
    if order == 1:
        return np.asarray(np.abs(rows).sum(axis=1, dtype="float64"))
    return np.asarray(np.sqrt(np.einsum("kv,kv->k", rows, rows, dtype="float64")))


def distances(rows: np.ndarray) -> np.ndarray:
    """The sum of each row's distances to all rows: d_k = sum_j ||F_k - F_j||_2.

    The row with the smallest sum is the nearest to the geometric median: others can stand in for it best.

    Args:
        rows: (channels, values).

    Returns:
        (channels,), float64.

    Example:
        >>> distances(np.array([[0.0], [1.0], [5.0]]))
        array([6., 5., 9.])

    Reference:
        He et al., "Filter Pruning via Geometric Median", arXiv:1811.00250.
    """
    rows = rows.astype("float64")
    rows = rows - rows.mean(axis=0)  # distances stay, and less is lost in the difference of squares
    squares = np.square(rows).sum(axis=1)
    between = squares[:, np.newaxis] + squares - 2 * rows @ rows.T
    np.fill_diagonal(between, 0)
    return np.asarray(np.sqrt(np.maximum(between, 0)).sum(axis=1))


def voted(scores: Sequence[np.ndarray]) -> np.ndarray:
    """One score for each channel out of those that several weights give it, each weight with an equal voice.

    Each array is divided by its mean first, so that the result has the mean 1 in every group.

    Args:
        scores: Arrays (channels,), none negative.

    Returns:
        (channels,).

    Example:
        >>> voted([np.array([1.0, 3.0]), np.array([20.0, 20.0])])
        array([0.75, 1.25])
    """
    parts = [score / score.mean() if score.mean() > 0 else np.ones_like(score) for score in scores]
    return np.asarray(np.mean(parts, axis=0))
