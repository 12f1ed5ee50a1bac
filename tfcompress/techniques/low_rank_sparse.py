"""Low rank plus sparse: each layer becomes two thin layers beside a sparse one, whose outputs are added."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import keras
import numpy as np

from tfcompress.errors import RecipeError, TfCompressWarning
from tfcompress.models.surgery import rebuild
from tfcompress.notes import note
from tfcompress.progress import task
from tfcompress.techniques.factorized import Branches
from tfcompress.techniques.kernels import wrap_kernels
from tfcompress.techniques.layer_patterns import settings_of
from tfcompress.techniques.low_rank_plan import unasked
from tfcompress.techniques.low_rank_sites import Site, find_work
from tfcompress.techniques.samples import Sampling, Squares, kept_samples, show_samples
from tfcompress.techniques.technique import Property, check_ready
from tfcompress.transforms.bilateral_projection import LowRankPlusSparse, low_rank_plus_sparse
from tfcompress.transforms.factorizations import SVD
from tfcompress.transforms.rank_budget import Budget
from tfcompress.transforms.rank_choices import make_rank_choice
from tfcompress.transforms.ranks import RankChoice, Ratio

_VALUES_OF_A_NONZERO = 2
"""A stored nonzero is a value and a place; at 8 bits a value, a place costs about as much."""


@dataclass(frozen=True)
class LowRankSparse(Sampling):
    """Writes each kernel as a product of two thin matrices plus a sparse matrix, W = U V + S.

    The low-rank part holds what a layer does for all inputs alike, the sparse part what stands out. Whether the sum is
    better than `LowRank` or `MagnitudePruning` at as many bytes depends on the kernels; on LeNet-5 it was not, so
    compare. Both parts train; the zeros of S stay zero. A dense layer becomes
    Dense(U), Dense(V) beside Dense(S); a convolution its window to few channels and 1 x 1, beside the whole window
    sparse. Their sum takes the layer's name and activation.

    The zeros save download (`.tfz`, a zip), as those of `MagnitudePruning` do. On LiteRT the sparse part computes as a
    dense one, so a layer costs more MACs than before; for fewer MACs there is `LowRank`.

    A layer is rewritten where its stored values, with two for each nonzero (its value and its place), become fewer; all
    others are left alone and named.

    Args:
        sparsity: The share of zeros in S, in (0, 1).
        ranks: How the ranks of U V are chosen: `Ratio(ratio)` (a share of the layer's weights), `Energy(energy)`,
            `VBMF()`, `Fixed(rank)`; its name, its table, or a rank.
        layers: The sparsity of particular layers, by pattern, matched with `*` and `?` against the layer's name or
            type; the first that matches counts, before `skip`.
        skip: Patterns of layers to leave alone.
        samples: Inputs of the model, some dozens to hundreds: arrays in the order of its inputs or by their names, or
            an `.npz` with `x` or with one array by the name of each input. With them each weight counts as much as the
            input that it multiplies is large, by its root mean square.

    Raises:
        RecipeError: A setting is unknown or out of range.

    Example:
        >>> import tfcompress as tfc
        >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64, name="hidden")])
        >>> both = tfc.LowRankSparse(sparsity=0.9, ranks=4).wrap(model)     # compile and fit it
        >>> plain = tfc.strip(both)
        >>> round(float((plain.get_layer("hidden_sparse").kernel.numpy() == 0).mean()), 3)
        0.9

    Reference:
        Yu, Liu, Wang and Tao, "On Compressing Deep Models by Low Rank and Sparse Decomposition", CVPR 2017.
    """

    establishes: ClassVar[frozenset[Property]] = frozenset({Property.SPARSITY})

    sparsity: float = 0.95
    ranks: RankChoice | Mapping[str, Any] | str | int = field(default_factory=lambda: Ratio(0.1))
    layers: Mapping[str, float] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    samples: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranks", make_rank_choice(self.ranks))
        object.__setattr__(self, "skip", tuple(self.skip))
        object.__setattr__(self, "samples", kept_samples(self.samples))
        if isinstance(self.ranks, Budget):
            raise RecipeError("LowRankSparse: a sparse part costs all MACs, so there is no Budget of them. Take Ratio.")
        for name, share in {"sparsity": self.sparsity, **self.layers}.items():
            if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
                raise RecipeError(f"LowRankSparse: {name} must be a share in (0, 1), not {share!r}.")

    @property
    def trains(self) -> bool:
        """True: both parts must adjust to what was left out."""
        return True

    def wrap(self, model: keras.Model) -> keras.Model:
        """A new model whose sparse kernels keep their zeros while it trains.

        Raises:
            RecipeError: A rank is above a layer's full rank, or a pattern matches no layer.
            ModelError: A weight is NaN or infinite, the graph is hidden, or the model is one of tf_keras.
            DataError: The samples do not fit the model, or their file cannot be read.
        """
        check_ready(model)
        settings = settings_of("LowRankSparse", model, self.layers, self.skip)
        work = find_work(model, settings, make_rank_choice(self.ranks), SVD(), SVD())
        nonzeros = {
            id(site.layer): round((1 - settings.own.get(id(site.layer), self.sparsity)) * site.kernel.size)
            for site in work.sites
        }
        sites = [site for site in work.sites if _stored(site, nonzeros[id(site.layer)]) < site.kernel.size]
        left = [
            *work.left,
            *((site.layer.name, "would store no fewer values") for site in work.sites if site not in sites),
        ]
        if reasons := unasked(left):
            warnings.warn(f"LowRankSparse left alone {reasons}.", TfCompressWarning, stacklevel=2)
        squares = {id(site.layer): Squares(site.layer) for site in sites}
        if self.samples is not None:
            show_samples(model, squares, self.samples)
        return _rewritten(model, sites, nonzeros, {key: one.root_mean for key, one in squares.items() if one.count})


def _stored(site: Site, nonzeros: int) -> int:
    """How many values a site stores, places of nonzeros counted as values."""
    return site.cost(site.ranks).weights + _VALUES_OF_A_NONZERO * nonzeros


def _rewritten(
    model: keras.Model, sites: Sequence[Site], nonzeros: Mapping[int, int], importance: Mapping[int, np.ndarray]
) -> keras.Model:
    """The model with two branches for each site, the zeros of the sparse one under a mask."""
    branches, texts = {}, []
    with task("LowRankSparse: factorizing", total=len(sites)) as progress:
        for site in sites:
            progress.say(site.layer.name)
            matrix, count = site.kernel.reshape(-1, site.shape[3]), nonzeros[id(site.layer)]
            found = low_rank_plus_sparse(matrix, site.ranks[0], count, importance.get(id(site.layer)))
            branches[id(site.layer)] = _branches(site, found)
            texts.append(f"{site.layer.name} (rank {site.ranks[0]}, {count:,} nonzeros, error {found.error:.3f})")
            progress.advance()
    if texts:
        note(f"LowRankSparse split {'; '.join(texts)}.")
    smaller = rebuild(model, lambda clone, source: branches.get(id(source), clone))
    for site in sites:
        for layer in branches[id(site.layer)].layers:
            layer.trainable = site.layer.trainable
    return wrap_kernels(smaller, {})


def _branches(site: Site, found: LowRankPlusSparse) -> Branches:
    """The layers for both parts; U and V share the norm of their product evenly, so that both train at one rate."""
    norms = np.linalg.norm(found.right, axis=1)
    root = np.sqrt(np.where(norms > 0, norms, 1.0))
    shapes = [stage.shape for stage in site.stages(site.ranks)]
    factors = [(found.left * root).reshape(shapes[0]), (found.right / root[:, None]).reshape(shapes[1])]
    return Branches(site.layer, site.base, site.stages(site.ranks), factors, found.sparse)
