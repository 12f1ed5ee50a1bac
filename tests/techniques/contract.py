"""The contract that every technique keeps: a row for each, and on which models of the zoo it is run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import pytest

import tfcompress as tfc
from tests import zoo
from tfcompress import layers
from tfcompress.techniques.technique import Technique


@dataclass(frozen=True)
class Row:
    """One technique in the contract: settings under which it acts on every layer of the zoo.

    A row named "Technique-variant" runs on a few models by default; the rest of the zoo is marked slow.

    Attributes:
        technique: The technique.
        sparsity: The least share of zeros that it leaves.
        distinct_values: The most values that it leaves in a kernel.
        rounds_at_the_end: Whether strip rounds to what the wrapped model came near to.
        in_file: Whether it is looked for in the int8 file.
        rewrites: Whether it builds other layers, so that the shapes of weights change and no wrapper is needed.
        refuses: The models in which it finds nothing to do, and says so.
        adds: The layers of tfcompress that the models it builds have.
        sampled: Whether it is given samples of each model.
    """

    technique: Technique
    sparsity: float = 0.0
    distinct_values: int | None = None
    rounds_at_the_end: bool = False
    in_file: bool = True
    rewrites: bool = False
    refuses: tuple[str, ...] = ()
    adds: tuple[type[keras.Layer], ...] = ()
    sampled: bool = False

    def on(self, model: keras.Model) -> Technique:
        """The technique for a model, with samples where it needs them."""
        return replace(self.technique, samples=zoo.samples(model)) if self.sampled else self.technique  # type: ignore[call-arg]


_WITHOUT_CONVOLUTIONS = (
    *("attention", "conv_1d", "dense", "depthwise", "embedding", "group_convolution", "gru", "lstm", "separable"),
    *("shared_layer", "two_outputs"),
)

_WITHOUT_SCALES = ("attention", "group_convolution", "gru", "lstm", "separable", "shared_layer")

CONTRACT = {
    "AdaptiveRounding-sampled": Row(tfc.AdaptiveRounding(steps=20), sampled=True, in_file=False),
    "BiasCorrection-sampled": Row(tfc.BiasCorrection(bits=4), sampled=True, in_file=False),
    "ChannelPruning": Row(tfc.ChannelPruning(macs=0.7, round_to=1), rewrites=True, refuses=("group_convolution",)),
    "ChannelPruning-global": Row(
        tfc.ChannelPruning(parameters=0.8, round_to=1, importance="GeometricMedian", allocation="Global"),
        rewrites=True,
        in_file=False,
        refuses=("group_convolution",),
    ),
    "CompactFilters": Row(tfc.CompactFilters(), rewrites=True, refuses=_WITHOUT_CONVOLUTIONS),
    "CompactFilters-on_a_group": Row(
        tfc.CompactFilters({"type": "P4", "width": 0.25}),
        rewrites=True,
        in_file=False,
        refuses=(*_WITHOUT_CONVOLUTIONS, "double_convolution"),
        adds=(layers.LiftingConv2D, layers.GroupConv2D, layers.GroupBatchNormalization, layers.GroupPooling),
    ),
    "Distillation": Row(tfc.Distillation(alpha=0.5), in_file=False),  # it leaves the weights' values to training
    "Distillation-pruned": Row(
        tfc.Distillation(
            objectives=[tfc.LogitRegression(), tfc.SimilarityPreserving(weight=tfc.Linear(0.0, 1.0, 3))],
            during=tfc.MagnitudePruning(sparsity=0.5, skip=()),
        ),
        sparsity=0.5,
        in_file=False,
    ),
    "Equalization-absorbing": Row(tfc.Equalization(), refuses=_WITHOUT_SCALES),
    "LowRank": Row(tfc.LowRank(ranks=1), rewrites=True),
    "LowRankSparse": Row(tfc.LowRankSparse(sparsity=0.9, ranks=1), rewrites=True),
    "MagnitudePruning": Row(tfc.MagnitudePruning(sparsity=0.5, skip=()), sparsity=0.5),
    "MagnitudePruning-scheduled": Row(
        tfc.MagnitudePruning(
            schedule={
                "type": "PolynomialDecay",
                "initial_sparsity": 0.1,
                "final_sparsity": 0.5,
                "begin_step": 0,
                "end_step": 2,
                "frequency": 1,
            },
            allocation="Global",
            skip=(),
        ),
        sparsity=0.5,
        in_file=False,  # what it leaves in a file is what the row above leaves
    ),
    "MagnitudePruning-blocks": Row(
        tfc.MagnitudePruning(sparsity=0.5, pattern=tfc.Blocks(2, 2, "Maximum"), skip=()), sparsity=0.2, in_file=False
    ),
    "MagnitudePruning-groups": Row(tfc.MagnitudePruning(pattern=tfc.MofN(1, 2), skip=()), sparsity=0.25),
    "QuantizationAware": Row(tfc.QuantizationAware(freeze_batch_norm_after=3)),
    "QuantizationAware-learned": Row(
        tfc.QuantizationAware(weights="Ternary", activations={"type": "Learned", "bits": 4}, gradients=8),
        distinct_values=3,
        in_file=False,
    ),
    "RangeSetting-sampled": Row(tfc.RangeSetting(), sampled=True),
    "WeightClustering": Row(tfc.WeightClustering(clusters=6), distinct_values=6),
    "WeightClustering-per-channel": Row(
        tfc.WeightClustering(clusters=3, sharing="PerChannel", initialisation="Linear"),
        distinct_values=3,
        in_file=False,
    ),
    "Together": Row(
        tfc.Together(
            [
                tfc.MagnitudePruning(sparsity=0.5, skip=()),
                tfc.WeightClustering(clusters=6),
                tfc.QuantizationAware(activations="Calibrated"),
            ]
        ),
        sparsity=0.5,
        distinct_values=6,
    ),
    "WeightClustering-soft": Row(
        tfc.WeightClustering(clusters=5, sharing="Soft"), distinct_values=5, rounds_at_the_end=True, in_file=False
    ),
    "WeightClustering-refreshed": Row(
        tfc.WeightClustering(bits=2, sharing="Refreshed", mean_gradient=True), distinct_values=4, in_file=False
    ),
}

_FEW = ("conv_batch_norm_relu", "depthwise", "two_outputs")


def on_the_zoo(rows: Mapping[str, Row] = CONTRACT, few: tuple[str, ...] = tuple(zoo.ZOO)) -> pytest.MarkDecorator:
    """Runs a test with `name` of a model and `row`: for variants, and outside `few`, the rest of the zoo is slow.

    Models that a row refuses are left out.
    """

    def case(name: str, label: str, row: Row) -> Any:
        default = name in few and ("-" not in label or name in _FEW)
        return pytest.param(name, row, id=f"{name}-{label}", marks=() if default else pytest.mark.slow)

    return pytest.mark.parametrize(
        ("name", "row"),
        [case(name, label, row) for name in sorted(zoo.ZOO) for label, row in rows.items() if name not in row.refuses],
    )
