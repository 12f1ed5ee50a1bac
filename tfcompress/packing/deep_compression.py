"""The paper's coding of a stream: a codebook, relative indices with fillers, and two Huffman codes.

Only values other than the background are stored, each as its index in the codebook and its distance d, 1 to 2**b, from
the one before. Where the distance is larger, a filler (distance 2**b, index 0, the background itself) comes between.

Reference:
    Han, Mao, Dally, "Deep Compression", arXiv 1510.00149, sections 2 and 4.
"""

from dataclasses import dataclass

import numpy as np

from tfcompress.packing import prefix
from tfcompress.packing.elements import Elements, Transform, read_elements, write_elements
from tfcompress.packing.frequencies import counted
from tfcompress.packing.side import Family, SideReader, SideWriter

WIDEST_INDEX = 12
INDEX_WIDTHS = range(2, 11)  # bits, those that the packer tries


@dataclass(frozen=True)
class PaperCode:
    """The codebook, the width b of an index in bits, how many pairs, the codes' lengths, and the bytes of each row."""

    elements: Elements
    index_bits: int
    pairs: int
    values: np.ndarray
    distances: np.ndarray
    value_bytes: int
    distance_bytes: int


def relative(positions: np.ndarray, values: np.ndarray, index_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances and values of the pairs, fillers among them.

    Args:
        positions: Of what is not background, ascending.
        values: Index in the codebook of each.
        index_bits: A distance is at most `2 ** index_bits`.

    Example:
        >>> relative(np.array([1, 4, 15]), np.array([1, 2, 1]), 3)
        (array([2, 3, 8, 3]), array([1, 2, 0, 1]))
    """
    longest = 1 << index_bits
    gaps = np.diff(positions, prepend=-1)
    fillers = (gaps - 1) // longest
    places = np.arange(len(gaps)) + np.cumsum(fillers)
    distances = np.full(len(gaps) + int(fillers.sum()), longest)
    distances[places] = gaps - fillers * longest
    filled = np.zeros(len(distances), values.dtype)
    filled[places] = values
    return distances, filled


def cheapest_width(symbols: np.ndarray, alphabet: int) -> tuple[int, float]:
    """The index width in bits of the fewest bytes, and about how many bits that takes.

    Args:
        symbols: Indices in the codebook; 0 is the background.
        alphabet: Entries of the codebook.
    """
    gaps = np.bincount(np.diff(np.flatnonzero(symbols), prepend=-1))
    distances, values = np.arange(len(gaps)), counted(symbols, alphabet)
    costs = {}
    for bits in INDEX_WIDTHS:
        fillers = np.maximum(distances - 1, 0) >> bits
        values[0] = (gaps * fillers).sum()
        shortened = np.bincount(distances - (fillers << bits), gaps, minlength=1 + (1 << bits))
        shortened[1 << bits] += values[0]
        costs[bits] = _huffman_bits(values) + _huffman_bits(shortened) + 2.5 * (alphabet + (1 << bits))
    best = min(costs, key=lambda bits: costs[bits])
    return best, costs[best]


def _huffman_bits(counts: np.ndarray) -> float:
    """About the bits of symbols that come so often: the entropy, but no less than a bit each."""
    used = counts[counts > 0].astype(float)
    return max(1.005 * float((used * np.log2(used.sum() / used)).sum()), float(used.sum()))


def encoded(symbols: np.ndarray, elements: Elements, index_bits: int) -> tuple[PaperCode, bytes]:
    """The code for these symbols, and the symbols coded with it."""
    positions = np.flatnonzero(symbols)
    distances, filled = relative(positions, symbols[positions], index_bits)
    lengths = [
        prefix.code_lengths(counted(filled, elements.alphabet)),
        prefix.code_lengths(counted(distances - 1, 1 << index_bits)),
    ]
    rows = [prefix.encode(filled, lengths[0]), prefix.encode(distances - 1, lengths[1])]
    code = PaperCode(elements, index_bits, len(filled), lengths[0], lengths[1], len(rows[0]), len(rows[1]))
    return code, b"".join(rows)


def write(side: SideWriter, code: PaperCode) -> None:
    """Writes a code."""
    write_elements(side, code.elements)
    side.number(Family.STRUCTURE, code.index_bits - 1)
    side.number(Family.LENGTH, code.pairs)
    prefix.write_lengths(side, code.values)
    prefix.write_lengths(side, code.distances)
    side.number(Family.LENGTH, code.value_bytes)
    side.number(Family.LENGTH, code.distance_bytes)


def read(side: SideReader, size: int) -> PaperCode:
    """Reads the code of a stream of `size` bytes."""
    elements = read_elements(side, size)
    if elements.transform is not Transform.CODEBOOK:
        raise side.damaged("Deep Compression's coding has no codebook")
    index_bits = 1 + side.number(Family.STRUCTURE, WIDEST_INDEX - 1)
    pairs = side.number(Family.LENGTH, elements.symbols_in(size))
    lengths = [prefix.read_lengths(side, elements.alphabet), prefix.read_lengths(side, 1 << index_bits)]
    sizes = [side.number(Family.LENGTH, 2 * size + 1) for _ in range(2)]
    return PaperCode(elements, index_bits, pairs, lengths[0], lengths[1], sizes[0], sizes[1])


def decoded(code: PaperCode, payload: memoryview, size: int, side: SideReader, name: str) -> bytes:
    """The bytes of a stream."""
    values = prefix.decode(payload[: code.value_bytes], code.pairs, code.values, name)
    distances = prefix.decode(payload[code.value_bytes :], code.pairs, code.distances, name)
    positions = np.cumsum(distances.astype(np.int64) + 1) - 1
    symbols = np.zeros(code.elements.symbols_in(size), np.uint16)
    if len(positions) and positions[-1] >= len(symbols):
        raise side.damaged("an index leads beyond its stream")
    symbols[positions] = values
    return code.elements.joined([symbols])
