"""How a total sparsity is shared out among kernels: pure maths on the trained weights."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfcompress.transforms.named import named


class Allocation(ABC):
    """Shares a total sparsity out among kernels."""

    @abstractmethod
    def sparsities(self, kernels: Mapping[str, np.ndarray], total: float) -> dict[str, float]:
        """The sparsity of each kernel.

        Args:
            kernels: The trained kernels by name, of any shape.
            total: The share of all their entries to remove, in [0, 1).

        Returns:
            For each name a share in [0, 1).
        """


@dataclass(frozen=True)
class PerLayer(Allocation):
    """Every kernel gets the total.

    Example:
        >>> PerLayer().sparsities({"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])}, 0.5)
        {'a': 0.5, 'b': 0.5}
    """

    def sparsities(self, kernels: Mapping[str, np.ndarray], total: float) -> dict[str, float]:
        """The total, for each kernel."""
        return dict.fromkeys(kernels, total)


@dataclass(frozen=True)
class Global(Allocation):
    """One threshold on the magnitude over all kernels: layers with small weights lose more of them.

    At least one entry of each kernel stays, so no layer is emptied.

    Example:
        >>> Global().sparsities({"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])}, 0.25)
        {'a': 0.5, 'b': 0.0}
        >>> Global().sparsities({"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0, 5.0, 6.0])}, 0.5)
        {'a': 0.5, 'b': 0.25}

    Reference:
        Han et al., "Learning both Weights and Connections", arXiv:1506.02626.
    """

    def sparsities(self, kernels: Mapping[str, np.ndarray], total: float) -> dict[str, float]:
        """For each kernel the share of its entries among those with the smallest magnitudes; of ties the earlier."""
        return _lowest({name: np.abs(kernel).ravel() for name, kernel in kernels.items()}, total)


@dataclass(frozen=True)
class ERK(Allocation):
    """By the shape of each kernel: what is kept grows with the sum of its sides, not with their product.

    The density of kernel l is eps (n_in + n_out + k_w + k_h) / (n_in n_out k_w k_h), so large kernels lose a larger
    share than small ones. `eps` is such that the total is met; a kernel whose density would exceed 1 is kept whole and
    the others share what is left. ERK stands for Erdos-Renyi-Kernel.

    Example:
        >>> kernels = {"small": np.ones((2, 2)), "large": np.ones((4, 4))}      # raw densities 1 and 1/2
        >>> ERK().sparsities(kernels, 0.4)                                      # eps = 0.6 x 20 / (4 + 8) = 1
        {'small': 0.0, 'large': 0.5}

    Reference:
        Evci et al., "Rigging the Lottery", arXiv:1911.11134.
    """

    def sparsities(self, kernels: Mapping[str, np.ndarray], total: float) -> dict[str, float]:
        """For each kernel one minus its density."""
        raw = {name: sum(kernel.shape) / kernel.size for name, kernel in kernels.items()}
        left = (1 - total) * sum(kernel.size for kernel in kernels.values())
        shares, scaled = dict.fromkeys(kernels, 0.0), sorted(kernels, key=lambda name: -raw[name])
        while scaled:
            eps = left / sum(raw[name] * kernels[name].size for name in scaled)
            if eps * raw[scaled[0]] <= 1:
                return shares | {name: 1 - eps * raw[name] for name in scaled}
            left -= kernels[scaled.pop(0)].size
        return shares


@dataclass(frozen=True)
class LAMP(Allocation):
    """One threshold over all kernels on each weight's part in what is left of its kernel.

    The score of a weight is its square over the sum of the squares of itself and all larger ones of its kernel:

        score(u) = W_u^2 / sum_{v >= u} W_v^2

    so a kernel with small weights is not emptied, as it may be with `Global`: the largest of each scores 1. Within a
    kernel the order of scores is that of magnitudes.

    Example:
        >>> kernels = {"a": np.array([1.0, 1.0, 2.0]), "b": np.array([0.1, 0.3])}   # scores 1/6, 1/5, 1 and 1/10, 1
        >>> LAMP().sparsities(kernels, 0.4)
        {'a': 0.3333333333333333, 'b': 0.5}

    Reference:
        Lee et al., "Layer-adaptive sparsity for the magnitude-based pruning", arXiv:2010.07611.
    """

    def sparsities(self, kernels: Mapping[str, np.ndarray], total: float) -> dict[str, float]:
        """For each kernel the share of its entries among those with the lowest scores."""
        return _lowest({name: _lamp_scores(kernel) for name, kernel in kernels.items()}, total)


def _lowest(scores: Mapping[str, np.ndarray], total: float) -> dict[str, float]:
    """For each kernel the share of its entries among the `total` with the lowest scores; one entry of each stays."""
    joined = np.concatenate(list(scores.values()))
    owners = np.repeat(np.arange(len(scores)), [one.size for one in scores.values()])
    lowest = np.argsort(joined, kind="stable")[: round(total * joined.size)]
    removed = np.bincount(owners[lowest], minlength=len(scores)).tolist()
    return {
        name: min(count, one.size - 1) / one.size for (name, one), count in zip(scores.items(), removed, strict=True)
    }


def _lamp_scores(kernel: np.ndarray) -> np.ndarray:
    """The scores of a kernel's entries, ascending."""
    squares = np.sort(np.square(kernel.astype("float64")), axis=None)
    itself_and_larger = np.cumsum(squares[::-1])[::-1]
    return np.divide(squares, itself_and_larger, out=np.zeros_like(squares), where=itself_and_larger > 0)


_ALLOCATIONS: dict[str, type[Allocation]] = {"PerLayer": PerLayer, "Global": Global, "ERK": ERK, "LAMP": LAMP}


def make_allocation(allocation: Allocation | Mapping[str, Any] | str) -> Allocation:
    """An allocation as it is, or the one that a recipe names.

    Raises:
        RecipeError: The name is unknown.

    Example:
        >>> make_allocation("Global")
        Global()
    """
    if isinstance(allocation, Allocation):
        return allocation
    return named("allocation", allocation, _ALLOCATIONS)
