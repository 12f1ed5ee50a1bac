"""What the kernels of a `.tflite` take as the paper stores them: after pruning, with shared weights, Huffman-coded."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfcompress.packing.deep_compression import encoded, relative
from tfcompress.packing.elements import Elements, with_codebook
from tfcompress.tflite.kernels import kernels
from tfcompress.tflite.reading import read
from tfcompress.tflite.values import stored_values

_FLOAT_BITS = 32
_INDEX_BITS = range(2, 11)


@dataclass(frozen=True)
class StoredKernel:
    """One kernel in the paper's format; a pair is a value and the distance to it, fillers are pairs too.

    Attributes:
        name: The kernel's.
        weights: Its entries.
        kept: Those that are not zero.
        clusters: The different values among them.
        pairs: Kept weights and fillers.
        weight_bits: Of a value in a pair: it tells the clusters and the filler apart.
        index_bits: Of a distance in a pair; the width that takes the fewest bytes.
        shared_bytes: Of all pairs and the float32 codebook, P+Q.
        coded_weight_bits: Of a value, Huffman-coded, on average.
        coded_index_bits: Of a distance, Huffman-coded, on average.
        coded_bytes: Of both Huffman codes' bits and the lengths of their words, and the codebook, P+Q+H.
        tensor: What the file calls it.
    """

    name: str
    weights: int
    kept: int
    clusters: int
    pairs: int
    weight_bits: int
    index_bits: int
    shared_bytes: float
    coded_weight_bits: float
    coded_index_bits: float
    coded_bytes: float
    tensor: str


def stored_kernels(path: Path, names: list[str]) -> list[StoredKernel]:
    """The kernels of a file, in the order of execution, under these names."""
    graph = read(path).graphs[0]
    found = kernels(graph)
    order = [index for operator in graph.operators for index in operator.inputs if index in found]
    tensors = [graph.tensors[index] for index in dict.fromkeys(order)]
    return [
        stored(name, values, tensor.name)
        for name, tensor in zip(names, tensors, strict=True)
        if (values := stored_values(tensor)) is not None
    ]


def stored(name: str, values: np.ndarray, tensor: str = "") -> StoredKernel:
    """One float32 kernel as the paper stores it, weights in the order of the file.

    Example:
        >>> kernel = np.zeros(64, "float32")
        >>> kernel[[3, 30, 40]] = [0.5, -0.5, 0.5]
        >>> one = stored("ip1", kernel)
        >>> one.pairs, one.weight_bits, one.index_bits          # distances 4, 27, 10
        (3, 2, 5)
        >>> one.shared_bytes                                    # 3 pairs of 7 bits, 2 centroids of 32
        10.625
    """
    flat = np.ascontiguousarray(values, "<f4").ravel() + np.float32(0)  # -0.0 is 0.0
    kept = int(np.count_nonzero(flat))
    elements = with_codebook(flat.view(np.uint8), 4)
    if elements is None or elements.codebook[0] != 0:
        raise ValueError(f"{name}: zero is not the most frequent of its values, or there are too many different ones.")
    symbols = elements.split(flat.view(np.uint8))[0]
    clusters = elements.alphabet - 1
    weight_bits = max(1, math.ceil(math.log2(elements.alphabet)))
    pairs, index_bits = min((_pairs(symbols, bits) * (weight_bits + bits), bits) for bits in _INDEX_BITS)
    count = pairs // (weight_bits + index_bits)
    codebook = clusters * _FLOAT_BITS / 8
    best = min((_huffman(symbols, elements, bits) for bits in _INDEX_BITS), key=lambda coded: coded.size)
    return StoredKernel(
        name,
        flat.size,
        kept,
        clusters,
        count,
        weight_bits,
        index_bits,
        pairs / 8 + codebook,
        best.weight_bits,
        best.index_bits,
        best.size + codebook,
        tensor,
    )


@dataclass(frozen=True)
class _Huffman:
    """The bytes of both codes with their tables, and the average bits of a word of each."""

    size: float
    weight_bits: float
    index_bits: float


def _pairs(symbols: np.ndarray, index_bits: int) -> int:
    positions = np.flatnonzero(symbols)
    return len(relative(positions, symbols[positions], index_bits)[0])


def _huffman(symbols: np.ndarray, elements: Elements, index_bits: int) -> _Huffman:
    """The paper's two codes as the packer makes them; a code's table is one length of 4 bits for each word."""
    code, _ = encoded(symbols, elements, index_bits)
    tables = (len(code.values) + len(code.distances)) * 4 / 8
    size = code.value_bytes + code.distance_bytes + tables
    return _Huffman(size, 8 * code.value_bytes / code.pairs, 8 * code.distance_bytes / code.pairs)
