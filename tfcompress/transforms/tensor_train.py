"""Tensor trains: a kernel whose channels are split into several small axes, as a chain of small cores."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from tfcompress.errors import RecipeError
from tfcompress.transforms.decompositions import tensorly
from tfcompress.transforms.factorizations import Factorization
from tfcompress.transforms.stages import Ranks, Shape, Stage, shape_of

Modes = tuple[int, ...]


@dataclass(frozen=True)
class TensorTrain(Factorization):
    """A chain of cores over split channels.

    With in = m1 m2 ... md and out = n1 n2 ... nd, a dense kernel is

        W[(i1, ..., id), (j1, ..., jd)] = G1[i1, j1] G2[i2, j2] ... Gd[id, jd],    Gk[i, j] an r_k x r_(k+1) matrix

    and a convolution has a core G0[y, x] for its window in front, which one small convolution applies to every channel
    alike. The cores are applied one after the other, so that MACs go with their ranks; the whole kernel is never made.
    At the end stands a scale for each output channel, with the bias: a 1 x 1 depthwise convolution.

    Few weights are left at a small rank, but often no fewer MACs: a layer is taken only where both are saved.

    Args:
        axes: Into how many axes in and out are split, as evenly as they divide; from 2.
        inputs: The sizes of those axes of the input, first to last, where they shall be others.
        outputs: The same of the output.

    Raises:
        RecipeError: There are fewer than two axes, or not as many for inputs as for outputs.

    Example:
        >>> train = TensorTrain()
        >>> [stage.shape for stage in train.stages((1, 1, 800, 500), [8])]
        [(1, 1, 25, 160), (1, 1, 256, 25), (1, 1, 500, 1)]

    Reference:
        Novikov et al., "Tensorizing Neural Networks", arXiv:1509.06569; convolutions: Garipov et al., "Ultimate
        Tensorization", arXiv:1611.03214; Oseledets, "Tensor-Train Decomposition", SIAM J. Sci. Comput. 33, 2011.
    """

    axes: int = 2
    inputs: Sequence[int] | None = None
    outputs: Sequence[int] | None = None

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs"):
            sizes = getattr(self, name)
            object.__setattr__(self, name, None if sizes is None else tuple(sizes))
        counts = {len(sizes) for sizes in (self.inputs, self.outputs) if sizes is not None}
        if counts:
            object.__setattr__(self, "axes", max(counts))
        if len(counts) > 1 or not isinstance(self.axes, int) or self.axes < 2:
            raise RecipeError(
                f"TensorTrain: axes must be a whole number from 2, and inputs and outputs as many; not {self.axes!r}, "
                f"{self.inputs!r} and {self.outputs!r}."
            )

    def modes(self, shape: Shape) -> tuple[Modes, Modes]:
        """The sizes of the axes into which in and out are split."""
        return tuple(self.inputs or split(shape[2], self.axes)), tuple(self.outputs or split(shape[3], self.axes))

    def misfit(self, shape: Shape) -> str | None:
        """Why a kernel of this shape cannot be split so, or None."""
        for given, size, what in zip(self.modes(shape), shape[2:], ("inputs", "outputs"), strict=True):
            if prod(given) != size:
                return f"its {size} {what} are not {' x '.join(map(str, given))}"
            if min(given) < 2:
                return f"its {size} {what} do not split into {self.axes} axes"
        return None

    def full(self, shape: Shape) -> Ranks:
        """The smaller side of each unfolding."""
        sizes = self._sizes(shape)
        return tuple(min(prod(sizes[:cut]), prod(sizes[cut:])) for cut in range(1, len(sizes)))

    def chained(self, shape: Shape, ranks: Sequence[int]) -> Ranks:
        """A core (r, size, r') has full rank where r <= size r' and r' <= r size; so no rank exceeds these."""
        sizes = self._sizes(shape)
        found = [min(rank, most) for rank, most in zip(ranks, self.full(shape), strict=True)]
        for k in range(1, len(found)):
            found[k] = min(found[k], found[k - 1] * sizes[k])
        for k in range(len(found) - 1, 0, -1):
            found[k - 1] = min(found[k - 1], found[k] * sizes[k])
        return tuple(found)

    def matrices(self, kernel: np.ndarray) -> tuple[np.ndarray, ...]:
        """The unfoldings between any two cores."""
        tensor = self._tensor(kernel)
        return tuple(tensor.reshape(prod(tensor.shape[:cut]), -1) for cut in range(1, tensor.ndim))

    def stages(self, shape: Shape, ranks: Sequence[int]) -> tuple[Stage, ...]:
        """The window on every channel, where there is one, the cores, and a scale for each output, beside the bias."""
        inputs, outputs = self.modes(shape)
        ranks = (*ranks, 1) if prod(shape[:2]) > 1 else (1, *ranks, 1)
        window = [Stage((*shape[:2], 1, ranks[0]), (True, True), times=shape[2])] if prod(shape[:2]) > 1 else []
        cores = [
            Stage(
                (1, 1, ranks[k] * inputs[k], outputs[k] * ranks[k + 1]),
                times=prod(inputs[k + 1 :]) * prod(outputs[:k]),
            )
            for k in range(len(inputs))
        ]
        return *window, *cores, Stage((1, 1, shape[3], 1), depthwise=True)

    def factors(self, kernel: np.ndarray, ranks: Sequence[int]) -> list[np.ndarray]:
        """The cores by successive truncated SVDs, each as the matrix (r_k m_k) x (n_k r_(k+1)), and scales of one."""
        cores = tensorly().tensor_train(self._tensor(kernel).astype("float64"), rank=[1, *ranks, 1])
        stages, shapes = self.stages(shape_of(kernel), ranks), zip(*self.modes(shape_of(kernel)), strict=True)
        window, cores = (cores[:1], cores[1:]) if prod(kernel.shape[:2]) > 1 else ([], cores)
        split_cores = [
            core.reshape(core.shape[0], rows, columns, core.shape[2])
            for core, (rows, columns) in zip(cores, shapes, strict=True)
        ]
        shared = [*_balanced([*window, *split_cores]), np.ones(kernel.shape[3])]
        return [factor.reshape(stage.shape) for factor, stage in zip(shared, stages, strict=True)]

    def compose(self, stages: Sequence[Stage], factors: Sequence[np.ndarray], shape: Shape) -> np.ndarray:
        """The whole kernel."""
        inputs, outputs = self.modes(shape)
        window = prod(shape[:2])
        tensor = factors[0].reshape(window, -1) if window > 1 else np.ones((1, 1))
        for factor, rows, columns in zip(factors[window > 1 : -1], inputs, outputs, strict=True):
            core = factor.reshape(tensor.shape[-1], rows * columns, -1)
            tensor = np.tensordot(tensor, core, axes=1)
        # One pair of axes for in and out after the other, as the cores have them; then all of in before all of out.
        interleaved = tensor.reshape(window, *(size for pair in zip(inputs, outputs, strict=True) for size in pair))
        axes = range(1, 2 * self.axes, 2), range(2, 2 * self.axes + 1, 2)
        return np.ascontiguousarray(interleaved.transpose(0, *axes[0], *axes[1])).reshape(shape) * factors[-1].reshape(
            -1
        )

    def _tensor(self, kernel: np.ndarray) -> np.ndarray:
        """The kernel with an axis for its window, where it has one, and one for each pair (m_k, n_k)."""
        inputs, outputs = self.modes(shape_of(kernel))
        split_up = kernel.reshape(prod(kernel.shape[:2]), *inputs, *outputs)
        pairs = [axis for k in range(self.axes) for axis in (1 + k, 1 + self.axes + k)]
        return split_up.transpose(0, *pairs).reshape(self._sizes(shape_of(kernel)))

    def _sizes(self, shape: Shape) -> tuple[int, ...]:
        """Those of the axes of the tensor, one for each core."""
        window = prod(shape[:2])
        pairs = [m * n for m, n in zip(*self.modes(shape), strict=True)]
        return (window, *pairs) if window > 1 else tuple(pairs)


def split(size: int, count: int) -> Modes:
    """A number as so many factors, the nearest to each other that there are, in ascending order.

    Example:
        >>> split(800, 2), split(64, 3), split(7, 2)
        ((25, 32), (4, 4, 4), (1, 7))
    """
    if count == 1:
        return (size,)
    ways = [(part, *split(size // part, count - 1)) for part in range(1, size + 1) if size % part == 0]
    return tuple(sorted(min(ways, key=lambda way: (sum(way), sorted(way)))))


def _balanced(factors: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The same product with the same norm in each factor: an exact train has all of it in the last."""
    norms = [float(np.linalg.norm(factor)) for factor in factors]
    shared = prod(norms) ** (1 / len(norms))
    return [factor * (shared / norm if norm else 1) for factor, norm in zip(factors, norms, strict=True)]
