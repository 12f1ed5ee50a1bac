"""How a kernel becomes a chain of smaller ones: each kind says which ranks it has, what they cost, and its factors."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from tfcompress.transforms.decompositions import cp, truncated, tucker2, unfolding
from tfcompress.transforms.stages import Ranks, Shape, Stage, composed, shape_of

_EVERY_AXIS = (True, True)


class Factorization(ABC):
    """One way to write a kernel (height, width, in, out) as a chain of layers; a dense kernel is (1, 1, in, out)."""

    @abstractmethod
    def full(self, shape: Shape) -> Ranks:
        """The full ranks of a kernel of this shape: with them a chain can equal it, and larger ones add nothing."""

    @abstractmethod
    def matrices(self, kernel: np.ndarray) -> tuple[np.ndarray, ...]:
        """The matrices whose singular values say which ranks a kernel needs."""

    def from_matrices(self, found: Sequence[int]) -> Ranks:
        """The ranks of the chain, where each of `matrices` is to have one of these: each rank is that of one matrix."""
        return tuple(found)

    def chained(self, shape: Shape, ranks: Sequence[int]) -> Ranks:
        """The largest ranks, at most these, that stand beside each other in a chain."""
        return tuple(ranks)

    def lost(self, kernel: np.ndarray, values: Sequence[np.ndarray]) -> Callable[[Ranks], float]:
        """The share of a kernel's energy, ||K - K'||^2 / ||K||^2, that a chain leaves out at most, by its ranks.

        Here the sum of what each matrix leaves out, exact for one (Eckart and Young, 1936) and a bound for projections
        one after the other (Oseledets 2011, theorem 2.2).

        Args:
            kernel: Of any scale, not zero.
            values: The singular values of its matrices.
        """
        shares = [left_out(own) for own in values]
        return lambda ranks: float(sum(share[rank] for share, rank in zip(shares, ranks, strict=True)))

    @abstractmethod
    def stages(self, shape: Shape, ranks: Sequence[int]) -> tuple[Stage, ...]:
        """The chain for a kernel of this shape: what the layers cost, before any of them is made."""

    @abstractmethod
    def factors(self, kernel: np.ndarray, ranks: Sequence[int]) -> list[np.ndarray]:
        """The kernels of the chain, in the shapes of `stages`; float64."""

    def compose(self, stages: Sequence[Stage], factors: Sequence[np.ndarray], shape: Shape) -> np.ndarray:
        """The kernel of this shape that a chain of these factors is equal to."""
        return composed(stages, factors)


@dataclass(frozen=True)
class SVD(Factorization):
    """The best product of two matrices: K (height width in, out) = A B, A with the whole window, B a 1 x 1.

    For a dense layer and for a convolution of 1 x 1 this is two layers of the same kind. The singular values are shared
    out evenly between both, so that both train at one learning rate.

    Example:
        >>> kernel = np.outer([1.0, 2.0], [3.0, 4.0, 5.0]).reshape(1, 1, 2, 3)
        >>> [factor.shape for factor in SVD().factors(kernel, [1])]
        [(1, 1, 2, 1), (1, 1, 1, 3)]

    Reference:
        Eckart and Young, "The approximation of one matrix by another of lower rank", Psychometrika 1, 1936.
    """

    def full(self, shape: Shape) -> Ranks:
        """The smaller side of the matrix."""
        return (min(prod(shape[:3]), shape[3]),)

    def matrices(self, kernel: np.ndarray) -> tuple[np.ndarray, ...]:
        """(height width in) x out."""
        return (kernel.reshape(-1, kernel.shape[3]),)

    def stages(self, shape: Shape, ranks: Sequence[int]) -> tuple[Stage, ...]:
        """The window to `rank` channels, then 1 x 1."""
        height, width, channels, filters = shape
        (rank,) = ranks
        return Stage((height, width, channels, rank), _EVERY_AXIS), Stage((1, 1, rank, filters))

    def factors(self, kernel: np.ndarray, ranks: Sequence[int]) -> list[np.ndarray]:
        """The two kernels."""
        left, right = truncated(self.matrices(kernel)[0], ranks[0])
        return [left.reshape(*kernel.shape[:3], ranks[0]), right.reshape(1, 1, ranks[0], -1)]


@dataclass(frozen=True)
class SpatialSVD(Factorization):
    """A window as a column, then a row: K[i, j, s, t] = sum_r V[i, s, r] H[j, r, t], the best such sum.

    Example:
        >>> kernel = np.random.default_rng(0).normal(size=(3, 5, 2, 4))
        >>> [factor.shape for factor in SpatialSVD().factors(kernel, [3])]
        [(3, 1, 2, 3), (1, 5, 3, 4)]

    Reference:
        Jaderberg et al., arXiv:1405.3866; Tai et al., arXiv:1511.06067.
    """

    def full(self, shape: Shape) -> Ranks:
        """The smaller side of the matrix."""
        height, width, channels, filters = shape
        return (min(height * channels, width * filters),)

    def matrices(self, kernel: np.ndarray) -> tuple[np.ndarray, ...]:
        """(height in) x (width out)."""
        return (_columns_by_rows(kernel),)

    def stages(self, shape: Shape, ranks: Sequence[int]) -> tuple[Stage, ...]:
        """height x 1, then 1 x width; each carries the stride along its own axis."""
        height, width, channels, filters = shape
        (rank,) = ranks
        return Stage((height, 1, channels, rank), (True, False)), Stage((1, width, rank, filters), (False, True))

    def factors(self, kernel: np.ndarray, ranks: Sequence[int]) -> list[np.ndarray]:
        """The column and the row."""
        height, width, channels, filters = kernel.shape
        column, row = truncated(_columns_by_rows(kernel), ranks[0])
        return [column.reshape(height, 1, channels, -1), row.reshape(1, -1, width, filters).transpose(0, 2, 1, 3)]


@dataclass(frozen=True)
class Tucker2(Factorization):
    """Fewer channels before and after the window: K[i, j, s, t] = sum_ab U[s, a] C[i, j, a, b] V[b, t].

    Higher-order orthogonal iteration, starting at the leading singular vectors of both unfoldings. A 1 x 1 layer that
    costs more than it saves is multiplied into the core: with all input channels kept, as for an image's three, this is
    Tucker-1.

    Example:
        >>> kernel = np.random.default_rng(0).normal(size=(3, 3, 16, 32))
        >>> [factor.shape for factor in Tucker2().factors(kernel, [4, 6])]
        [(1, 1, 16, 4), (3, 3, 4, 6), (1, 1, 6, 32)]
        >>> [factor.shape for factor in Tucker2().factors(kernel, [16, 6])]
        [(3, 3, 16, 6), (1, 1, 6, 32)]

    Reference:
        Kim et al., "Compression of Deep Convolutional Neural Networks for Fast and Low Power Mobile Applications",
        arXiv:1511.06530.
    """

    def full(self, shape: Shape) -> Ranks:
        """The smaller sides of both matrices."""
        window, channels, filters = prod(shape[:2]), shape[2], shape[3]
        return min(channels, window * filters), min(filters, window * channels)

    def matrices(self, kernel: np.ndarray) -> tuple[np.ndarray, ...]:
        """in x rest, and out x rest."""
        return unfolding(kernel, 2), unfolding(kernel, 3)

    def lost(self, kernel: np.ndarray, values: Sequence[np.ndarray]) -> Callable[[Ranks], float]:
        """By the energy of the whole core in the singular vectors of both unfoldings, where the iteration begins."""
        inner, outer = self.full(shape_of(kernel))
        energies = (tucker2(kernel, inner, outer, rounds=0)[1] ** 2).sum(axis=(0, 1))
        kept = energies.cumsum(axis=0).cumsum(axis=1) / (kernel.astype("float64") ** 2).sum()
        return lambda ranks: float(1 - kept[ranks[0] - 1, ranks[1] - 1])

    def stages(self, shape: Shape, ranks: Sequence[int]) -> tuple[Stage, ...]:
        """1 x 1, the window, 1 x 1; those that pay."""
        height, width, channels, filters = shape
        inner, outer = ranks
        first, last = _pays(shape, ranks)
        core = height, width, inner if first else channels, outer if last else filters
        return (
            *([Stage((1, 1, channels, inner))] if first else []),
            Stage(core, _EVERY_AXIS),
            *([Stage((1, 1, outer, filters))] if last else []),
        )

    def factors(self, kernel: np.ndarray, ranks: Sequence[int]) -> list[np.ndarray]:
        """The kernels of the layers that pay."""
        before, core, after = tucker2(kernel, ranks[0], ranks[1])
        first, last = _pays(kernel.shape, ranks)
        if not first:
            core = np.einsum("hwab,sa->hwsb", core, before)
        if not last:
            core = np.einsum("hwab,tb->hwat", core, after)
        return [
            *([before.reshape(1, 1, *before.shape)] if first else []),
            core,
            *([after.T.reshape(1, 1, *after.T.shape)] if last else []),
        ]


@dataclass(frozen=True)
class CP(Factorization):
    """A sum of separable filters: K[i, j, s, t] = sum_r S[s, r] A[i, r] B[j, r] T[r, t].

    Four layers: 1 x 1, two depthwise ones (height x 1, 1 x width), 1 x 1; three where the window has one row or one
    column. Fitted by alternating least squares; the parts of each component get the same norm, since deep chains of
    factors train unstably otherwise.

    It has one rank, which may be larger than in and out: up to the smallest product of all sizes but one, with which
    any kernel is exact. It has no matrix of its own. Where it is chosen by singular values, it is the largest of the
    ranks of in x rest, out x rest, (height in) x (width out) and (width in) x (height out): no smaller one can do.

    Args:
        joined: Whether column and row are one depthwise layer (height x width). Where a convolution has strides they
            are in any case: TensorFlow has no depthwise convolution with another stride along each axis.

    Example:
        >>> kernel = np.random.default_rng(0).normal(size=(3, 3, 8, 4))
        >>> [factor.shape for factor in CP().factors(kernel, [5])]
        [(1, 1, 8, 5), (3, 1, 5, 1), (1, 3, 5, 1), (1, 1, 5, 4)]

    Reference:
        Lebedev et al., "Speeding-up Convolutional Neural Networks Using Fine-tuned CP-Decomposition", arXiv:1412.6553.
    """

    joined: bool = False

    def full(self, shape: Shape) -> Ranks:
        """The smallest product of all sizes but one."""
        return (prod(shape) // max(shape),)

    def matrices(self, kernel: np.ndarray) -> tuple[np.ndarray, ...]:
        """In x rest, out x rest, and both ways to put a side of the window with each."""
        crossed = (
            [_columns_by_rows(kernel), _columns_by_rows(kernel.swapaxes(0, 1))] if min(kernel.shape[:2]) > 1 else []
        )
        return unfolding(kernel, 2), unfolding(kernel, 3), *crossed

    def from_matrices(self, found: Sequence[int]) -> Ranks:
        """The largest: a sum of r terms has no unfolding of a larger rank."""
        return (max(found),)

    def lost(self, kernel: np.ndarray, values: Sequence[np.ndarray]) -> Callable[[Ranks], float]:
        """What one of the unfoldings leaves out: here the kernel loses at least this, and more where terms disagree."""
        shares = [left_out(own) for own in values]
        return lambda ranks: float(max(share[min(ranks[0], len(share) - 1)] for share in shares))

    def stages(self, shape: Shape, ranks: Sequence[int]) -> tuple[Stage, ...]:
        """1 x 1, a column and a row for each channel, 1 x 1; sides of the window that are 1 need no layer."""
        height, width, channels, filters = shape
        (rank,) = ranks
        column = Stage((height, 1, rank, 1), (True, False), depthwise=True)
        row = Stage((1, width, rank, 1), (False, True), depthwise=True)
        both = Stage((height, width, rank, 1), _EVERY_AXIS, depthwise=True)
        windows = [both] if self.joined else [one for one in (column, row) if prod(one.shape[:2]) > 1]
        return Stage((1, 1, channels, rank)), *windows, Stage((1, 1, rank, filters))

    def factors(self, kernel: np.ndarray, ranks: Sequence[int]) -> list[np.ndarray]:
        """The kernels of the layers."""
        sides = [size for size in kernel.shape[:2] if size > 1]
        *windows, before, after = cp(kernel.reshape(*sides, *kernel.shape[2:]), ranks[0])
        if self.joined:
            windows = [windows[0][:, None] * windows[1] if len(windows) == 2 else windows[0]]
        made = [before, *windows, after.T]
        return [
            factor.reshape(stage.shape)
            for factor, stage in zip(made, self.stages(shape_of(kernel), ranks), strict=True)
        ]


def left_out(values: np.ndarray) -> np.ndarray:
    """By rank, from 0 to the full one, the share of the energy that is in the smaller singular values.

    Example:
        >>> print(left_out(np.array([3.0, 2.0, 1.0])) * 14)
        [14.  5.  1.  0.]
    """
    squares = np.cumsum(np.concatenate([values**2, [0.0]])[::-1])[::-1]
    return np.asarray(squares / squares[0])


def _columns_by_rows(kernel: np.ndarray) -> np.ndarray:
    """(height in) x (width out)."""
    height, width, channels, filters = kernel.shape
    return kernel.transpose(0, 2, 1, 3).reshape(height * channels, width * filters)


def _pays(shape: Sequence[int], ranks: Sequence[int]) -> tuple[bool, bool]:
    """Whether the first and the last 1 x 1 of a Tucker-2 chain cost less than multiplying them into the core."""
    window, channels, filters = prod(shape[:2]), shape[2], shape[3]
    inner, outer = ranks
    last = window * channels * outer + outer * filters < window * channels * filters
    between = outer if last else filters
    first = channels * inner + window * inner * between < window * channels * between
    if first:
        last = window * inner * outer + outer * filters < window * inner * filters
    return first, last
