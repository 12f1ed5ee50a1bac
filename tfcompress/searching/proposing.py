"""Which choices are worth a training: the first from sensitivities, later ones also from what was learnt."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tfcompress.searching.budget import Budget
from tfcompress.searching.prediction import Prediction
from tfcompress.searching.space import Choice, SearchSpace
from tfcompress.searching.structures import Structures

_SHARES_OF_LIMITS = (0.95, 0.7, 0.5, 0.35)


@dataclass(frozen=True)
class Proposals:
    """What is known before training: of graphs exactly, of weights by prediction."""

    space: SearchSpace
    budget: Budget
    structures: Structures
    prediction: Prediction

    def first(self, count: int) -> list[Choice]:
        """Choices of the least predicted loss whose predicted sizes fit into the budget.

        Graphs take turns, from the one that keeps most; for each, the sizes may fill less and less of their limits, so
        that the first trials already spread over a front.
        """
        graphs = [choice for choice in self.space.structures() if not self.misses(choice)]
        graphs.sort(key=lambda choice: choice.structure, reverse=True)
        found: list[Choice] = []
        for share in _SHARES_OF_LIMITS:
            for graph in graphs:
                best = self._best(graph, share)
                if best is not None and best not in found:
                    found.append(best)
        return found[:count]

    def misses(self, choice: Choice) -> list[str]:
        """Why a choice cannot meet the budget, in words; nothing is trained to know it.

        MACs, parameters, bytes of the file and emulated latency follow from the graph, so missing them is proven.
        Packed and zipped sizes are predicted, and count only where they are far beyond their limit.
        """
        structure = self.structures.of(choice)
        if structure.figures is None:
            return [structure.problem]
        proven = self.budget.misses(structure.figures)
        return proven or self.prediction.hopeless(choice, structure, self.budget.costs)

    def excess(self, choice: Choice) -> float | None:
        """How far beyond the budget a choice is, as far as is known of it; None where its graph cannot be made."""
        structure = self.structures.of(choice)
        if structure.figures is None:
            return None
        return self.budget.excess(self.prediction.costs(choice, structure) | structure.figures)

    def _best(self, graph: Choice, share: float) -> Choice | None:
        """The choice on a graph that loses least, of those whose sizes fill at most this share of their limits."""
        fitting = [choice for choice in self._on(graph) if self._fits(choice, share)]
        return min(fitting, key=lambda choice: (self.prediction.loss(choice), not choice.trained_ranges), default=None)

    def _on(self, graph: Choice) -> Iterator[Choice]:
        for values in self.space.all_values():
            yield replace(values, channels=graph.channels, rank=graph.rank)

    def _fits(self, choice: Choice, share: float) -> bool:
        costs = self.prediction.costs(choice, self.structures.of(choice))
        return all(
            value <= share * self.budget.costs[name] for name, value in costs.items() if name in self.budget.costs
        )
