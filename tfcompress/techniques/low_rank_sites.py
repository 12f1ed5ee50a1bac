"""The layers of a model that are to be factorized, with their ranks, and why the others are not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import keras
import numpy as np

from tfcompress.models.graph import graph_of, trace
from tfcompress.models.profile import profile
from tfcompress.models.surgery import layers_of
from tfcompress.techniques.factorized import Chain, free_base, kernel_of, layers_for, refusal, sizes_of
from tfcompress.techniques.kernels import kernels_of
from tfcompress.techniques.layer_patterns import LayerSettings
from tfcompress.techniques.low_rank_plan import ASKED
from tfcompress.techniques.tensor_train_layers import misfit, tensor_train_layers
from tfcompress.transforms.factorizations import CP, SVD, Factorization
from tfcompress.transforms.rank_budget import Budget
from tfcompress.transforms.ranks import Candidate, RankChoice
from tfcompress.transforms.stages import Cost, Ranks, Shape, Sizes, Stage, cost, shape_of
from tfcompress.transforms.tensor_train import TensorTrain


@dataclass(frozen=True, eq=False)
class Site:
    """One layer, and how it is factorized.

    Attributes:
        layer: The layer.
        factorization: The kind of chain that it becomes.
        calls: The sizes at each of its calls.
        base: What the names of the layers inside its chain begin with.
        ranks: The ranks of the chain; empty until they are chosen.
    """

    layer: keras.Layer
    factorization: Factorization
    calls: tuple[Sizes, ...]
    base: str
    ranks: Ranks = ()

    @cached_property
    def kernel(self) -> np.ndarray:
        """(height, width, in, out)."""
        return kernel_of(self.layer)

    @property
    def shape(self) -> Shape:
        """Of the kernel."""
        return shape_of(self.kernel)

    @property
    def original(self) -> Cost:
        """What the layer costs as it is."""
        return cost([Stage(self.shape, (True, True))], self.calls)

    def stages(self, ranks: Ranks) -> tuple[Stage, ...]:
        """The chain with given ranks."""
        return self.factorization.stages(self.shape, ranks)

    def cost(self, ranks: Ranks) -> Cost:
        """What the chain costs with given ranks."""
        return cost(self.stages(ranks), self.calls)

    def factors(self) -> list[np.ndarray]:
        """The kernels of the chain with the site's ranks."""
        return self.factorization.factors(self.kernel, self.ranks)

    def chain(self, factors: Sequence[np.ndarray]) -> Chain:
        """The layers that stand for the site's layer, with these kernels."""
        if isinstance(self.factorization, TensorTrain):
            train, sizes = self.factorization, self.calls[0]
            return Chain(tensor_train_layers(self.layer, self.base, train, self.shape, sizes, factors))
        return Chain(layers_for(self.layer, self.base, self.stages(self.ranks), factors))

    @property
    def candidate(self) -> Candidate:
        """The layer as the choice of ranks sees it."""
        return Candidate(self.layer.name, self.kernel, self.factorization, self.cost, self.original)


@dataclass(frozen=True)
class Work:
    """The layers to factorize, and the name of each other layer with a kernel and why it is left alone."""

    sites: tuple[Site, ...]
    left: tuple[tuple[str, str], ...]


def find_work(
    model: keras.Model,
    settings: LayerSettings,
    ranks: RankChoice,
    convolution: Factorization,
    dense: Factorization,
) -> Work:
    """Chooses for every layer with a kernel its factorization and its ranks.

    Args:
        model: A plain model.
        settings: A choice of ranks, a factorization, or a table with one of each, for particular layers.
        ranks: The choice for all others.
        convolution: The factorization of convolutions.
        dense: The factorization of dense layers.

    Raises:
        RecipeError: A layer cannot have its ranks, or the budget cannot be met.
    """
    calls, names = _calls(model), [layer.name for layer in layers_of(model)]
    left: dict[int, tuple[str, str]] = {}
    sites: dict[int, Site] = {}
    for layer in {id(kernel.layer): kernel.layer for kernel in kernels_of(model)}.values():
        usual = dense if isinstance(layer, keras.layers.Dense) else convolution
        kind = next((one for one in _own(settings, layer) if isinstance(one, Factorization)), usual)
        if reason := _reason(layer, settings):
            left[id(layer)] = layer.name, reason
            continue
        site = Site(layer, _fitting(kind, layer), calls[id(layer)], free_base(layer.name, names))
        if reason := _misfit(site):
            left[id(layer)] = layer.name, reason
        else:
            sites[id(layer)] = site
    chosen = _chosen(model, sites, settings, ranks)
    for key, site in sites.items():
        if key not in chosen:
            left[key] = site.layer.name, ranks.why_left(site.candidate)
        elif not site.cost(chosen[key]).saves(site.original):
            left[key] = site.layer.name, f"would not be cheaper with ranks {', '.join(map(str, chosen[key]))}"
    kept = [replace(site, ranks=chosen[key]) for key, site in sites.items() if key not in left]
    return Work(tuple(kept), tuple(left.values()))


def _own(settings: LayerSettings, layer: keras.Layer) -> tuple[Any, ...]:
    """The own settings of a layer: a factorization, a choice of ranks, or one of each from a table."""
    own = settings.own.get(id(layer))
    return tuple(own.values()) if isinstance(own, Mapping) else (own,)


def _calls(model: keras.Model) -> dict[int, tuple[Sizes, ...]]:
    """The sizes at each call of each layer that can be factorized."""
    graph = graph_of(model)
    inputs = [keras.KerasTensor((1, *tensor.shape[1:]), tensor.dtype, name=tensor.name) for tensor in graph.inputs]
    found: dict[int, tuple[Sizes, ...]] = {}
    for call in trace(graph, inputs)[0]:
        if isinstance(call.operation, keras.Layer) and refusal(call.operation) is None:
            found[id(call.operation)] = (*found.get(id(call.operation), ()), sizes_of(call))
    return found


def _reason(layer: keras.Layer, settings: LayerSettings) -> str | None:
    """Why a layer is left alone before any rank is chosen."""
    if id(layer) in settings.skipped:
        return f"{ASKED}{settings.skipped[id(layer)]!r}"
    return refusal(layer) or ("its kernel is zero" if not np.any(kernel_of(layer)) else None)


def _misfit(site: Site) -> str | None:
    """Why a layer cannot have its factorization, or None."""
    kind, layer = site.factorization, site.layer
    if isinstance(kind, TensorTrain):
        return misfit(layer, kind, site.shape, site.calls)
    if not isinstance(kind, CP):
        return None
    if len(set(layer.strides)) > 1:
        return f"no depthwise convolution has strides of {' and '.join(map(str, layer.strides))}"
    return "no depthwise convolution is causal" if layer.padding == "causal" else None


def _fitting(kind: Factorization, layer: keras.Layer) -> Factorization:
    """The factorization as a layer needs it: a 1 x 1 has in and out only, and strides join the window of a CP."""
    if isinstance(layer, keras.layers.Dense):
        return kind if isinstance(kind, TensorTrain) else SVD()
    if set(layer.kernel_size) == {1}:
        return SVD()
    if isinstance(kind, CP) and set(layer.strides) != {1}:
        return CP(joined=True)
    return kind


def _chosen(
    model: keras.Model, sites: Mapping[int, Site], settings: LayerSettings, ranks: RankChoice
) -> dict[int, Ranks]:
    """The ranks of each layer; those of the model's choice see what the layers with one of their own will cost."""
    chosen: dict[int, Ranks] = {}
    elsewhere = macs = profile(model).macs if isinstance(ranks, Budget) else 0
    usual = {}
    for key, site in sites.items():
        own = next((one for one in _own(settings, site.layer) if isinstance(one, RankChoice)), None)
        if own is not None:
            chosen[key] = own.ranks(site.candidate)
            found = site.cost(chosen[key])
            elsewhere -= site.original.macs - found.macs if found.saves(site.original) else 0
        else:
            usual[key] = site.candidate
            elsewhere -= site.original.macs
    return chosen | ranks.of_all(usual, macs, elsewhere)
