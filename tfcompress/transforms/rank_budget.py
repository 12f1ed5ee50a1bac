"""How ranks are chosen for all layers together: a budget of MACs, spent where it loses the least."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tfcompress.errors import RecipeError
from tfcompress.transforms.ranks import Candidate, RankChoice, check_share
from tfcompress.transforms.stages import Ranks

_STEPS = 60
"""Of the grid of energies from which a budget chooses; half the steps of its search for a price."""


@dataclass(frozen=True)
class Budget(RankChoice):
    """Ranks with which the whole model keeps a share of its MACs, where they cost the least energy.

    Each layer offers its ranks on a grid of energies, and to stay as it is. What it loses is weighed against its MACs
    with one price for all layers, the smallest at which the model stays within the budget.

    Args:
        macs: The share of the model's MACs to keep, in (0, 1).
    """

    macs: float = 0.5

    def __post_init__(self) -> None:
        check_share("macs", self.macs)

    def ranks(self, candidate: Candidate) -> Ranks:
        """Refused: a budget is one for all layers."""
        raise RecipeError(f"Budget is for the whole model, not for layer '{candidate.name}'. Give it as `ranks`.")

    def of_all(self, candidates: Mapping[int, Candidate], macs: int, elsewhere: int) -> dict[int, Ranks]:
        """The ranks of the layers that are factorized; the others stay as they are."""
        options = {key: _options(candidate) for key, candidate in candidates.items()}

        def chosen(price: float) -> dict[int, "_Option"]:
            return {key: min(own, key=lambda one: one.lost + price * one.macs / macs) for key, own in options.items()}

        def total(choice: Mapping[int, "_Option"]) -> int:
            return elsewhere + sum(option.macs for option in choice.values())

        low, high = 0.0, 1e9
        best = chosen(high)
        if total(best) > self.macs * macs:
            least = total(best) / macs
            raise RecipeError(
                f"Budget: {self.macs:g} of the model's {macs:,} MACs cannot be reached. With all ranks at their least "
                f"{least:.3f} of them are left. Ask for at least {_up(least)}, factorize more layers, or cut channels "
                "first."
            )
        for _ in range(2 * _STEPS):
            middle = np.sqrt(max(low, 1e-9) * high)
            choice = chosen(middle)
            if total(choice) <= self.macs * macs:
                best, high = choice, middle
            else:
                low = middle
        return {key: option.ranks for key, option in best.items() if option.ranks is not None}

    def why_left(self, candidate: Candidate) -> str:
        """It is one of those that stay as they are."""
        return "the budget is met without it"


@dataclass(frozen=True)
class _Option:
    """What a layer costs and loses with some ranks, or as it is."""

    ranks: Ranks | None
    macs: int
    lost: float


def _options(candidate: Candidate) -> list[_Option]:
    """The choices that a budget has for one layer; those that save nothing are none."""
    found = {candidate.with_energy(energy) for energy in np.linspace(0.02, 0.9999, _STEPS)}
    found.add(tuple(1 for _ in candidate.full))
    options = [_Option(None, candidate.original.macs, 0.0)]
    for ranks in sorted(found):
        cost = candidate.cost(ranks)
        if cost.saves(candidate.original):
            options.append(_Option(ranks, cost.macs, candidate.lost(ranks)))
    return options


def _up(share: float) -> float:
    """Rounded up, so that what is advised can be reached."""
    return float(np.ceil(share * 1000) / 1000)
