"""A stream: a row of bytes of the original with the coding chosen for it, and how a pool describes it."""

import lzma
from dataclasses import dataclass
from enum import IntEnum

from tfcompress.packing import deep_compression, huffman
from tfcompress.packing.deep_compression import PaperCode
from tfcompress.packing.huffman import HuffmanCode
from tfcompress.packing.modelled import Model, read_model, write_model
from tfcompress.packing.side import Family, SideReader, SideWriter


class Coding(IntEnum):
    """How a stream is coded."""

    RAW = 0
    DEFLATE = 1
    HUFFMAN = 2
    DEEP_COMPRESSION = 3
    MODELLED = 4
    LZMA = 5


@dataclass(frozen=True)
class Lzma:
    """The properties of an LZMA stream: how many bits of the byte before and of the position its contexts take in."""

    literal_context: int
    literal_position: int
    position: int

    def filter(self, size: int) -> dict[str, int]:
        """The settings for a stream of `size` bytes, as Python's `lzma` takes them; it uses no larger dictionary."""
        names = ("lc", "lp", "pb")
        settings = dict(zip(names, (self.literal_context, self.literal_position, self.position), strict=True))
        return {"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": max(size, 1 << 12)} | settings


@dataclass(frozen=True)
class Stream:
    """A stream and its coding.

    Attributes:
        coding: How it is coded.
        size: Bytes of the original.
        payload: Bytes of its own in the pool; the symbols of modelled streams lie in the pool's lanes.
        code: The settings, the Huffman codes, or the model.
    """

    coding: Coding
    size: int
    payload: int
    code: Lzma | HuffmanCode | PaperCode | Model | None = None

    @property
    def model(self) -> Model | None:
        """The model, if it is modelled."""
        return self.code if isinstance(self.code, Model) else None


def write_stream(side: SideWriter, stream: Stream) -> None:
    """Writes what a stream is."""
    side.number(Family.STRUCTURE, stream.coding)
    side.number(Family.LENGTH, stream.size)
    if stream.coding is Coding.DEFLATE:
        side.number(Family.LENGTH, stream.payload)
    elif isinstance(stream.code, Lzma):
        for setting in (stream.code.literal_context, stream.code.literal_position, stream.code.position):
            side.number(Family.STRUCTURE, setting)
        side.number(Family.LENGTH, stream.payload)
    elif isinstance(stream.code, HuffmanCode):
        huffman.write(side, stream.code)
    elif isinstance(stream.code, PaperCode):
        deep_compression.write(side, stream.code)
    elif stream.coding is Coding.MODELLED and stream.model:
        write_model(side, stream.model)


def read_stream(side: SideReader, largest: int) -> Stream:
    """Reads what a stream of at most `largest` bytes is."""
    coding = Coding(side.number(Family.STRUCTURE, max(Coding)))
    size = side.number(Family.LENGTH, largest)
    if coding is Coding.DEFLATE:
        return Stream(coding, size, side.number(Family.LENGTH, 2 * size + 64))
    if coding is Coding.LZMA:
        settings = Lzma(*(side.number(Family.STRUCTURE, most) for most in (4, 4, 4)))
        if settings.literal_context + settings.literal_position > 4:
            raise side.damaged("its LZMA settings are impossible")
        return Stream(coding, size, side.number(Family.LENGTH, 2 * size + 64), settings)
    if coding is Coding.HUFFMAN:
        code = huffman.read(side, size)
        return Stream(coding, size, code.payload, code)
    if coding is Coding.DEEP_COMPRESSION:
        paper = deep_compression.read(side, size)
        return Stream(coding, size, paper.value_bytes + paper.distance_bytes, paper)
    if coding is Coding.MODELLED:
        model = read_model(side, size)
        return Stream(coding, size, sum(row.grid.count for row in model.rows if row.tables is None), model)
    return Stream(coding, size, size)
