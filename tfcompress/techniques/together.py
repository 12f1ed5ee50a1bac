"""Several weight techniques at work in one training, on one stack of transforms for each kernel."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import keras

from tfcompress.errors import RecipeError
from tfcompress.techniques.kernels import Additions, Kernel, WeightTechnique
from tfcompress.techniques.technique import Property, Technique
from tfcompress.transforms.transform import Transform

# Values are shared first, then zeros cut out of them, and the grid is laid over what is left.
_ORDER = (Property.CLUSTERS, Property.SPARSITY, Property.RANGES)


@dataclass(frozen=True)
class Together(WeightTechnique):
    """Prunes, clusters and quantizes in one training instead of one after another.

    Each kernel passes through the transforms of all techniques: shared values, then the mask, then the grid. Where
    weights are both pruned and clustered, zero is one of the values, so one cluster fewer is trained.

    Where weights are clustered, it is the shared values that train, each for all weights that have it: they cannot take
    over what many zeros removed. Pruning of more than half of the weights is better a step of its own before.

    Args:
        techniques: Two or more weight techniques, no two of which establish the same.

    Raises:
        RecipeError: There are fewer than two, one transforms no weights, or two establish the same.

    Example:
        >>> import tfcompress as tfc
        >>> joint = tfc.Together([tfc.MagnitudePruning(sparsity=0.5), tfc.WeightClustering(clusters=8)])
        >>> model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(8, name="hidden")])
        >>> kernel = joint.strip(joint.wrap(model)).get_layer("hidden").kernel.numpy()
        >>> float((kernel == 0).mean()) >= 0.5
        True

    Reference:
        Han et al., "Deep Compression", arXiv:1510.00149, for the techniques one after another.
    """

    nested: ClassVar[tuple[str, ...]] = ("techniques",)

    techniques: tuple[WeightTechnique, ...] = ()

    def __init__(self, techniques: Iterable[WeightTechnique] = ()) -> None:
        object.__setattr__(self, "techniques", tuple(techniques))
        if len(self.techniques) < 2:
            raise RecipeError("Together needs two techniques or more, such as MagnitudePruning and WeightClustering.")
        seen: dict[Property, str] = {}
        for technique in self.techniques:
            name = type(technique).__name__
            if not isinstance(technique, WeightTechnique) or isinstance(technique, Together):
                raise RecipeError(f"Together cannot take {name}: it takes techniques that transform weights.")
            if technique.reads:
                raise RecipeError(f"Together cannot rewind to {technique.reads[0]}. Make {name} a step of its own.")
            for item in technique.establishes:
                if item in seen:
                    raise RecipeError(f"Together has {seen[item]} and {name}, which both establish {item.value}.")
                seen[item] = name

    @property
    def establishes(self) -> frozenset[Property]:  # type: ignore[override]
        """What any of them establishes."""
        return frozenset[Property]().union(*(technique.establishes for technique in self.techniques))

    @property
    def preserves(self) -> frozenset[Property]:  # type: ignore[override]
        """What each of them preserves, or one of them establishes anew."""
        kept = frozenset(Property).intersection(*(technique.preserves for technique in self.techniques))
        return kept | self.establishes

    def conflict(self, earlier: Technique) -> str | None:
        """The first conflict that one of them has."""
        reasons = (technique.conflict(earlier) for technique in self.techniques)
        return super().conflict(earlier) or next((reason for reason in reasons if reason), None)

    def stacks(self, model: keras.Model) -> dict[Kernel, list[Transform]]:
        """The transforms of all techniques for each kernel, values before zeros before the grid."""
        merged: dict[Kernel, list[Transform]] = {}
        for technique in sorted(self._adjusted(), key=_place):
            for kernel, stack in technique.stacks(model).items():
                merged.setdefault(kernel, []).extend(stack)
        return merged

    def additions(self, model: keras.Model) -> Additions:
        """What any of them puts into the graph; only the one that quantizes puts anything."""
        given = [technique.additions(model) for technique in self.techniques]
        return next((one for one in given if one != Additions()), Additions())

    def _adjusted(self) -> list[WeightTechnique]:
        """The techniques, with one cluster fewer where the mask adds zero to the values."""
        if not {Property.SPARSITY, Property.CLUSTERS} <= self.establishes:
            return list(self.techniques)
        return [
            technique.with_fewer_values() if Property.CLUSTERS in technique.establishes else technique
            for technique in self.techniques
        ]


def _place(technique: WeightTechnique) -> int:
    return min(_ORDER.index(item) for item in technique.establishes)
