"""Low rank: dense layers and convolutions become chains of smaller ones, with fewer MACs and fewer weights."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from tfcompress.errors import RecipeError, TfCompressWarning
from tfcompress.models.generation import check_generation
from tfcompress.models.loading import check_finite
from tfcompress.models.surgery import rebuild
from tfcompress.notes import note
from tfcompress.progress import task
from tfcompress.techniques.factorized import Chain
from tfcompress.techniques.layer_patterns import settings_of
from tfcompress.techniques.low_rank_plan import FactorizedLayer, LowRankPlan
from tfcompress.techniques.low_rank_sites import Site, Work, find_work
from tfcompress.techniques.technique import Technique, check_not_wrapped
from tfcompress.transforms.decompositions import relative_error
from tfcompress.transforms.factorizations import SVD, Factorization, Tucker2
from tfcompress.transforms.kinds_of_factorization import FACTORIZATIONS, make_factorization
from tfcompress.transforms.ranks import Budget, Energy, RankChoice, make_rank_choice


@dataclass(frozen=True)
class LowRank(Technique):
    """Replaces a layer by a chain of smaller layers whose product is the best approximation of its kernel.

    A dense layer becomes two (SVD), or a `TensorTrain` of small cores. A convolution becomes 1 x 1, window, 1 x 1 on
    fewer channels (`Tucker2`), a column and a row (`SpatialSVD`), 1 x 1, depthwise, 1 x 1 (`CP`), or a `TensorTrain`;
    one of 1 x 1 becomes two (SVD). All are plain Keras layers, so that the model loads without tfcompress. There is no
    activation inside a chain; its last layer has the original's name, the bias and the activation.

    A layer is replaced only where that saves MACs and weights; all others, depthwise and grouped convolutions among
    them, are left alone and named. `plan` shows what would become of each layer. Train the model for some epochs
    afterwards, with a small learning rate.

    Args:
        energy: The share of the sum of squared singular values that each layer keeps, in (0, 1); 0.9 where nothing else
            says how ranks are chosen. Short for `ranks=Energy(energy)`.
        macs: The share of the whole model's MACs to keep at most, in (0, 1). Short for `ranks=Budget(macs)`.
        ranks: How ranks are chosen: `Energy(energy)`, `VBMF()` (what is more than noise), `Ratio(ratio)` (a share of
            each layer's cost), `Budget(macs)`, `Fixed(rank)`; its name, its table, or a rank for all.
        convolution: What convolutions become: `Tucker2()`, `SpatialSVD()`, `CP()`, `TensorTrain(axes)`, or `SVD()`
            (window, then 1 x 1); its name or its table.
        dense: What dense layers become: `SVD()` or `TensorTrain(axes)`.
        layers: The ranks or the factorization of particular layers, by pattern, matched with `*` and `?` against the
            layer's name or type; the first that matches counts, before `skip`.
        skip: Patterns of layers to leave alone.

    Raises:
        RecipeError: A setting is unknown or out of range.

    Example:
        >>> import tfcompress as tfc
        >>> layers = [keras.Input((64,)), keras.layers.Dense(64, name="hidden"), keras.layers.Dense(3, name="head")]
        >>> model = keras.Sequential(layers)
        >>> smaller = tfc.LowRank(ranks=4, skip=["head"]).wrap(model)       # compile and fit it
        >>> [layer.name for layer in smaller.layers[1:]]
        ['hidden_factor1', 'hidden', 'head']

    Reference:
        Kim et al., arXiv:1511.06530 (Tucker-2, VBMF); Jaderberg et al., arXiv:1405.3866 (columns and rows); Lebedev et
        al., arXiv:1412.6553 (CP); Novikov et al., arXiv:1509.06569, and Garipov et al., arXiv:1611.03214 (trains).
    """

    energy: float | None = None
    macs: float | None = None
    ranks: RankChoice | None = None
    convolution: Factorization = field(default_factory=Tucker2)
    dense: Factorization = field(default_factory=SVD)
    layers: Mapping[str, Any] = field(default_factory=dict)
    skip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given = [name for name in ("energy", "macs", "ranks") if getattr(self, name) is not None]
        if len(given) > 1:
            raise RecipeError(f"LowRank: {' and '.join(given)} both say how ranks are chosen. Give one of them.")
        object.__setattr__(self, "ranks", None if self.ranks is None else make_rank_choice(self.ranks))
        self._choice()  # refuses what is no share
        object.__setattr__(self, "convolution", make_factorization(self.convolution))
        object.__setattr__(self, "dense", make_factorization(self.dense))
        object.__setattr__(self, "layers", {name: _setting(name, value) for name, value in self.layers.items()})
        object.__setattr__(self, "skip", tuple(self.skip))

    @property
    def trains(self) -> bool:
        """True: the chains must adjust to what was left out."""
        return True

    def wrap(self, model: keras.Model) -> keras.Model:
        """A new model with its layers factorized, ready to compile and fit.

        Raises:
            RecipeError: A rank is above a layer's full rank, the budget cannot be met, or a pattern matches no layer.
            ModelError: A weight is NaN or infinite, the graph is hidden, or the model is one of tf_keras.
        """
        work = self._work(model)
        made = {id(site.layer): (found, chain) for site, found, chain in _factorized(work)}

        def stand_in(clone: keras.Layer, source: keras.Layer) -> Any:
            return made[id(source)][1] if id(source) in made else clone

        smaller = rebuild(model, stand_in)
        for site in work.sites:
            for layer in made[id(site.layer)][1].layers:
                layer.trainable = site.layer.trainable  # after the flag of a nested model reached it
        _say(LowRankPlan(tuple(found for found, _ in made.values()), work.left))
        return smaller

    def plan(self, model: keras.Model) -> LowRankPlan:
        """What `wrap` would do with each layer; the same errors.

        Example:
            >>> import numpy as np
            >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64, name="hidden")])
            >>> kernel = np.zeros((64, 64))
            >>> kernel[0, 0], kernel[1, 1] = 4, 3
            >>> model.set_weights([kernel, np.zeros(64)])
            >>> print(LowRank(energy=0.6).plan(model))
            layer   factorization  ranks   MACs  become  weights  become  error
            hidden  SVD                1  4,096     128    4,096     128  0.600
        """
        work = self._work(model)
        return LowRankPlan(tuple(found for _, found, _ in _factorized(work)), work.left)

    def _choice(self) -> RankChoice:
        """How the ranks of all layers without a setting of their own are chosen."""
        if self.macs is not None:
            return Budget(self.macs)
        return self.ranks or Energy(0.9 if self.energy is None else self.energy)

    def _work(self, model: keras.Model) -> Work:
        """The layers to factorize, with their ranks, and the others."""
        check_generation(model)
        check_finite(model)
        check_not_wrapped(model)
        own = settings_of("LowRank", model, self.layers, self.skip)
        with task("LowRank: choosing ranks"):
            return find_work(model, own, self._choice(), self.convolution, self.dense)


def _factorized(work: Work) -> Iterator[tuple[Site, FactorizedLayer, Chain]]:
    """Each layer with what becomes of it, and the chain in its place."""
    with task("LowRank: factorizing", total=len(work.sites)) as progress:
        for site in work.sites:
            progress.say(site.layer.name)
            stages, factors = site.stages(site.ranks), site.factors()
            error = relative_error(site.kernel, site.factorization.compose(stages, factors, site.shape))
            found = FactorizedLayer(
                name=site.layer.name,
                factorization=type(site.factorization).__name__,
                ranks=site.ranks,
                before=site.original,
                after=site.cost(site.ranks),
                error=error,
            )
            yield site, found, site.chain(factors)
            progress.advance()


def _say(plan: LowRankPlan) -> None:
    """Notes for the card what became of each layer, and warns of those that were left alone though nobody asked."""
    if plan.layers:
        note(f"LowRank factorized {'; '.join(map(str, plan.layers))}.")
    if plan.unasked:
        warnings.warn(f"LowRank left alone {plan.unasked}.", TfCompressWarning, stacklevel=3)


def _setting(pattern: str, value: Any) -> Factorization | RankChoice:
    """What `layers` says of one pattern."""
    name = value.get("type") if isinstance(value, Mapping) else value
    if isinstance(value, Factorization) or name in FACTORIZATIONS:
        return make_factorization(value)
    choice = make_rank_choice(value)
    if isinstance(choice, Budget):
        raise RecipeError(f"LowRank: layers, {pattern!r}: Budget is for the whole model. Give it as `ranks`.")
    return choice
