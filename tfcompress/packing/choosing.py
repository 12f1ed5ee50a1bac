"""Tries the codings on one stream and keeps the cheapest."""

import lzma
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from tfcompress.packing import deep_compression, huffman, prefix
from tfcompress.packing.classes import Grid
from tfcompress.packing.elements import Elements, Transform, with_codebook
from tfcompress.packing.fitting import fit
from tfcompress.packing.frequencies import counted
from tfcompress.packing.modelled import Model, Row
from tfcompress.packing.regions import REST, Region
from tfcompress.packing.streams import Coding, Lzma, Stream

CODINGS = ("deep_compression", "huffman", "modelled", "deflate", "lzma", "raw")
_LZMA_SETTINGS = ((3, 0, 0), (0, 0, 2), (0, 2, 2))  # for text, for tables, for tables of 32-bit numbers
_SMALL_CODEBOOK = 96  # entries; beyond, bytes are as good as an index
_LEAST_USE = 8  # elements for each entry of a codebook of large ones
_TINY = 48  # bytes, which no model can pay for
_BITS_A_LENGTH = 3.0  # what the length of a Huffman code costs, about
_HEADER_BITS = 24.0
_QUICK, _THOROUGH = 1, 9  # levels of deflate; on sparse weights the second takes sixty times as long
_QUICK_LOSS = 1.3  # more than this it never gains over the first


@dataclass(frozen=True)
class Choice:
    """A coding of one stream, and what it has in the pool of its own."""

    stream: Stream
    payload: bytes


@dataclass(frozen=True)
class _Candidate:
    """A coding, about how many bits it takes, and how it is made."""

    bits: float
    make: Callable[[], Choice]


def choose(data: np.ndarray, region: Region, codings: Collection[str]) -> Choice:
    """The cheapest coding of a stream.

    Args:
        data: Its bytes.
        region: What they hold.
        codings: The names of those allowed; raw always is.
    """
    candidates = [_made(Choice(Stream(Coding.RAW, len(data), len(data)), data.tobytes()))]
    if "lzma" in codings and region.name == REST:
        candidates += [_made(_lzma(data, Lzma(*settings))) for settings in _LZMA_SETTINGS]
    if len(data) > _TINY:
        books = _codebook(data, region)
        if "huffman" in codings:
            candidates.append(_huffman(data, books or _plain(region)))
        if "deep_compression" in codings and books:
            candidates.append(_paper(data, books))
        if "modelled" in codings:
            candidates.append(_modelled(data, _symbols_to_model(data, region, books), region))
    best = min(candidates, key=lambda candidate: candidate.bits)
    if "deflate" in codings and 8 * len(_deflated(data, _QUICK)) < _QUICK_LOSS * best.bits:
        payload = _deflated(data, _THOROUGH)
        best = min(best, _made(Choice(Stream(Coding.DEFLATE, len(data), len(payload)), payload)), key=lambda c: c.bits)
    return best.make()


def _deflated(data: np.ndarray, level: int) -> bytes:
    """The data deflated without a header."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
    return compressor.compress(data.data) + compressor.flush()


def _made(choice: Choice) -> _Candidate:
    bits = 0.0 if choice.stream.coding is Coding.RAW else _HEADER_BITS
    return _Candidate(8.0 * len(choice.payload) + bits, lambda: choice)


def _lzma(data: np.ndarray, settings: Lzma) -> Choice:
    payload = lzma.compress(data.tobytes(), lzma.FORMAT_RAW, filters=[settings.filter(len(data))])
    return Choice(Stream(Coding.LZMA, len(data), len(payload), settings), payload)


def _huffman(data: np.ndarray, elements: Elements) -> _Candidate:
    (symbols,) = elements.split(data)
    counts = counted(symbols, elements.alphabet)
    bits = float((counts * prefix.code_lengths(counts)).sum())
    described = len(counts) * _BITS_A_LENGTH + _codebook_bits(elements)

    def make() -> Choice:
        code, payload = huffman.encoded(data, elements)
        return Choice(Stream(Coding.HUFFMAN, len(data), len(payload), code), payload)

    return _Candidate(bits + described + _HEADER_BITS, make)


def _paper(data: np.ndarray, elements: Elements) -> _Candidate:
    (symbols,) = elements.split(data)
    index_bits, bits = deep_compression.cheapest_width(symbols, elements.alphabet)

    def make() -> Choice:
        code, payload = deep_compression.encoded(symbols, elements, index_bits)
        return Choice(Stream(Coding.DEEP_COMPRESSION, len(data), len(payload), code), payload)

    return _Candidate(bits + _codebook_bits(elements) + _HEADER_BITS, make)


def _codebook_bits(elements: Elements) -> float:
    """About what the list of a codebook's values takes."""
    return len(elements.codebook) * (4.0 if elements.width == 1 else 7.0 * elements.width)


def _codebook(data: np.ndarray, region: Region) -> Elements | None:
    return with_codebook(data, region.bits // 8) if region.bits in (8, 16, 32) else None


def _plain(region: Region) -> Elements:
    return Elements(Transform.NIBBLES if region.bits == 4 else Transform.BYTES)


def _symbols_to_model(data: np.ndarray, region: Region, books: Elements | None) -> Elements:
    """How the bytes become symbols for a model: indices where few values are shared, planes where elements are long."""
    if region.bits in (4, 8):
        return books if books is not None and len(books.codebook) <= _SMALL_CODEBOOK else _plain(region)
    if books is not None and len(books.codebook) * _LEAST_USE * books.width < len(data):
        return books
    return Elements(Transform.PLANES, region.bits // 8)


def _modelled(data: np.ndarray, elements: Elements, region: Region) -> _Candidate:
    rows, bits, raw = [], 2 * _HEADER_BITS + _codebook_bits(elements), 0
    for place, symbols in enumerate(elements.split(data)):
        top = place == elements.parts - 1
        shapes = shapes_of(region.shape, len(symbols)) if top else [(1, 1)]
        found = fit(symbols, elements.alphabet, shapes, magnitudes(elements, region.type, top=top))
        if elements.transform is Transform.PLANES and found.bits > 7.99 * len(symbols):
            rows.append(Row(Grid(1, 1, len(symbols), False)))
            raw += len(symbols)
        else:
            rows.append(found.row)
            bits += found.bits
    stream = Stream(Coding.MODELLED, len(data), raw, Model(elements, tuple(rows)))
    return _Candidate(bits + 8.0 * raw, lambda: Choice(stream, b""))


def shapes_of(shape: tuple[int, ...], count: int) -> list[tuple[int, int]]:
    """Sizes (K, W) of the two inner axes that a tensor's shape suggests.

    Args:
        shape: Of the tensor; empty where it is not known.
        count: How many symbols there are.

    Example:
        >>> shapes_of((8, 3, 3, 4), 288)
        [(9, 4), (1, 36)]
        >>> shapes_of((), 288)
        [(1, 1)]
    """
    found = []
    if len(shape) > 1 and shape[-1] and count:
        columns, inner = shape[-1], 1
        for axis in shape[1:]:
            inner *= axis
        found = [(inner // columns, columns), (1, inner)]
    found = list(dict.fromkeys(item for item in found if item[0] * item[1] and count % (item[0] * item[1]) == 0))
    return found or [(1, 1)]


def magnitudes(elements: Elements, kind: str, *, top: bool) -> np.ndarray | None:
    """The logarithm of the size of what each symbol stands for; None where that tells nothing."""
    if elements.transform is Transform.PLANES:
        exponents = np.arange(256) & 127
        return exponents * 2 * np.log(2.0) if top and kind in ("float32", "float64") else None
    if elements.transform is Transform.CODEBOOK:
        values = np.array(elements.codebook, f"<u{elements.width}").view(_numpy(kind, elements.width)).astype(float)
        centre = values[0] if elements.width == 1 else 0.0
    elif elements.transform is Transform.NIBBLES:
        values, centre = np.arange(16.0), 0.0
        values[8:] -= 16
    else:
        values = np.arange(256, dtype=np.uint8).view(_numpy(kind, 1)).astype(float)
        centre = 128.0 if kind == "uint8" else 0.0
    sizes = np.abs(np.nan_to_num(values - centre, posinf=0.0, neginf=0.0))
    smallest = sizes[sizes > 0].min(initial=1.0)
    return np.log(sizes + 0.5 * smallest)


def _numpy(kind: str, width: int) -> np.dtype:
    known = {"float32": "<f4", "float16": "<f2", "int8": "i1", "int16": "<i2", "int32": "<i4"}
    dtype = np.dtype(known.get(kind, f"<u{width}"))
    return dtype if dtype.itemsize == width else np.dtype(f"<u{width}")
