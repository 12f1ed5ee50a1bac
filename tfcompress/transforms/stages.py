"""The chain of layers that stands for a factorized one: shapes, costs, and the one kernel that it is equal to."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

Shape = tuple[int, int, int, int]
"""Of a kernel: (height, width, in, out). A dense layer is a convolution of 1 x 1 on a single position."""
Ranks = tuple[int, ...]
"""Of a chain: how many channels there are between its layers."""


@dataclass(frozen=True)
class Stage:
    """One layer in a chain without activations between its layers.

    Attributes:
        shape: Of its kernel; of a depthwise one (height, width, channels, 1).
        carries: For height and width, whether the stride, dilation and padding of the original are in this layer.
        depthwise: Whether each channel has a window of its own.
        times: How often the kernel is applied at one position.
    """

    shape: Shape
    carries: tuple[bool, bool] = (False, False)
    depthwise: bool = False
    times: int = 1


@dataclass(frozen=True)
class Sizes:
    """The positions at which a layer computes: their number along each axis before and after one call of it.

    A convolution has (height, width) or (steps,), a dense layer the axes between batch and channels, often none.

    Attributes:
        before: Of its input.
        after: Of its output.
        known: Whether none of them is left open by the model.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    known: bool = True


@dataclass(frozen=True)
class Cost:
    """Multiply-accumulates per sample, and entries of kernels."""

    macs: int
    weights: int

    def saves(self, original: "Cost") -> bool:
        """Whether both are smaller."""
        return self.macs < original.macs and self.weights < original.weights


def cost(stages: Sequence[Stage], calls: Sequence[Sizes]) -> Cost:
    """What a chain costs over all calls of the layer it stands for.

    Each layer multiplies its whole kernel at every position of its output; the positions along an axis are those of the
    original's output from the layer on that carries its stride.

    Args:
        stages: The chain, first to last.
        calls: The sizes at each call.

    Example:
        >>> chain = [Stage((1, 1, 8, 2)), Stage((3, 3, 2, 4), carries=(True, True))]
        >>> cost(chain, [Sizes(before=(10, 10), after=(5, 5))])
        Cost(macs=3400, weights=88)
    """
    macs = 0
    for call in calls:
        sizes = list(call.before)
        for stage in stages:
            for axis in range(min(len(sizes), 2)):
                sizes[axis] = call.after[axis] if stage.carries[axis] else sizes[axis]
            macs += prod(sizes) * stage.times * prod(stage.shape)
    return Cost(macs, sum(prod(stage.shape) for stage in stages))


def composed(stages: Sequence[Stage], factors: Sequence[np.ndarray]) -> np.ndarray:
    """The one kernel that a chain of convolutions is equal to, where along each axis one of them at most has a window.

    Args:
        stages: The chain, first to last; the first is not depthwise.
        factors: Their kernels.

    Example:
        >>> column, row = np.array([1.0, 2.0]).reshape(2, 1, 1, 1), np.array([3.0, 4.0]).reshape(1, 2, 1, 1)
        >>> print(composed([Stage((2, 1, 1, 1)), Stage((1, 2, 1, 1))], [column, row])[:, :, 0, 0])
        [[3. 4.]
         [6. 8.]]
    """
    kernel = factors[0]
    for stage, factor in zip(stages[1:], factors[1:], strict=True):
        equation = "hwsr,xyru->hxwysr" if stage.depthwise else "hwsr,xyrt->hxwyst"
        product = np.einsum(equation, kernel, factor, optimize=True)
        tall, high, wide, broad, channels, filters = product.shape
        kernel = product.reshape(tall * high, wide * broad, channels, filters)
    return kernel


def shape_of(kernel: np.ndarray) -> Shape:
    """The shape of a kernel, for the type checker."""
    height, width, channels, filters = kernel.shape
    return height, width, channels, filters
