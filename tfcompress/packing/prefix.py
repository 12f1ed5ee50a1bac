"""Canonical Huffman codes: lengths from counts, bits from symbols, and symbols from bits.

Shorter codes come first, equally long ones in the order of their symbols, each one more than the code before it, and a
code's highest bit is written first.

Reference:
    Huffman, "A method for the construction of minimum-redundancy codes", 1952; RFC 1951, section 3.2.2.
"""

import heapq

import numpy as np

from tfcompress.errors import FormatError
from tfcompress.packing.side import Family, SideReader, SideWriter

LONGEST = 15  # bits
_WINDOW = 1 << 17  # bytes that are looked up at a time


def code_lengths(counts: np.ndarray) -> np.ndarray:
    """The bits of each symbol's code: 0 for symbols that never come, 1 to 15 for the others.

    Example:
        >>> code_lengths(np.array([5, 2, 0, 1]))
        array([1, 2, 0, 2])
    """
    counts = counts.astype(np.int64)
    while True:
        lengths = _unlimited_lengths(counts)
        if lengths.max(initial=0) <= LONGEST:
            return lengths
        counts = (counts + 1) // 2  # evens out the counts until the longest code fits


def _unlimited_lengths(counts: np.ndarray) -> np.ndarray:
    lengths = np.zeros(len(counts), np.int64)
    heap = [(int(count), number, [number]) for number, count in enumerate(counts) if count]
    if len(heap) == 1:
        lengths[heap[0][1]] = 1
    heapq.heapify(heap)
    while len(heap) > 1:
        (first, order, left), (second, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        lengths[left + right] += 1
        heapq.heappush(heap, (first + second, order, left + right))
    return lengths


def _codes(lengths: np.ndarray) -> np.ndarray:
    """The codes of symbols from their lengths."""
    codes, code, longest = np.zeros(len(lengths), np.int64), 0, int(lengths.max(initial=0))
    for length in range(1, longest + 1):
        members = np.flatnonzero(lengths == length)
        codes[members] = code + np.arange(len(members))
        code = (code + len(members)) << 1
    return codes


def encode(symbols: np.ndarray, lengths: np.ndarray) -> bytes:
    """The codes of symbols one after the other, filled up with zeros to whole bytes."""
    sizes, codes = lengths[symbols], _codes(lengths)[symbols]
    ends = np.cumsum(sizes)
    bits = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
    for place in range(int(sizes.max(initial=0))):  # counted from a code's last bit
        chosen = sizes > place
        bits[ends[chosen] - 1 - place] = codes[chosen] >> place & 1
    return np.packbits(bits).tobytes()


def decode(data: memoryview, count: int, lengths: np.ndarray, name: str) -> np.ndarray:
    """The symbols that were encoded.

    Args:
        data: What `encode` gave.
        count: How many symbols.
        lengths: Of the codes.
        name: The file's name, for messages.

    Raises:
        FormatError: The lengths are no code's, or the bits are none of its codes or end too early or too late.
    """
    if int((1 << LONGEST - lengths[lengths > 0]).sum()) > 1 << LONGEST:
        raise _damaged(name)
    table, codes = np.zeros((2, 1 << LONGEST), np.uint16), _codes(lengths)
    for symbol in np.flatnonzero(lengths):
        shift = LONGEST - lengths[symbol]
        table[:, codes[symbol] << shift : (codes[symbol] + 1) << shift] = [[symbol], [lengths[symbol]]]
    padded = np.concatenate([np.frombuffer(data, np.uint8), np.zeros(3, np.uint8)]).astype(np.uint32)
    found, bit, left = [np.zeros(0, np.uint16)], 0, count
    while left:
        start = bit // 8
        part = padded[start : start + _WINDOW + 2]
        if len(part) < 3:
            raise _damaged(name)
        whole = part[:-2] << 16 | part[1:-1] << 8 | part[2:]
        windows = (whole[:, None] >> np.arange(24 - LONGEST, 16 - LONGEST, -1, dtype=np.uint32)).ravel()
        windows &= (1 << LONGEST) - 1
        steps, position, positions = table[1][windows].tolist(), bit - 8 * start, list[int]()
        while position < len(steps) and len(positions) < left:
            positions.append(position)
            step = steps[position]
            if not step:
                raise _damaged(name)
            position += step
        found.append(table[0][windows[positions]])
        left, bit = left - len(positions), 8 * start + position
    if (bit + 7) // 8 != len(data):
        raise _damaged(name)
    return np.concatenate(found)


def _damaged(name: str) -> FormatError:
    return FormatError(f"{name} is damaged: its Huffman codes do not end where they should. Copy it again.")


def write_lengths(side: SideWriter, lengths: np.ndarray) -> None:
    """Writes the lengths of all codes."""
    for length in lengths.tolist():
        side.number(Family.CODE_LENGTH, length)


def read_lengths(side: SideReader, alphabet: int) -> np.ndarray:
    """Reads the lengths of all codes."""
    return np.array([side.number(Family.CODE_LENGTH, LONGEST) for _ in range(alphabet)], np.int64)
