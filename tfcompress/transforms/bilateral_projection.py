"""A matrix as a low-rank part plus a sparse part, by greedy bilateral projections: no SVD in the loop."""

from dataclasses import dataclass

import numpy as np

_STAGES, _ROUNDS, _TOLERANCE = 5, 40, 1e-4  # rounds at most in each stage


@dataclass(frozen=True)
class LowRankPlusSparse:
    """left @ right + sparse.

    Attributes:
        left: (rows, rank); float64.
        right: (rank, columns).
        sparse: (rows, columns), most of it zero.
        error: ||W - left @ right - sparse|| / ||W||, weighted as the fit was.
    """

    left: np.ndarray
    right: np.ndarray
    sparse: np.ndarray
    error: float


def low_rank_plus_sparse(
    matrix: np.ndarray, rank: int, nonzeros: int, importance: np.ndarray | None = None, seed: int = 0
) -> LowRankPlusSparse:
    """Fits U V + S to W with rank(U V) <= rank and nonzeros(S) <= nonzeros.

    Each round projects from both sides and keeps the largest residuals,

        U = orth((W - S) V^T),   V = U^T (W - S),   S = the `nonzeros` largest of W - U V,

    and where rounds gain nothing more, U grows by a random sketch of the residual, in stages up to the rank. With the
    importance d of the rows all of this is done on diag(d) W.

    Args:
        matrix: (rows, columns); rows are inputs.
        rank: From 1, at most the smaller side.
        nonzeros: From 0.
        importance: How much each row counts, such as the root mean square of the input that it multiplies; above 0.
        seed: Of the sketches.

    Example:
        >>> matrix = np.outer([1.0, 2.0, 3.0], [1.0, 1.0, 1.0])
        >>> matrix[0, 2] += 5
        >>> found = low_rank_plus_sparse(matrix, rank=1, nonzeros=1)
        >>> print(np.round(found.sparse, 2), round(found.error, 3))
        [[0. 0. 5.]
         [0. 0. 0.]
         [0. 0. 0.]] 0.0

    Reference:
        Yu, Liu, Wang and Tao, "On Compressing Deep Models by Low Rank and Sparse Decomposition", CVPR 2017; Zhou and
        Tao, "Greedy Bilateral Sketch, Completion and Smoothing", AISTATS 2013.
    """
    scale = np.ones((len(matrix), 1)) if importance is None else np.asarray(importance, "float64").reshape(-1, 1)
    target = scale * matrix.astype("float64")
    generator, norm = np.random.default_rng(seed), float(np.linalg.norm(target)) or 1.0
    left, sparse = np.zeros((len(target), 0)), _largest(target, nonzeros)
    for width in np.unique(np.linspace(0, rank, _STAGES + 1).astype(int))[1:]:
        residual = target - sparse - left @ (left.T @ (target - sparse))
        sketch = residual @ generator.normal(size=(target.shape[1], width - left.shape[1]))
        left, error = np.linalg.qr(np.hstack([left, sketch]))[0], np.inf
        for _ in range(_ROUNDS):
            previous, rest = error, target - sparse
            projected = np.linalg.qr(rest @ (left.T @ rest).T)[0]
            low_rank = projected @ (projected.T @ rest)
            kept = _largest(target - low_rank, nonzeros)
            error = float(np.linalg.norm(target - low_rank - kept)) / norm
            if error < previous:
                left, sparse = projected, kept
            if error >= (1 - _TOLERANCE) * previous:
                break
    right = left.T @ (target - sparse)
    error = float(np.linalg.norm(target - left @ right - sparse)) / norm
    return LowRankPlusSparse(left / scale, right, sparse / scale, error)


def _largest(matrix: np.ndarray, count: int) -> np.ndarray:
    """The matrix with all but its `count` largest magnitudes zero."""
    kept = np.zeros_like(matrix)
    if count:
        places = np.argpartition(-np.abs(matrix), min(count, matrix.size) - 1, axis=None)[:count]
        kept.flat[places] = matrix.flat[places]
    return kept
