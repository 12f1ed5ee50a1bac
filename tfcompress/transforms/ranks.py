"""How the ranks of a layer are chosen: by its singular values, by its cost, or as given."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tfcompress.errors import RecipeError
from tfcompress.transforms.decompositions import singular_values
from tfcompress.transforms.stages import Cost
from tfcompress.transforms.vbmf import vbmf_rank

Ranks = tuple[int, ...]
_STEPS = 60
"""Of a bisection."""


@dataclass(frozen=True)
class Candidate:
    """One layer that may be factorized.

    Attributes:
        name: Of the layer, for errors.
        matrices: Those whose ranks are to be chosen.
        cost: What the factorized layer costs with given ranks.
        original: What the layer costs now.
    """

    name: str
    matrices: tuple[np.ndarray, ...]
    cost: Callable[[Ranks], Cost]
    original: Cost

    @property
    def full(self) -> Ranks:
        """The full rank of each matrix."""
        return tuple(min(matrix.shape) for matrix in self.matrices)

    @cached_property
    def singular_values(self) -> tuple[np.ndarray, ...]:
        """Those of each matrix, the largest first."""
        return tuple(singular_values(matrix) for matrix in self.matrices)

    def with_energy(self, energy: float) -> Ranks:
        """For each matrix the smallest rank with this share of its energy."""
        return tuple(energy_rank(values, energy) for values in self.singular_values)

    def lost(self, ranks: Ranks) -> float:
        """The largest share of a matrix's energy that these ranks leave out; the kernel loses at least this."""
        return max(
            float((values[rank:] ** 2).sum() / (values**2).sum())
            for values, rank in zip(self.singular_values, ranks, strict=True)
        )


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

    Where they are for all layers, those with a smaller full rank are left alone.

    Args:
        rank: A number for all matrices of a layer, cut to the full rank of those that have less; or one for each.

    Raises:
        RecipeError: A rank is below 1; for a layer by its name, or for all of them, above the full rank.
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
        full = candidate.full
        if self._above(candidate):
            raise RecipeError(
                f"Layer '{candidate.name}' has the full rank {_text(full)}, and {_text(self.rank)} is asked for. Give "
                "a smaller rank, in `layers` for this layer alone, or leave the layer out with `skip`."
            )
        if isinstance(self.rank, int):
            return tuple(min(self.rank, most) for most in full)
        return tuple(self.rank)

    def of_all(self, candidates: Mapping[int, Candidate], macs: int, elsewhere: int) -> dict[int, Ranks]:
        """The ranks as given, for the layers that can have them."""
        fitting = {key: candidate for key, candidate in candidates.items() if not self._above(candidate)}
        # Where no layer can, the rank is a mistake: the first one says so.
        return {key: self.ranks(candidate) for key, candidate in (fitting or candidates).items()}

    def why_left(self, candidate: Candidate) -> str:
        """Names the full rank."""
        return f"its full rank is {_text(candidate.full)}"

    def _above(self, candidate: Candidate) -> bool:
        full = candidate.full
        if isinstance(self.rank, int):
            return self.rank > max(full)
        if len(self.rank) != len(full):
            raise RecipeError(
                f"Layer '{candidate.name}' has {len(full)} ranks, and {len(self.rank)} are given: {list(self.rank)}."
            )
        return any(rank > most for rank, most in zip(self.rank, full, strict=True))


@dataclass(frozen=True)
class Energy(RankChoice):
    """The smallest ranks with a share of the energy: sum of the r largest s^2 >= energy * sum of all s^2.

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
        """By each matrix's singular values."""
        return candidate.with_energy(self.energy)


@dataclass(frozen=True)
class VBMF(RankChoice):
    """The rank of the signal, if the kernel is signal plus noise: r = R + weaken (full rank - R), R of `vbmf_rank`.

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
        """By each matrix's singular values."""
        pairs = zip(candidate.singular_values, candidate.matrices, strict=True)
        signal = [max(1, vbmf_rank(values, matrix.shape)) for values, matrix in pairs]
        return tuple(rank + int(self.weaken * (full - rank)) for rank, full in zip(signal, candidate.full, strict=True))


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
            return tuple(max(1, int(share * full)) for full in candidate.full)

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
