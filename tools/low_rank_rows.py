"""What the benchmark of structural techniques compares for low rank, and for low rank plus sparse."""

import tfcompress as tfc
from tfcompress.techniques.technique import Technique
from tools.bench_techniques import Network, Row

_ENDS = {"LeNet-5, MNIST": ("conv1", "fc2"), "residual CNN, Fashion-MNIST": ("stem", "head")}
"""The first and the last layer of each network: small, and taken for noise by VBMF."""


def low_rank_rows(lenet: Network, residual: Network) -> list[Row]:
    """Half of the MACs or fewer by ranks; a tenth of a dense layer's weights by a tensor train; both parts of a sum."""
    found = []
    for network in (lenet, residual):
        skip = _ENDS[network.name]
        recipes: dict[str, Technique] = {
            "Tucker-2, VBMF": tfc.LowRank(ranks="VBMF", skip=skip),
            "Tucker-2, half of the MACs": tfc.LowRank(macs=0.5, skip=skip),
        }
        found += [Row(f"low rank: {name}", network, (step,), 1.0) for name, step in recipes.items()]
    train = tfc.LowRank(ranks=12, dense="TensorTrain", skip=("conv*", "fc2"))
    found.append(Row("low rank: tensor train in fc1", lenet, (train,), 0.5))
    return [*found, *equal_bytes_rows(lenet)]


def equal_bytes_rows(lenet: Network) -> list[Row]:
    """Low rank plus sparse, and either alone, with settings at which their files zip to about the same size."""
    skip = _ENDS[lenet.name]
    recipes: dict[str, Technique] = {
        "low rank plus sparse": tfc.LowRankSparse(ranks=2, sparsity=0.988, skip=skip),
        "low rank": tfc.LowRank(ranks=7, convolution="SVD", skip=skip),
        "sparse": tfc.MagnitudePruning(sparsity=0.98, skip=skip),
    }
    return [Row(f"equal bytes: {name}", lenet, (step,), 1.0) for name, step in recipes.items()]
