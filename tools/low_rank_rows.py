"""What the benchmark of structural techniques compares for low rank, and for low rank plus sparse."""

from dataclasses import replace
from pathlib import Path

import tfcompress as tfc
from tfcompress.techniques.technique import Technique
from tools.bench_techniques import Network, Row

_ENDS = {"LeNet-5, MNIST": ("conv1", "fc2"), "residual CNN, Fashion-MNIST": ("stem", "head")}
"""The first and the last layer of each network: small, and taken for noise by VBMF."""


def low_rank_rows(lenet: Network, residual: Network, samples: Path) -> list[Row]:
    """Half of the MACs or fewer by ranks; a tenth of a dense layer's weights by a tensor train; both parts of a sum.

    Args:
        lenet: LeNet-5.
        residual: The residual CNN.
        samples: A file of training images of the latter.
    """
    found = []
    for network in (lenet, residual):
        skip = _ENDS[network.name]
        recipes: dict[str, Technique] = {
            "Tucker-2, VBMF": tfc.LowRank(ranks="VBMF", skip=skip),
            "Tucker-2, half of the MACs": tfc.LowRank(macs=0.5, skip=skip),
        }
        found += [Row(f"low rank: {name}", network, (step,), 1.0) for name, step in recipes.items()]
    weakened = tfc.LowRank(ranks={"type": "VBMF", "weaken": 0.5}, skip=_ENDS[residual.name])
    longer = replace(residual, epochs_of_a_step=3)
    found.append(Row("low rank: Tucker-2, VBMF weakened by a half, three epochs", longer, (weakened,), 1.0))
    train = tfc.LowRank(ranks=12, dense="TensorTrain", skip=("conv*", "fc2"))
    found.append(Row("low rank: tensor train in fc1", lenet, (train,), 0.5))
    return [*found, *equal_bytes_rows(lenet, residual, samples)]


def equal_bytes_rows(lenet: Network, residual: Network, samples: Path) -> list[Row]:
    """Low rank plus sparse, and either alone, with settings at which their files zip to about the same size.

    The settings were chosen by bytes and, for the sum, by the accuracy before training on training images.
    """
    share, ends = {"type": "Ratio", "ratio": 0.45}, _ENDS[residual.name]
    of_residual: dict[str, Technique] = {
        "low rank plus sparse": tfc.LowRankSparse(ranks=4, sparsity=0.75, skip=ends, samples=samples),
        "low rank": tfc.LowRank(ranks=share, convolution="SVD", skip=ends),
        "sparse": tfc.MagnitudePruning(sparsity=0.635, skip=ends),
    }
    ends = _ENDS[lenet.name]
    of_lenet: dict[str, Technique] = {
        "low rank plus sparse": tfc.LowRankSparse(ranks=2, sparsity=0.988, skip=ends),
        "low rank": tfc.LowRank(ranks=7, convolution="SVD", skip=ends),
        "sparse": tfc.MagnitudePruning(sparsity=0.98, skip=ends),
    }
    return [
        Row(f"equal bytes: {name}", network, (step,), 1.0)
        for network, recipes in ((residual, of_residual), (lenet, of_lenet))
        for name, step in recipes.items()
    ]
