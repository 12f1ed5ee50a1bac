"""What may be chosen: how much of each technique, and the recipe that a choice stands for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from tfcompress.errors import RecipeError
from tfcompress.recipe import Recipe
from tfcompress.techniques.channel_pruning import ChannelPruning
from tfcompress.techniques.kernels import WeightTechnique
from tfcompress.techniques.low_rank import LowRank
from tfcompress.techniques.magnitude_pruning import MagnitudePruning
from tfcompress.techniques.quantization_aware import QuantizationAware
from tfcompress.techniques.technique import Technique
from tfcompress.techniques.together import Together
from tfcompress.techniques.weight_clustering import WeightClustering


@dataclass(frozen=True)
class Choice:
    """One value of each kind.

    Attributes:
        channels: The share of MACs that channel pruning keeps; 1 leaves it out.
        rank: The share of the remaining MACs that low rank keeps; 1 leaves it out.
        sparsity: The share of zeros over all kernels; 0 leaves pruning out.
        clusters: Distinct values in a kernel; 0 leaves clustering out.
        trained_ranges: Whether quantization-aware training is part of the training.
    """

    channels: float = 1.0
    rank: float = 1.0
    sparsity: float = 0.0
    clusters: int = 0
    trained_ranges: bool = False

    @property
    def structure(self) -> tuple[float, float]:
        """What decides the graph: two choices alike in it have models of one shape."""
        return self.channels, self.rank


@dataclass(frozen=True)
class SearchSpace:
    """The values that a search may take, each kind from the mildest to the strongest.

    Args:
        channels: Shares of MACs to keep, in (0, 1]; 1 leaves channel pruning out.
        rank: Shares of MACs to keep by low rank, in (0, 1]; 1 leaves it out.
        sparsity: Shares of zeros, in [0, 1); 0 leaves pruning out. Each kernel's part follows from sensitivities.
        clusters: Distinct values in a kernel, 8 or more; 0 leaves clustering out.
        trained_ranges: Whether quantization-aware training takes part; with two values both are tried.

    Raises:
        RecipeError: A kind has no values, or one out of range.

    Example:
        >>> SearchSpace(channels=(1.0,), sparsity=(0.0, 0.5), clusters=(0, 16), trained_ranges=(False,)).size
        4
    """

    channels: tuple[float, ...] = (1.0, 0.85, 0.7, 0.55, 0.4, 0.25)
    rank: tuple[float, ...] = (1.0,)
    sparsity: tuple[float, ...] = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    clusters: tuple[int, ...] = (0, 64, 32, 16, 8)
    trained_ranges: tuple[bool, ...] = field(default=(False, True))

    def __post_init__(self) -> None:
        checks: dict[str, tuple[Callable[[Any], bool], str]] = {
            "channels": (lambda value: 0 < value <= 1, "shares in (0, 1]"),
            "rank": (lambda value: 0 < value <= 1, "shares in (0, 1]"),
            "sparsity": (lambda value: 0 <= value < 1, "shares in [0, 1)"),
            "clusters": (lambda value: value == 0 or (isinstance(value, int) and value >= 8), "0 or numbers from 8"),
            "trained_ranges": (lambda value: isinstance(value, bool), "True, False or both"),
        }
        for name, (fits, what) in checks.items():
            object.__setattr__(self, name, tuple(getattr(self, name)))
            values = getattr(self, name)
            if not values or not all(isinstance(value, (int, float)) and fits(value) for value in values):
                raise RecipeError(f"SearchSpace: {name} must be {what}, one or more, not {values!r}.")

    @property
    def size(self) -> int:
        """How many different choices there are."""
        total = 1
        for item in fields(self):
            total *= len(getattr(self, item.name))
        return total

    def choice(self, indices: Mapping[str, int]) -> Choice:
        """The choice that a number for each kind stands for."""
        return Choice(**{name: getattr(self, name)[index] for name, index in indices.items()})

    def indices(self, choice: Choice) -> dict[str, int]:
        """The numbers that stand for a choice of this space."""
        return {item.name: getattr(self, item.name).index(getattr(choice, item.name)) for item in fields(self)}

    def all_values(self) -> list[Choice]:
        """All choices of weights on one structure, the unchanged one; combine with `dataclasses.replace`."""
        return [
            Choice(sparsity=sparsity, clusters=clusters, trained_ranges=ranges)
            for sparsity in self.sparsity
            for clusters in self.clusters
            for ranges in self.trained_ranges
        ]

    def structures(self) -> list[Choice]:
        """All choices of a graph, with nothing done to its weights."""
        return [replace(Choice(), channels=channels, rank=rank) for channels in self.channels for rank in self.rank]


def recipe_for(choice: Choice, shares: Mapping[str, float]) -> Recipe | None:
    """The recipe of a choice; None for the one that changes nothing and leaves all to conversion.

    First the graph is made smaller, then weights become zero, and each is trained; what is left shares values and is
    quantized in one last training. Values found among weights that pruning has not yet let recover would be bad ones.

    Args:
        choice: What was chosen.
        shares: The share of zeros of each kernel that stands for `choice.sparsity`.
    """
    steps = structure_steps(choice)
    if choice.sparsity:
        # Low rank makes other kernels, with names of their own.
        named = {} if choice.rank < 1 else dict(shares)
        steps.append(MagnitudePruning(layers=named) if named else MagnitudePruning(sparsity=choice.sparsity))
    weights: list[WeightTechnique] = []
    if choice.clusters:
        weights.append(WeightClustering(clusters=choice.clusters))
    if choice.trained_ranges:
        weights.append(QuantizationAware())
    if weights:
        steps.append(Together(weights) if len(weights) > 1 else weights[0])
    return Recipe(steps) if steps else None


def structure_steps(choice: Choice) -> list[Technique]:
    """The steps of a choice that change the graph."""
    steps: list[Technique] = []
    if choice.channels < 1:
        steps.append(ChannelPruning(macs=choice.channels))
    if choice.rank < 1:
        steps.append(LowRank(macs=choice.rank))
    return steps
