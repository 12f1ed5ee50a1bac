"""Matrices and kernels as products of smaller ones: truncated SVD, Tucker over the channels, CP."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tfcompress.errors import MissingPackageError

_TUCKER_ROUNDS, _CP_ROUNDS, _TOLERANCE = 10, 100, 1e-5


def truncated(matrix: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """The best approximation of a rank as left @ right, the singular values shared out evenly; float64.

    By the eigenvectors of the small Gram matrix: a tenth of the time of a whole SVD, and as exact as float32 needs.

    Example:
        >>> left, right = truncated(np.diag([4.0, 1.0]), 1)
        >>> print(np.abs(left.T), np.abs(right))
        [[2. 0.]] [[2. 0.]]
    """
    matrix = matrix.astype("float64")
    if matrix.shape[0] < matrix.shape[1]:
        right, left = truncated(matrix.T, rank)
        return np.ascontiguousarray(left.T), np.ascontiguousarray(right.T)
    basis = _leading(matrix.T, rank)
    left = matrix @ basis
    values = np.linalg.norm(left, axis=0)
    root = np.sqrt(np.where(values > 0, values, 1.0))
    return left / root, root[:, None] * basis.T


def singular_values(matrix: np.ndarray) -> np.ndarray:
    """All singular values, the largest first, from the small Gram matrix: seconds for the largest of ResNet-50.

    Example:
        >>> print(singular_values(np.array([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]])))
        [4. 3.]
    """
    matrix = matrix.astype("float64")
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    return np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0))


def unfolding(kernel: np.ndarray, axis: int) -> np.ndarray:
    """The matrix with one axis as its rows and all others as its columns.

    Example:
        >>> print(unfolding(np.arange(6).reshape(2, 3), 1))
        [[0 3]
         [1 4]
         [2 5]]
    """
    return np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)


def tucker2(
    kernel: np.ndarray, inner: int, outer: int, rounds: int = _TUCKER_ROUNDS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Higher-order orthogonal iteration over the two channel axes of a kernel.

    Own code, as tensorly 0.10 makes a full SVD of each unfolding in every round, also where told to use another method:
    minutes for one kernel of 3 x 3 x 512 x 512. Here a round is one step of orthogonal iteration.

    Args:
        kernel: (height, width, in, out).
        inner: How many directions of the input channels to keep.
        outer: How many of the output channels.
        rounds: At most; with none it is the projection on the leading singular vectors of both unfoldings.

    Returns:
        U (in, inner) with orthonormal columns, the core (height, width, inner, outer), and V (out, outer) with
        orthonormal columns; float64.

    Example:
        >>> kernel = np.ones((3, 3, 4, 5))
        >>> before, core, after = tucker2(kernel, 1, 1)
        >>> bool(np.allclose(np.einsum("hwab,sa,tb->hwst", core, before, after), kernel))
        True

    Reference:
        De Lathauwer, De Moor and Vandewalle, "On the best rank-1 and rank-(R1, R2, ..., RN) approximation of
        higher-order tensors", SIAM Journal on Matrix Analysis and Applications 21, 2000.
    """
    kernel = kernel.astype("float64")
    before, after = _leading(unfolding(kernel, 2), inner), _leading(unfolding(kernel, 3), outer)
    core = np.einsum("hwst,sa->hwat", kernel, before, optimize=True) @ after
    energy = float((core**2).sum())
    for _ in range(rounds):
        before = _nearer(before, unfolding(kernel @ after, 2))
        fewer_inputs = np.einsum("hwst,sa->hwat", kernel, before, optimize=True)
        after = _nearer(after, unfolding(fewer_inputs, 3))
        core = fewer_inputs @ after
        previous, energy = energy, float((core**2).sum())
        if energy - previous <= _TOLERANCE * energy:
            break
    return before, core, after


def _leading(matrix: np.ndarray, count: int) -> np.ndarray:
    """The left singular vectors of the largest singular values, as columns."""
    return np.asarray(np.linalg.eigh(matrix @ matrix.T)[1][:, ::-1][:, :count])


def _nearer(basis: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """One step of orthogonal iteration towards the leading left singular vectors of a matrix."""
    return np.asarray(np.linalg.qr(matrix @ (matrix.T @ basis))[0])


def cp(kernel: np.ndarray, rank: int) -> list[np.ndarray]:
    """Alternating least squares: kernel[i, j, ...] = sum_r A[i, r] B[j, r] ..., each part of a term of the same norm.

    Args:
        kernel: Of any number of axes.
        rank: The number of terms.

    Returns:
        For each axis a matrix (size, rank); float64.

    Raises:
        MissingPackageError: tensorly is not installed.
    """
    with _quietly():
        _, parts = tensorly().parafac(
            kernel.astype("float64"), rank=rank, init="svd", n_iter_max=_CP_ROUNDS, tol=_TOLERANCE, random_state=0
        )
    norms = np.stack([np.linalg.norm(part, axis=0) for part in parts])
    shared = np.prod(norms, axis=0) ** (1 / len(parts))
    return [part * shared / np.where(own == 0, 1, own) for part, own in zip(parts, norms, strict=True)]


def tensorly() -> Any:
    """tensorly's decompositions; imported when one is made, since that takes a second.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        from tensorly import decomposition
    except ImportError as error:
        raise MissingPackageError(
            "tensorly is not installed, and CP and TensorTrain need it: pip install 'tfcompress[lowrank]'. SVD, "
            "SpatialSVD and Tucker2 do without."
        ) from error
    return decomposition


def relative_error(kernel: np.ndarray, approximation: np.ndarray) -> float:
    """||K - K'|| / ||K||, Frobenius norms."""
    return float(np.linalg.norm(kernel - approximation) / np.linalg.norm(kernel))


@contextmanager
def _quietly() -> Iterator[None]:
    """Without tensorly's remarks: that a start was filled up with random columns, or a fit ended at its last round."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
