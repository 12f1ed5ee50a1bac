"""What "Deep Compression" reports of its two LeNets: tables 1, 2 and 3 of arXiv:1510.00149."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PaperLayer:
    """One layer's row: bits of a weight and of an index, Huffman-coded ones on average; shares of float32."""

    name: str
    weights: int
    kept: float
    weight_bits: float
    coded_weight_bits: float
    index_bits: float
    coded_index_bits: float
    shared_rate: float
    coded_rate: float


@dataclass(frozen=True)
class PaperNetwork:
    """One network: errors in percent, bytes, and the three rates, after pruning, sharing and Huffman coding."""

    name: str
    reference_error: float
    error: float
    size_bytes: int
    pruned: float
    shared: float
    coded: float
    layers: tuple[PaperLayer, ...]


PAPER = (
    PaperNetwork(
        "LeNet-300-100",
        reference_error=1.64,
        error=1.58,
        size_bytes=27_000,
        pruned=12,
        shared=32,
        coded=40,
        layers=(
            PaperLayer("ip1", 235_000, 0.08, 6, 4.4, 5, 3.7, 0.031, 0.0232),
            PaperLayer("ip2", 30_000, 0.09, 6, 4.4, 5, 4.3, 0.038, 0.0304),
            PaperLayer("ip3", 1_000, 0.26, 6, 4.3, 5, 3.2, 0.157, 0.1270),
        ),
    ),
    PaperNetwork(
        "LeNet-5",
        reference_error=0.80,
        error=0.74,
        size_bytes=44_000,
        pruned=12,
        shared=33,
        coded=39,
        layers=(
            PaperLayer("conv1", 500, 0.66, 8, 7.2, 5, 1.5, 0.785, 0.6745),
            PaperLayer("conv2", 25_000, 0.12, 8, 7.2, 5, 3.9, 0.060, 0.0528),
            PaperLayer("ip1", 400_000, 0.08, 5, 4.5, 5, 4.5, 0.027, 0.0245),
            PaperLayer("ip2", 5_000, 0.19, 5, 5.2, 5, 3.7, 0.069, 0.0613),
        ),
    ),
)
