"""A pool: some streams that are described and coded together, so that their symbols fill the same many lanes."""

import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tfcompress.packing import deep_compression, huffman, rans
from tfcompress.packing.deep_compression import PaperCode
from tfcompress.packing.frequencies import LEAST_PRECISION, PRECISION, bits_of, looked_up, scaled
from tfcompress.packing.huffman import HuffmanCode
from tfcompress.packing.modelled import Model, Row
from tfcompress.packing.side import Family, SideReader, SideWriter
from tfcompress.packing.streams import Coding, Lzma, Stream, read_stream, write_stream

MOST_BYTES = 1 << 22  # of the original, in one pool
_MOST_SLOTS = 1 << 23  # of the tables of values
_MOST_FLAG_TABLES = 1 << 16
MOST_TABLES = np.array([_MOST_SLOTS >> LEAST_PRECISION, _MOST_FLAG_TABLES])  # of values and of flags, in one pool
_MOST_STREAMS = 1 << 16
_MOST_LANES = 4096  # as many as make numpy quick
_BYTES_A_VALUE_LANE = 800, 200  # coded bytes, of few and of many: a lane costs about three bytes,
_BYTES_A_FLAG_LANE = 200, 100  # and one where its end carries a word of the values
_MANY = 3 << 13  # bytes; what has fewer is decoded soon however few lanes it has
_ENOUGH_LANES = 1024  # for numpy to be quick; further ones must cost next to nothing
_BYTES_A_FURTHER_LANE = 500


@dataclass(frozen=True)
class Lanes:
    """The rANS data of a pool: how many lanes and bytes they have, for flags and for values.

    Attributes:
        flag_lanes: At most so many.
        value_lanes: At most so many.
        precision: Bits, of the tables of values.
        flag_bytes: States and words of the flags.
        value_bytes: States and words of the values; those that the flags' lanes end with are the first of them.
    """

    flag_lanes: int
    value_lanes: int
    precision: int
    flag_bytes: int
    value_bytes: int


def modelled_rows(streams: list[Stream]) -> list[Row]:
    """The rows of a pool that are coded in lanes."""
    return [row for stream in streams if stream.model for row in stream.model.rows if row.tables]


def tables_of(stream: Stream) -> np.ndarray:
    """How many tables of values and of flags a stream brings into its pool."""
    rows = modelled_rows([stream])
    values = sum(len(row.tables.codes) for row in rows if row.tables)
    return np.array([values, sum(len(row.flags.tables.codes) for row in rows if row.flags)])


def write_pool(side: SideWriter, streams: list[Stream], data: list[np.ndarray], payloads: list[bytes]) -> list[bytes]:
    """Describes streams and codes their symbols.

    Args:
        side: Where the description goes.
        streams: Their codings.
        data: The bytes of each; looked at for modelled ones only.
        payloads: What each has of its own.

    Returns:
        What comes behind the description.
    """
    side.number(Family.LENGTH, len(streams))
    for stream in streams:
        write_stream(side, stream)
    rows = modelled_rows(streams)
    if not rows:
        return payloads
    payloads, symbols = list(payloads), []
    for number, stream in enumerate(streams):
        if stream.model:
            parts = list(zip(stream.model.rows, stream.model.elements.split(data[number]), strict=True))
            symbols += [row.grid.scanned(part) for row, part in parts if row.tables]
            payloads[number] = b"".join(part.tobytes() for row, part in parts if not row.tables)
    return [*payloads, *_write_lanes(side, rows, symbols)]


def _write_lanes(side: SideWriter, rows: list[Row], symbols: list[np.ndarray]) -> tuple[bytes, bytes]:
    precision = PRECISION
    while sum(len(row.tables.codes) for row in rows if row.tables) << precision > _MOST_SLOTS:
        precision -= 1
    value_f, value_c = _value_frequencies(rows, symbols, precision)
    flags = [part != row.flags.background for row, part in zip(rows, symbols, strict=True) if row.flags]
    flag_rows = [row for row in rows if row.flags]
    value_bits = bits_of(value_f, precision)
    value_lanes = lanes_for(value_bits / 8, _BYTES_A_VALUE_LANE)
    values = np.frombuffer(rans.encode(value_f, value_c, value_lanes, precision, np.zeros(0, "<u2")), "<u2")
    flag_lanes, coded = 1, b""
    if flags:
        whole = np.concatenate(flags)
        flag_lanes = lanes_for(min(value_bits / 8 + _flag_bytes(flag_rows, flags), len(whole)), _BYTES_A_FLAG_LANE)
        f, c = _flag_frequencies(flag_rows, whole, flag_lanes)
        ends = values[: rans.Lanes.of(len(whole), flag_lanes).count]
        coded = rans.encode(f, c, flag_lanes, PRECISION, ends)
        explicit = values[len(ends) :]
    else:
        explicit = values
    _write_lane_sizes(side, Lanes(flag_lanes, value_lanes, precision, len(coded), 2 * len(values)))
    return coded, explicit.tobytes()


def _write_lane_sizes(side: SideWriter, lanes: Lanes) -> None:
    side.number(Family.LENGTH, lanes.flag_lanes - 1)
    side.number(Family.LENGTH, lanes.value_lanes - 1)
    side.number(Family.STRUCTURE, lanes.precision - LEAST_PRECISION)
    side.number(Family.LENGTH, lanes.flag_bytes)
    side.number(Family.LENGTH, lanes.value_bytes)


def lanes_for(size: float, bytes_a_lane: tuple[int, int]) -> int:
    """How many lanes there should be, so that each has its share of the coded bytes to make up for its state."""
    wanted = int(size / bytes_a_lane[int(size >= _MANY)])
    return min(max(min(wanted, _ENOUGH_LANES), int(size / _BYTES_A_FURTHER_LANE), 1), _MOST_LANES)


def _value_frequencies(rows: list[Row], symbols: list[np.ndarray], precision: int) -> tuple[np.ndarray, np.ndarray]:
    frequencies, starts = [np.zeros(0, np.uint16)], [np.zeros(0, np.uint16)]
    for row, part in zip(rows, symbols, strict=True):
        assert row.tables is not None
        table = scaled(row.tables.weights, precision).astype(np.uint16)
        kept = part != row.flags.background if row.flags else slice(None)
        places = row.classes.sums(row.grid)[kept] * np.uint32(table.shape[1]) + part[kept]
        frequencies.append(looked_up(table.ravel(), places))
        starts.append(looked_up((np.cumsum(table, axis=1, dtype=np.uint16) - table).ravel(), places))
    return np.concatenate(frequencies), np.concatenate(starts)


def flag_tables(rows: list[Row]) -> np.ndarray:
    """The frequency of a 0 in each context, those of one row after those of the other."""
    return np.concatenate([scaled(row.flags.tables.weights, PRECISION)[:, 0] for row in rows if row.flags])


def flag_bases(rows: list[Row]) -> tuple[np.ndarray, np.ndarray | None]:
    """The contexts of all flags without those before them, and which of those count (None: none ever)."""
    contexts, masks, first = [], [], 0
    for row in rows:
        if row.flags:
            contexts.append(row.flags.contexts(row.grid) + np.uint16(first))
            masks.append(row.flags.masks(row.grid) if row.flags.history else np.zeros(row.grid.count, np.uint8))
            first += len(row.flags.tables.codes)
    history = any(row.flags and row.flags.history for row in rows)
    return np.concatenate(contexts), np.concatenate(masks) if history else None


def _flag_frequencies(rows: list[Row], flags: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    contexts, masks = flag_bases(rows)
    if masks is not None:
        lanes = rans.Lanes.of(len(flags), wanted)
        dealt = lanes.dealt(flags.astype(np.uint8))
        before = np.zeros_like(dealt)
        for distance in range(1, 4):
            before[distance:] |= dealt[:-distance] << distance - 1
        contexts = contexts + (lanes.gathered(before, len(flags)) & masks)
    zeros = looked_up(flag_tables(rows).astype(np.uint16), contexts)
    return np.where(flags, np.uint16(1 << PRECISION) - zeros, zeros), np.where(flags, zeros, np.uint16(0))


def _flag_bytes(rows: list[Row], flags: list[np.ndarray]) -> float:
    """About how many bytes flags take, from how many there are of each."""
    shares = [min(max(float(part.mean()), 1e-6), 1 - 1e-6) for part in flags]
    bits = [-p * np.log2(p) - (1 - p) * np.log2(1 - p) for p in shares]
    return sum(len(part) * bit for part, bit in zip(flags, bits, strict=True)) / 8


def lane_bits(model: Model, data: np.ndarray) -> float:
    """The bits that a model's symbols take in the lanes, without the lanes' own states."""
    pairs = list(zip(model.rows, model.elements.split(data), strict=True))
    rows = [row for row, _ in pairs if row.tables]
    symbols = [row.grid.scanned(part) for row, part in pairs if row.tables]
    if not rows:
        return 0.0
    frequencies, _ = _value_frequencies(rows, symbols, PRECISION)
    bits = bits_of(frequencies, PRECISION)
    flags = [part != row.flags.background for row, part in zip(rows, symbols, strict=True) if row.flags]
    if flags:
        whole = np.concatenate(flags)
        frequencies, _ = _flag_frequencies([row for row in rows if row.flags], whole, 1)
        bits += bits_of(frequencies, PRECISION)
    return bits


def read_streams(side: SideReader) -> tuple[list[Stream], Lanes | None]:
    """Reads what `write_pool` wrote into the description."""
    streams: list[Stream] = []
    left = MOST_BYTES
    for _ in range(side.number(Family.LENGTH, _MOST_STREAMS)):
        streams.append(read_stream(side, left))
        left -= streams[-1].size
    rows = modelled_rows(streams)
    if not rows:
        return streams, None
    lanes = Lanes(
        1 + side.number(Family.LENGTH, rans.MOST_LANES - 1),
        1 + side.number(Family.LENGTH, rans.MOST_LANES - 1),
        LEAST_PRECISION + side.number(Family.STRUCTURE, PRECISION - LEAST_PRECISION),
        side.number(Family.LENGTH, 4 * MOST_BYTES),
        side.number(Family.LENGTH, 4 * MOST_BYTES),
    )
    if sum(len(row.tables.codes) for row in rows if row.tables) << lanes.precision > _MOST_SLOTS:
        raise side.damaged("its tables are too many")
    if sum(len(row.flags.tables.codes) for row in rows if row.flags) > _MOST_FLAG_TABLES:
        raise side.damaged("its tables of flags are too many")
    return streams, lanes


def read_pool(
    side: SideReader, streams: list[Stream], lanes: Lanes | None, body: memoryview, name: str
) -> Iterator[bytes]:
    """The bytes of each stream of a pool.

    Args:
        side: Whose description has been read; makes the error messages.
        streams: What `read_streams` gave.
        lanes: The same.
        body: What comes behind the description.
        name: The file's name, for messages.

    Raises:
        FormatError: The pool is damaged.
    """
    payloads, place = [], 0
    for stream in streams:
        payloads.append(body[place : place + stream.payload])
        place += stream.payload
    rows = modelled_rows(streams)
    symbols = iter(_read_lanes(rows, lanes, body[place:], side, name) if lanes else [])
    if place > len(body) or (not lanes and place < len(body)):
        raise side.damaged(f"a pool has {len(body):,} bytes and says {place:,}")
    for stream, payload in zip(streams, payloads, strict=True):
        if stream.coding is Coding.DEFLATE:
            yield _inflated(payload, stream.size, side)
        elif isinstance(stream.code, Lzma):
            yield _from_lzma(payload, stream.size, stream.code, side)
        elif isinstance(stream.code, HuffmanCode):
            yield huffman.decoded(stream.code, payload, stream.size, name)
        elif isinstance(stream.code, PaperCode):
            yield deep_compression.decoded(stream.code, payload, stream.size, side, name)
        elif stream.model:
            yield _joined(stream.model, payload, symbols)
        else:
            yield bytes(payload)


def _joined(model: Model, payload: memoryview, symbols: Iterator[np.ndarray]) -> bytes:
    rows, place = [], 0
    for row in model.rows:
        if row.tables:
            rows.append(row.grid.in_file_order(next(symbols)))
        else:
            rows.append(np.frombuffer(payload, np.uint8, row.grid.count, place))
            place += row.grid.count
    return model.elements.joined(rows)


def _inflated(payload: memoryview, size: int, side: SideReader) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(payload, size + 1)
    except zlib.error as error:
        raise side.damaged("a deflated part cannot be inflated") from error
    if len(data) != size or not inflater.eof or inflater.unused_data:
        raise side.damaged("a deflated part does not end where it should")
    return data


def _from_lzma(payload: memoryview, size: int, settings: Lzma, side: SideReader) -> bytes:
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[settings.filter(size)])
    try:
        data = decompressor.decompress(payload, size + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise side.damaged("a part cannot be read by LZMA") from error
    if len(data) != size or not decompressor.eof or decompressor.unused_data:
        raise side.damaged("an LZMA part does not end where it should")
    return data


def _read_lanes(rows: list[Row], lanes: Lanes, data: memoryview, side: SideReader, name: str) -> list[np.ndarray]:
    """The symbols of all rows, in the order of the coder."""
    flag_rows = [row for row in rows if row.flags]
    flags, ends = np.zeros(0, np.uint8), np.zeros(0, "<u2")
    if lanes.flag_bytes > (len(data) if flag_rows else 0):
        raise side.damaged("a pool has other flags than it says")
    if flag_rows:
        contexts, masks = flag_bases(flag_rows)
        coded = data[: lanes.flag_bytes]
        flags, ends = rans.decode_flags(coded, contexts, masks, flag_tables(flag_rows), lanes.flag_lanes, name)
    borrowed = ends[: lanes.value_bytes // 2]
    if ends[len(borrowed) :].any() or lanes.flag_bytes + lanes.value_bytes - 2 * len(borrowed) != len(data):
        raise side.damaged("a pool does not end where its values do")
    values = _read_values(rows, flags, lanes, memoryview(borrowed.tobytes() + data[lanes.flag_bytes :]), name)
    symbols, flag, value = [], 0, 0
    for row in rows:
        part = np.zeros(row.grid.count, np.uint16)
        kept = np.ones(row.grid.count, bool)
        if row.flags:
            kept = flags[flag : flag + row.grid.count].view(bool)
            part[:] = row.flags.background
            flag += row.grid.count
        count = int(np.count_nonzero(kept))
        part[kept] = values[value : value + count]
        value += count
        symbols.append(part)
    return symbols


def _read_values(rows: list[Row], flags: np.ndarray, lanes: Lanes, data: memoryview, name: str) -> np.ndarray:
    contexts, tables, first, flag = [], [], 0, 0
    for row in rows:
        assert row.tables is not None
        own = row.classes.sums(row.grid).astype(np.uint16) + np.uint16(first)
        if row.flags:
            own = own[flags[flag : flag + row.grid.count].view(bool)]
            flag += row.grid.count
        contexts.append(own)
        tables.append(scaled(row.tables.weights, lanes.precision))
        first += len(row.tables.codes)
    return rans.decode_values(data, np.concatenate(contexts), tables, lanes.precision, lanes.value_lanes, name)
