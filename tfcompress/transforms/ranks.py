"""How the ranks of a layer are chosen: by its singular values, by its cost, or as given."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tfcompress.errors import RecipeError
from tfcompress.transforms.decompositions import singular_values
from tfcompress.transforms.factorizations import Factorization
from tfcompress.transforms.stages import Cost, Ranks, shape_of
from tfcompress.transforms.vbmf import live_shape, vbmf_rank

_STEPS, _ENERGY_STEPS = 60, 12
"""Of a bisection."""
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Candidate:
    """One layer that may be factorized.

    Attributes:
        name: Of the layer, for errors.
        kernel: (height, width, in, out).
        factorization: What it would become.
        cost: What the factorized layer costs with given ranks.
        original: What the layer costs now.
    """

    name: str
    kernel: np.ndarray
    factorization: Factorization
    cost: Callable[[Ranks], Cost]
    original: Cost

    @property
    def full(self) -> Ranks:
        """The full ranks."""
        return self.factorization.full(shape_of(self.kernel))

    @cached_property
    def matrices(self) -> tuple[np.ndarray, ...]:
        """Those whose singular values say which ranks the kernel needs."""
        return self.factorization.matrices(self.kernel)

    @cached_property
    def singular_values(self) -> tuple[np.ndarray, ...]:
        """Those of each matrix, the largest first."""
        return tuple(singular_values(matrix) for matrix in self.matrices)

    @cached_property
    def lost(self) -> Callable[[Ranks], float]:
        """The share of the kernel's energy that ranks leave out, as `Factorization.lost` knows it."""
        return self.factorization.lost(self.kernel, self.singular_values)

    def chained(self, ranks: Sequence[int]) -> Ranks:
        """The largest ranks, at most these, that a chain can have."""
        return self.factorization.chained(shape_of(self.kernel), ranks)

    def from_matrices(self, found: Sequence[int]) -> Ranks:
        """The ranks of the chain where each matrix is to have one of these."""
        return self.chained(self.factorization.from_matrices(found))

    def with_energy(self, energy: float) -> Ranks:
        """Small ranks with which the kernel keeps this share of its energy.

        Each matrix may leave out the same share, the largest with which all of them together leave out no more.
        """

        def ranks(left_out: float) -> Ranks:
            return self.from_matrices([energy_rank(values, 1 - left_out) for values in self.singular_values])

        low, high = 0.0, 1 - energy
        if self.lost(ranks(high)) <= high + _ROUNDING:
            return ranks(high)
        for _ in range(_ENERGY_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.lost(ranks(middle)) <= 1 - energy + _ROUNDING else (low, middle)
        return ranks(low)


class RankChoice(ABC):
    """A way to choose ranks."""

    @abstractmethod
    def ranks(self, candidate: Candidate) -> Ranks:
        """The ranks of one layer.

        Raises:
            RecipeError: The layer cannot have them; the message names it.
        """

    def of_all(self, candidates: Mapping[int, Candidate], macs: int, elsewhere: int) -> dict[int, Ranks]:
        """The ranks of each layer that is to be factorized.

        Args:
            candidates: The layers.
            macs: Those of the whole model as it is.
            elsewhere: Those that will be left in all other layers.
        """
        return {key: self.ranks(candidate) for key, candidate in candidates.items()}

    def why_left(self, candidate: Candidate) -> str:
        """Why `of_all` gave a layer no ranks."""
        return "it is not needed"


@dataclass(frozen=True)
class Fixed(RankChoice):
    """Given ranks.

    Where they are for all layers, those that cannot have them are left alone.

    Args:
        rank: A number for all ranks of a layer, cut to the full rank where that is less; or one for each of its ranks.

    Raises:
        RecipeError: A rank is below 1; for a layer by its name, or for all of them, above the full rank, or more than
            the ranks beside it allow.
    """

    rank: int | Sequence[int]

    def __post_init__(self) -> None:
        given = (self.rank,) if isinstance(self.rank, (int, float)) else tuple(self.rank)
        for rank in given:
            if isinstance(rank, bool) or not isinstance(rank, int) or rank < 1:
                raise RecipeError(f"A rank must be a whole number from 1, not {rank!r}.")
        object.__setattr__(self, "rank", given[0] if isinstance(self.rank, int) else given)

    def ranks(self, candidate: Candidate) -> Ranks:
        """The ranks as given."""
        if reason := self._misfit(candidate):
            raise RecipeError(
                f"Layer '{candidate.name}' cannot have the rank {_text(self.rank)}: {reason}. Give a smaller rank, in "
                "`layers` for this layer alone, or leave the layer out with `skip`."
            )
        return self._of(candidate)

    def of_all(self, candidates: Mapping[int, Candidate], macs: int, elsewhere: int) -> dict[int, Ranks]:
        """The ranks as given, for the layers that can have them."""
        fitting = {key: candidate for key, candidate in candidates.items() if not self._misfit(candidate)}
        # Where no layer can, the rank is a mistake: the first one says so.
        return {key: self.ranks(candidate) for key, candidate in (fitting or candidates).items()}

    def why_left(self, candidate: Candidate) -> str:
        """Names the full rank, or the ranks that the layer could have."""
        return self._misfit(candidate) or super().why_left(candidate)

    def _of(self, candidate: Candidate) -> Ranks:
        full = candidate.full
        return tuple(min(self.rank, most) for most in full) if isinstance(self.rank, int) else tuple(self.rank)

    def _misfit(self, candidate: Candidate) -> str | None:
        """Why a layer cannot have these ranks, or None."""
        full = candidate.full
        if isinstance(self.rank, int):
            return f"its full rank is {_text(full)}" if self.rank > max(full) else None
        if len(self.rank) != len(full):
            raise RecipeError(
                f"Layer '{candidate.name}' has {_count(len(full))}, and {_count(len(self.rank))} "
                f"{'is' if len(self.rank) == 1 else 'are'} given: {list(self.rank)}."
            )
        if any(rank > most for rank, most in zip(self.rank, full, strict=True)):
            return f"its full rank is {_text(full)}"
        if (most := candidate.chained(self.rank)) != tuple(self.rank):
            return f"beside each other its ranks can be {_text(most)} at most"
        return None


@dataclass(frozen=True)
class Energy(RankChoice):
    """Small ranks with which a kernel keeps a share of its energy: ||K - K'||^2 <= (1 - energy) ||K||^2.

    For one matrix, sum of the r largest s^2 >= energy * sum of all s^2. Where there are several, each leaves out the
    same share, so little that the kernel keeps its own. A CP has no such rule: there each of its unfoldings keeps the
    share, which no smaller rank can, and the kernel keeps less; the plan shows its error.

    Args:
        energy: The share, in (0, 1).

    Example:
        >>> energy_rank(np.array([3.0, 2.0, 1.0]), 0.9)
        2
    """

    energy: float = 0.9

    def __post_init__(self) -> None:
        check_share("energy", self.energy)

    def ranks(self, candidate: Candidate) -> Ranks:
        """By the singular values."""
        return candidate.with_energy(self.energy)


@dataclass(frozen=True)
class VBMF(RankChoice):
    """The rank of the signal, if the kernel is signal plus noise: r = R + weaken (full rank - R), R of `vbmf_rank`.

    Dead filters count for neither.

    Small kernels, such as the first and the last of a network, are often taken for all noise, and R is 1: leave those
    out with `skip`, or weaken the choice.

    Args:
        weaken: The share of the other ranks to keep too, in [0, 1).

    Reference:
        Nakajima et al., JMLR 14, 2013; for convolutions Kim et al., arXiv:1511.06530; weakened: Gusak et al.,
        arXiv:1903.09973.
    """

    weaken: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.weaken, bool) or not isinstance(self.weaken, (int, float)) or not 0 <= self.weaken < 1:
            raise RecipeError(f"VBMF: weaken must be a share in [0, 1), not {self.weaken!r}.")

    def ranks(self, candidate: Candidate) -> Ranks:
        """By each matrix's singular values, without the rows and columns of dead filters."""
        found = []
        for values, matrix in zip(candidate.singular_values, candidate.matrices, strict=True):
            live = live_shape(matrix)
            signal = max(1, vbmf_rank(values[: min(live)], live))
            found.append(signal + int(self.weaken * (min(live) - signal)))
        return candidate.from_matrices(found)


@dataclass(frozen=True)
class Ratio(RankChoice):
    """The largest ranks, all the same share of their full ones, with which a layer keeps a share of its cost.

    Args:
        ratio: The share of its MACs and of its weights that a layer may keep, in (0, 1).
    """

    ratio: float = 0.5

    def __post_init__(self) -> None:
        check_share("ratio", self.ratio)

    def ranks(self, candidate: Candidate) -> Ranks:
        """By what the layer costs."""
        most = Cost(int(self.ratio * candidate.original.macs), int(self.ratio * candidate.original.weights))

        def scaled(share: float) -> Ranks:
            return candidate.chained([max(1, int(share * full)) for full in candidate.full])

        low, high = 0.0, 1.0
        for _ in range(_STEPS):
            middle = (low + high) / 2
            found = candidate.cost(scaled(middle))
            fits = found.macs <= most.macs and found.weights <= most.weights
            low, high = (middle, high) if fits else (low, middle)
        return scaled(low)


def energy_rank(values: np.ndarray, energy: float) -> int:
    """The smallest rank whose singular values hold this share of the sum of squares; at least 1."""
    squares = values**2
    return int(min(np.searchsorted(np.cumsum(squares), energy * squares.sum() * (1 - 1e-12)) + 1, len(values)))


def check_share(what: str, value: Any) -> None:
    """Refuses what is no share in (0, 1); `what` it is begins the error."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise RecipeError(f"{what} must be a share in (0, 1), not {value!r}.")


def _text(ranks: int | Sequence[int]) -> str:
    return str(ranks) if isinstance(ranks, int) else ", ".join(map(str, ranks))


def _count(number: int) -> str:
    return f"{number} rank{'s' if number > 1 else ''}"
