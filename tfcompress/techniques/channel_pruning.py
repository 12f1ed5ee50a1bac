"""Channel pruning: whole channels leave the model, which then costs fewer MACs in plain dense kernels."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

from tfcompress.errors import ModelError, RecipeError, TfCompressWarning, suggestion
from tfcompress.models.channel_costs import ChannelCosts
from tfcompress.models.channels import INPUT, OUTPUT, ChannelGroup, Channels, channel_groups
from tfcompress.models.cutting import cut
from tfcompress.models.profile import Profile
from tfcompress.models.surgery import layers_of
from tfcompress.models.widths import Widths, widths_of
from tfcompress.notes import note
from tfcompress.techniques.importances import L2, Importance, InMemory, Taylor, make_importance
from tfcompress.techniques.kernels import has_established, wrap_kernels
from tfcompress.techniques.technique import Property, Technique, check_ready
from tfcompress.transforms.channel_allocations import ChannelAllocation, Uniform, make_channel_allocation

_BUDGETS = ("macs", "parameters", "cost")


@dataclass(frozen=True)
class ChannelPruning(Technique):
    """Removes whole channels, so that the model has fewer MACs, parameters and bytes, and is faster on any runtime.

    Channels are followed through the graph: what goes with a channel (its filter, its batch norm, the kernels that read
    it, what is added to it) goes too, see `tfc.channel_groups`. The channels of each group that matter least are
    removed at once when the model is wrapped; training then repairs what is left. A removed channel counts as zero
    wherever it was read; layer and group norms take their statistics over what is left.

    Several rounds of pruning and training are several steps: `Recipe(ChannelPruning(macs=0.5).in_rounds(3))`.

    Args:
        macs: The share of MACs to keep at most, in (0, 1]; 0.5 where no other budget is given. What is kept is as much
            of it as whole steps of `round_to` allow.
        parameters: The share of parameters to keep at most, in (0, 1]. With several budgets all are met.
        cost: Another measure, such as an estimated latency: a function of a `Profile` that gives a number, which must
            not grow when channels go. In Python only.
        cost_share: The share of `cost` to keep at most, in (0, 1].
        importance: What says how much a channel matters: `L1()`, `L2()`, `Gamma()` (batch norm), `GeometricMedian()`,
            `Taylor(samples, loss)`, `Random(seed)`, or its name or table.
        allocation: `Uniform()`: every group keeps the same share; `Global()`: one threshold on the importance; or its
            name.
        round_to: What the number of channels of a layer becomes a multiple of, from 1; CPUs compute eight at a time.
            Groups with fewer channels stay whole.
        floor: The share of channels that every layer keeps at least, in [0, 1].
        layers: The floor of particular layers by pattern, matched with `*` and `?` against the layer's name or type;
            the first that matches counts, before `skip` and `floor`.
        skip: Patterns of layers that keep all of their channels.

    Raises:
        RecipeError: A setting is out of range, or an importance or allocation is unknown.

    Example:
        >>> import tfcompress as tfc
        >>> layers = [keras.Input((8,)), keras.layers.Dense(64, name="hidden"), keras.layers.Dense(3)]
        >>> smaller = tfc.ChannelPruning(macs=0.5).wrap(keras.Sequential(layers))     # compile and fit it
        >>> smaller.get_layer("hidden").units
        32

    Reference:
        Groups: Fang et al., "DepGraph", arXiv:2301.12900. Importances: see each.
    """

    preserves: ClassVar[frozenset[Property]] = frozenset({Property.SPARSITY, Property.CLUSTERS})

    macs: float | None = None
    parameters: float | None = None
    cost: Callable[[Profile], float] | None = None
    cost_share: float = 0.5
    importance: Importance = field(default_factory=L2)
    allocation: ChannelAllocation = field(default_factory=Uniform)
    round_to: int = 8
    floor: float = 0.1
    layers: Mapping[str, float] = field(default_factory=dict)
    skip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "importance", make_importance(self.importance))
        object.__setattr__(self, "allocation", make_channel_allocation(self.allocation))
        object.__setattr__(self, "skip", tuple(self.skip))
        if all(getattr(self, name) is None for name in _BUDGETS):
            object.__setattr__(self, "macs", 0.5)
        for name in ("macs", "parameters", "cost_share"):
            share = getattr(self, name)
            if share is not None and (not _is_number(share) or not 0 < share <= 1):
                raise RecipeError(f"ChannelPruning: {name} must be the share to keep, in (0, 1], not {share!r}.")
        for name, share in {"floor": self.floor, **self.layers}.items():
            if not _is_number(share) or not 0 <= share <= 1:
                raise RecipeError(f"ChannelPruning: {name} must be a share in [0, 1], not {share!r}.")
        if not isinstance(self.round_to, int) or isinstance(self.round_to, bool) or self.round_to < 1:
            raise RecipeError(f"ChannelPruning: round_to must be a whole number from 1, not {self.round_to!r}.")
        if self.cost is not None and not callable(self.cost):
            raise RecipeError(f"ChannelPruning: cost must be a function of a Profile, not {self.cost!r}.")

    @property
    def trains(self) -> bool:
        """True: what is left must make up for what went."""
        return True

    @property
    def reads(self) -> tuple[Path, ...]:
        """The samples of the importance, where they lie in a file."""
        return self.importance.reads

    def to_settings(self) -> dict[str, Any]:
        """The settings as plain data.

        Raises:
            RecipeError: A setting is a function or holds samples, which no file can.
        """
        if self.cost is not None:
            raise RecipeError(
                "ChannelPruning: cost is a Python function, which a recipe's file cannot hold. Prune by yourself, "
                "smaller = pruning.wrap(model), train it, and go on with pruning.strip(smaller); or use macs."
            )
        if isinstance(self.importance, Taylor) and isinstance(self.importance.samples, InMemory):
            raise RecipeError(
                "ChannelPruning: Taylor has its samples in memory, which a recipe's file cannot hold. Save them, "
                'np.savez("batch.npz", x=x, y=y), and write Taylor(samples="batch.npz", ...).'
            )
        return super().to_settings()

    def in_rounds(self, rounds: int) -> "tuple[ChannelPruning, ...]":
        """This pruning as several steps of a recipe: prune a little, train, prune again.

        Every round keeps the same share of what the one before has left, the n-th root of the whole share; as each
        keeps at most that, rounding may take the last a little below the share asked for.

        Args:
            rounds: The number of steps, from 1.

        Raises:
            RecipeError: The number is out of range.

        Example:
            >>> [round(step.macs, 3) for step in ChannelPruning(macs=0.5).in_rounds(2)]
            [0.707, 0.707]
        """
        if not isinstance(rounds, int) or rounds < 1:
            raise RecipeError(f"ChannelPruning.in_rounds: rounds must be a whole number from 1, not {rounds!r}.")

        def root(share: float | None) -> float | None:
            return None if share is None else share ** (1 / rounds)

        step = replace(
            self,
            macs=root(self.macs),
            parameters=root(self.parameters),
            cost_share=self.cost_share ** (1 / rounds),
            floor=self.floor ** (1 / rounds),
            layers={pattern: share ** (1 / rounds) for pattern, share in self.layers.items()},
        )
        return (step,) * rounds

    def wrap(self, model: keras.Model) -> keras.Model:
        """A smaller model, which keeps what earlier steps established in its weights while it trains.

        Raises:
            RecipeError: The budget cannot be met, or a pattern matches no layer.
            ModelError: A weight is NaN or infinite, a size is open, the graph is hidden, or no channel can be removed.
            DataError: The samples of the importance do not fit the model.
        """
        check_ready(model)
        found = channel_groups(model)
        if not found.groups:
            why = "; ".join(found.reasons)
            raise ModelError(f"ChannelPruning: model '{model.name}' has no channels that could be removed: {why}.")
        kept = self._chosen(model, found)
        smaller = cut(model, found, kept)
        note(f"ChannelPruning cut {_widths(found.groups, kept)}.")
        return wrap_kernels(smaller, {}) if has_established(smaller) else smaller

    def _chosen(self, model: keras.Model, found: Channels) -> list[np.ndarray]:
        """For each group the numbers of the channels that stay."""
        given = self.importance.scores(model, found.groups)
        unjudged = [group.name for group, scores in zip(found.groups, given, strict=True) if scores is None]
        scores = [
            np.ones(group.channels) if own is None else own for group, own in zip(found.groups, given, strict=True)
        ]
        floors = self._floors(model, found.groups)
        widths = [
            widths_of(group, self.round_to, 1.0 if own is None else floor)
            for group, own, floor in zip(found.groups, given, floors, strict=True)
        ]
        self._say_kept(found, unjudged)
        counts = self._counts(model, found, scores, widths)
        return [np.sort(np.argsort(-own, kind="stable")[:count]) for own, count in zip(scores, counts, strict=True)]

    def _counts(
        self, model: keras.Model, found: Channels, scores: Sequence[np.ndarray], widths: Sequence[Widths]
    ) -> list[int]:
        """How many channels each group keeps."""
        costs = ChannelCosts(model, found)
        whole = [group.channels for group in found.groups]
        measures = {name: (share, measure) for name, share, measure in self._measures(costs) if share is not None}
        limits = {name: share * measure(whole) for name, (share, measure) in measures.items()}

        def fits(counts: Sequence[int]) -> bool:
            return all(measure(counts) <= limits[name] for name, (_, measure) in measures.items())

        counts = self.allocation.counts(scores, widths, fits)
        if counts is not None:
            return counts
        fewest = [one.fewest for one in widths]
        missed = next(name for name, (_, measure) in measures.items() if measure(fewest) > limits[name])
        share, measure = measures[missed]
        raise RecipeError(
            f"ChannelPruning: {missed} cannot go down to {share:g}: with every layer of '{model.name}' at its fewest "
            f"channels {measure(fewest) / measure(whole):.3f} are left.{self._blamed(found, widths)}"
        )

    def _measures(self, costs: ChannelCosts) -> list[tuple[str, float | None, Callable[[Sequence[int]], float]]]:
        """Each budget: its name, the share to keep, and what it measures."""
        cost = self.cost
        own = [] if cost is None else [("cost", self.cost_share, lambda counts: float(cost(costs.profile(counts))))]
        return [("macs", self.macs, costs.macs), ("parameters", self.parameters, costs.parameters), *own]

    def _blamed(self, found: Channels, widths: Sequence[Widths]) -> str:
        """What stands against fewer channels, and what to do."""
        whole = [group.name for group, one in zip(found.groups, widths, strict=True) if one.fewest == one.channels]
        reasons = [f"'{name}' is kept: its channels {why}" for name, why in found.kept if why not in (INPUT, OUTPUT)]
        if whole:
            reasons.append(f"{', '.join(map(repr, whole))} cannot lose a step of round_to={self.round_to} or may not")
        text = f" {'; '.join(reasons)}." if reasons else ""
        return f"{text} Ask for less, or lower floor ({self.floor:g}) or round_to ({self.round_to})."

    def _floors(self, model: keras.Model, groups: Sequence[ChannelGroup]) -> list[float]:
        """The floor of each group: the highest of its layers'."""
        patterns = {**self.layers, **{pattern: 1.0 for pattern in self.skip if pattern not in self.layers}}
        known = layers_of(model)
        for pattern in patterns:
            if not any(_matches(pattern, layer) for layer in known):
                names = [layer.name for layer in known]
                raise RecipeError(
                    f"ChannelPruning: {pattern!r} matches no layer of {model.name!r}. {suggestion(pattern, names)}"
                )

        def floor(layer: keras.Layer) -> float:
            return next((share for pattern, share in patterns.items() if _matches(pattern, layer)), self.floor)

        return [max(map(floor, group.layers)) for group in groups]

    def _say_kept(self, found: Channels, unjudged: Sequence[str]) -> None:
        """Names once what was left alone though nobody asked for it."""
        texts = [f"{name} (its channels {why})" for name, why in found.kept if why not in (INPUT, OUTPUT)]
        texts += [f"{name} (no {type(self.importance).__name__} to judge by)" for name in unjudged]
        if texts:
            warnings.warn(f"ChannelPruning left alone {'; '.join(texts)}.", TfCompressWarning, stacklevel=4)


def _widths(groups: Sequence[ChannelGroup], kept: Sequence[np.ndarray]) -> str:
    """How many channels each group had and has, by the layer that makes them; groups that stay whole are not named."""
    texts = [
        f"{group.name} {group.channels * group.entries} -> {len(numbers) * group.entries}"
        for group, numbers in zip(groups, kept, strict=True)
        if len(numbers) < group.channels
    ]
    return ", ".join(texts) or "no channel"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _matches(pattern: str, layer: keras.Layer) -> bool:
    return any(fnmatchcase(name, pattern) for name in (layer.name, type(layer).__name__))
