"""The coding of a stream by one Huffman code over its symbols."""

from dataclasses import dataclass

import numpy as np

from tfcompress.packing import prefix
from tfcompress.packing.elements import Elements, Transform, read_elements, write_elements
from tfcompress.packing.frequencies import counted
from tfcompress.packing.side import Family, SideReader, SideWriter


@dataclass(frozen=True)
class HuffmanCode:
    """How bytes become symbols, and the lengths of their codes; the payload has so many bytes."""

    elements: Elements
    lengths: np.ndarray
    payload: int


def encoded(data: np.ndarray, elements: Elements) -> tuple[HuffmanCode, bytes]:
    """The code for these bytes, and the bytes coded with it."""
    (symbols,) = elements.split(data)
    lengths = prefix.code_lengths(counted(symbols, elements.alphabet))
    payload = prefix.encode(symbols, lengths)
    return HuffmanCode(elements, lengths, len(payload)), payload


def write(side: SideWriter, code: HuffmanCode) -> None:
    """Writes a code."""
    write_elements(side, code.elements)
    prefix.write_lengths(side, code.lengths)
    side.number(Family.LENGTH, code.payload)


def read(side: SideReader, size: int) -> HuffmanCode:
    """Reads the code of a stream of `size` bytes."""
    elements = read_elements(side, size)
    if elements.transform is Transform.PLANES:
        raise side.damaged("planes have no Huffman code")
    lengths = prefix.read_lengths(side, elements.alphabet)
    return HuffmanCode(elements, lengths, side.number(Family.LENGTH, 2 * size))


def decoded(code: HuffmanCode, payload: memoryview, size: int, name: str) -> bytes:
    """The bytes of a stream."""
    return code.elements.joined([prefix.decode(payload, code.elements.symbols_in(size), code.lengths, name)])
