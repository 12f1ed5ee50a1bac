"""How a budget is shared out among channel groups: pure maths on scores and allowed widths."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfcompress.models.widths import Widths
from tfcompress.transforms.named import named

Fits = Callable[[Sequence[int]], bool]

_STEPS = 2000  # of the share between one and none


class ChannelAllocation(ABC):
    """Chooses how many channels each group keeps, so that a budget is met and as little as possible goes."""

    @abstractmethod
    def after(self, step: int, scores: Sequence[np.ndarray], widths: Sequence[Widths]) -> list[int]:
        """The numbers of channels after so many steps: at 0 all of them, never more than a step before."""

    @abstractmethod
    def steps(self, scores: Sequence[np.ndarray]) -> int:
        """After how many steps each group has as few as it may."""

    @abstractmethod
    def first_back(self, counts: Sequence[int], scores: Sequence[np.ndarray]) -> list[int]:
        """The order in which groups get back what rounding has taken too much of."""

    def counts(self, scores: Sequence[np.ndarray], widths: Sequence[Widths], fits: Fits) -> list[int] | None:
        """How many channels each group keeps.

        Args:
            scores: For each group the scores of its channels; larger ones matter more.
            widths: For each group the numbers of channels that it may have.
            fits: Whether such numbers meet the budget. Fewer channels must not fit worse.

        Returns:
            The numbers, or None where even the fewest channels do not fit.
        """
        low, high = 0, self.steps(scores)
        if not fits(self.after(high, scores, widths)):
            return None
        while low < high:
            middle = (low + high) // 2
            if fits(self.after(middle, scores, widths)):
                high = middle
            else:
                low = middle + 1
        return self._filled(self.after(high, scores, widths), scores, widths, fits)

    def _filled(
        self, counts: list[int], scores: Sequence[np.ndarray], widths: Sequence[Widths], fits: Fits
    ) -> list[int]:
        """The numbers with a step more for each group for which there is room in the budget, again and again."""
        growing = set(range(len(counts)))
        while growing:
            for group in [group for group in self.first_back(counts, scores) if group in growing]:
                wider = widths[group].after(counts[group])
                attempt = None if wider is None else [*counts[:group], wider, *counts[group + 1 :]]
                if attempt is not None and fits(attempt):
                    counts = attempt
                else:
                    growing.remove(group)  # what has no room now has none when others have grown
        return counts


@dataclass(frozen=True)
class Uniform(ChannelAllocation):
    """Every group keeps the same share of its channels; which architecture comes out does not depend on the scores.

    Example:
        >>> scores = [np.arange(4.0), np.arange(8.0)]
        >>> Uniform().counts(scores, [Widths(4), Widths(8)], lambda counts: sum(counts) <= 6)
        [2, 4]
    """

    def after(self, step: int, scores: Sequence[np.ndarray], widths: Sequence[Widths]) -> list[int]:
        """A share, rounded for each group."""
        return [one.nearest((1 - step / _STEPS) * one.channels) for one in widths]

    def steps(self, scores: Sequence[np.ndarray]) -> int:
        """A fixed number."""
        return _STEPS

    def first_back(self, counts: Sequence[int], scores: Sequence[np.ndarray]) -> list[int]:
        """The groups that lost the largest share first."""
        return sorted(range(len(counts)), key=lambda group: counts[group] / len(scores[group]))


@dataclass(frozen=True)
class Global(ChannelAllocation):
    """One threshold on the scores of all groups: groups whose channels matter less lose more of them.

    Example:
        >>> scores = [np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])]
        >>> Global().counts(scores, [Widths(3), Widths(3)], lambda counts: sum(counts) <= 4)
        [1, 3]
    """

    def after(self, step: int, scores: Sequence[np.ndarray], widths: Sequence[Widths]) -> list[int]:
        """The lowest scores of all removed, rounded for each group."""
        owners = np.repeat(np.arange(len(scores)), [len(score) for score in scores])
        lowest = np.argsort(np.concatenate(scores), kind="stable")[:step]
        removed = np.bincount(owners[lowest], minlength=len(scores))
        return [one.nearest(one.channels - gone) for one, gone in zip(widths, removed.tolist(), strict=True)]

    def steps(self, scores: Sequence[np.ndarray]) -> int:
        """A channel each."""
        return sum(map(len, scores))

    def first_back(self, counts: Sequence[int], scores: Sequence[np.ndarray]) -> list[int]:
        """The groups whose best removed channel matters most first."""
        best = [np.append(np.sort(score)[::-1], -np.inf)[count] for score, count in zip(scores, counts, strict=True)]
        return sorted(range(len(counts)), key=lambda group: -best[group])


_ALLOCATIONS: dict[str, type[ChannelAllocation]] = {"Uniform": Uniform, "Global": Global}


def make_channel_allocation(allocation: ChannelAllocation | Mapping[str, Any] | str) -> ChannelAllocation:
    """An allocation as it is, or the one that a recipe names.

    Raises:
        RecipeError: The name is unknown.

    Example:
        >>> make_channel_allocation("Global")
        Global()
    """
    if isinstance(allocation, ChannelAllocation):
        return allocation
    return named("allocation", allocation, _ALLOCATIONS)
