"""Low rank: dense layers and convolutions become chains of smaller ones, with fewer MACs and fewer weights."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import keras

from tfcompress.errors import RecipeError, TfCompressWarning
from tfcompress.models.surgery import rebuild
from tfcompress.notes import note
from tfcompress.progress import task
from tfcompress.techniques.factorized import Chain
from tfcompress.techniques.layer_patterns import settings_of
from tfcompress.techniques.low_rank_plan import FactorizedLayer, LowRankPlan, unasked
from tfcompress.techniques.low_rank_sites import Site, find_work
from tfcompress.techniques.samples import Fit, Sampling, can_be_fitted, kept_samples, show_samples
from tfcompress.techniques.technique import check_ready
from tfcompress.transforms.decompositions import relative_error
from tfcompress.transforms.factorizations import SVD, Factorization, Tucker2
from tfcompress.transforms.kinds_of_factorization import FACTORIZATIONS, make_factorization
from tfcompress.transforms.rank_budget import Budget
from tfcompress.transforms.rank_choices import make_rank_choice
from tfcompress.transforms.ranks import Energy, RankChoice


@dataclass(frozen=True)
class LowRank(Sampling):
    """Replaces a layer by a chain of smaller layers whose product is the best approximation of its kernel.

    A dense layer becomes two (SVD), or a `TensorTrain` of small cores. A convolution becomes 1 x 1, window, 1 x 1 on
    fewer channels (`Tucker2`), a column and a row (`SpatialSVD`), 1 x 1, depthwise, 1 x 1 (`CP`), or a `TensorTrain`;
    one of 1 x 1 becomes two (SVD). All are plain Keras layers, so that the model loads without tfcompress. There is no
    activation inside a chain; its last layer has the original's name, the bias and the activation.

    A layer is replaced only where that saves MACs and weights; all others, depthwise and grouped convolutions among
    them, are left alone and named. `plan` shows what would become of each layer. Train the model for some epochs
    afterwards, with a small learning rate.

    Args:
        energy: The share of its energy, the sum of squares, that each kernel keeps at least, in (0, 1); 0.9 where
            nothing else says how ranks are chosen. Short for `ranks=Energy(energy)`, which says what holds for `CP`.
        macs: The share of the whole model's MACs to keep at most, in (0, 1). Short for `ranks=Budget(macs)`.
        ranks: How ranks are chosen: `Energy(energy)`, `VBMF()` (what is more than noise), `Ratio(ratio)` (a share of
            each layer's cost), `Budget(macs)`, `Fixed(rank)`; its name, its table, or a rank for all.
        convolution: What convolutions become: `Tucker2()`, `SpatialSVD()`, `CP()`, `TensorTrain(axes)`, or `SVD()`
            (window, then 1 x 1); its name or its table.
        dense: What dense layers become: `SVD()` or `TensorTrain(axes)`.
        layers: The ranks or the factorization of particular layers, or both as a table, such as
            `{"fc1": {"factorization": "TensorTrain", "ranks": 12}}`; by pattern, matched with `*` and `?` against the
            layer's name or type. The first that matches counts, before `skip`.
        skip: Patterns of layers to leave alone.
        samples: Inputs of the model, some dozens to hundreds: arrays in the order of its inputs or by their names, or
            an `.npz` with `x` or with one array by the name of each input. With them the last layer of each chain is
            fitted by least squares to answer as the original layer did on these inputs; tensor trains are not.

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
    ranks: RankChoice | Mapping[str, Any] | str | int | None = None
    convolution: Factorization | Mapping[str, Any] | str = field(default_factory=Tucker2)
    dense: Factorization | Mapping[str, Any] | str = field(default_factory=SVD)
    layers: Mapping[str, Any] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    samples: Any = None

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
        object.__setattr__(self, "samples", kept_samples(self.samples))

    @property
    def trains(self) -> bool:
        """True: the chains must adjust to what was left out."""
        return True

    def wrap(self, model: keras.Model) -> keras.Model:
        """A new model with its layers factorized, ready to compile and fit.

        Raises:
            RecipeError: A rank is above a layer's full rank, the budget cannot be met, or a pattern matches no layer.
            ModelError: A weight is NaN or infinite, the graph is hidden, or the model is one of tf_keras.
            DataError: The samples do not fit the model, or their file cannot be read.
        """
        made, plan = self._made(model)

        def stand_in(clone: keras.Layer, source: keras.Layer) -> Any:
            return made[id(source)][1] if id(source) in made else clone

        smaller = rebuild(model, stand_in)
        for source, chain in made.values():
            for layer in chain.layers:
                layer.trainable = source.trainable  # after the flag of a nested model reached it
        if plan.layers:
            note(f"LowRank factorized {'; '.join(map(str, plan.layers))}.")
        if reasons := unasked(plan.left):
            warnings.warn(f"LowRank left alone {reasons}.", TfCompressWarning, stacklevel=2)
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
        return self._made(model)[1]

    def _choice(self) -> RankChoice:
        """How the ranks of all layers without a setting of their own are chosen."""
        if self.macs is not None:
            return Budget(self.macs)
        if self.ranks is not None:
            return make_rank_choice(self.ranks)
        return Energy(0.9 if self.energy is None else self.energy)

    def _made(self, model: keras.Model) -> tuple[dict[int, tuple[keras.Layer, Chain]], LowRankPlan]:
        """By its id each layer that is factorized, with its chain; and what becomes of all."""
        check_ready(model)
        own = settings_of("LowRank", model, self.layers, self.skip)
        with task("LowRank: choosing ranks"):
            work = find_work(
                model, own, self._choice(), make_factorization(self.convolution), make_factorization(self.dense)
            )
        made, found = {}, {}
        with task("LowRank: factorizing", total=len(work.sites)) as progress:
            for site in work.sites:
                progress.say(site.layer.name)
                found[id(site.layer)], chain = _factorized(site)
                made[id(site.layer)] = site.layer, chain
                progress.advance()
        if self.samples is not None:
            fits = {key: Fit(source, chain) for key, (source, chain) in made.items() if can_be_fitted(chain)}
            show_samples(model, fits, self.samples)
            for key, fit in fits.items():
                found[key] = replace(found[key], output_errors=fit.solve())
        return made, LowRankPlan(tuple(found.values()), work.left)


def _factorized(site: Site) -> tuple[FactorizedLayer, Chain]:
    """What becomes of one layer, and the chain in its place."""
    stages, factors = site.stages(site.ranks), site.factors()
    found = FactorizedLayer(
        name=site.layer.name,
        factorization=type(site.factorization).__name__,
        ranks=site.ranks,
        before=site.original,
        after=site.cost(site.ranks),
        error=relative_error(site.kernel, site.factorization.compose(stages, factors, site.shape)),
    )
    return found, site.chain(factors)


def _setting(pattern: str, value: Any) -> Any:
    """What `layers` says of one pattern: a factorization, a choice of ranks, or a table of both.

    Raises:
        RecipeError: It is none of these; the message names the pattern.
    """
    try:
        if not isinstance(value, Mapping) or "type" in value:
            return make_factorization(value) if _is_factorization(value) else _own_ranks(value)
        if not value or not value.keys() <= _MAKERS.keys():
            raise RecipeError(
                f"A table has a `type`, or `factorization` and `ranks`, not {', '.join(value) or 'none'}."
            )
        return {name: _MAKERS[name](one) for name, one in value.items()}
    except RecipeError as error:
        raise RecipeError(f"LowRank: layers, {pattern!r}: {error}") from error


def _is_factorization(value: Any) -> bool:
    """Whether a setting means a factorization, by its kind, its name or its table's type."""
    name = value.get("type") if isinstance(value, Mapping) else value
    return isinstance(value, Factorization) or (isinstance(name, str) and name in FACTORIZATIONS)


def _own_ranks(value: Any) -> RankChoice:
    """A choice of ranks for particular layers."""
    choice = make_rank_choice(value)
    if isinstance(choice, Budget):
        raise RecipeError("Budget is for the whole model. Give it as `ranks`.")
    return choice


_MAKERS: dict[str, Callable[[Any], Factorization | RankChoice]] = {
    "factorization": make_factorization,
    "ranks": _own_ranks,
}
