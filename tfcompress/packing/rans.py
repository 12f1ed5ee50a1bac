"""Entropy coding with many interleaved rANS lanes, so that numpy decodes them side by side.

Each lane is a number x in [2**16, 2**32). Decoding a symbol of frequency f that starts at c, of a table of sum 2**n:

    slot = x mod 2**n;  x = f * floor(x / 2**n) + slot - c;  if x < 2**16: x = x * 2**16 + next word

and encoding is the same backwards. The lanes share one row of 16-bit words; each codes a contiguous part of the
symbols.

Reference:
    Duda, "Asymmetric numeral systems", arXiv 1311.2540; Giesen, "Interleaved entropy coders", arXiv 1402.3392.
"""

from dataclasses import dataclass

import numpy as np

from tfcompress.errors import FormatError
from tfcompress.packing.frequencies import PRECISION

_LOW = 1 << 16
_FEW = 28  # lanes; fewer are quicker one symbol at a time than side by side
MOST_LANES = 1 << 14
_BLOCK = 1 << 12  # steps


@dataclass(frozen=True)
class Lanes:
    """How symbols are dealt out: lane l codes those from `l * steps`, and the last lane has `last` of them."""

    count: int
    steps: int
    last: int

    @classmethod
    def of(cls, symbols: int, wanted: int) -> "Lanes":
        """At most `wanted` lanes, as many as get a symbol."""
        steps = -(-symbols // wanted)
        count = -(-symbols // steps) if symbols else 0
        return cls(count, steps, symbols - (count - 1) * steps if symbols else 0)

    def active(self, step: int) -> int:
        """How many lanes have a symbol at this step."""
        return self.count if step < self.last else self.count - 1

    def dealt(self, values: np.ndarray) -> np.ndarray:
        """Values of the symbols as (steps, lanes); zeros fill up the last lane."""
        padded = np.zeros(self.count * self.steps, values.dtype)
        padded[: len(values)] = values
        return np.ascontiguousarray(padded.reshape(self.count, self.steps).T)

    def gathered(self, dealt: np.ndarray, symbols: int) -> np.ndarray:
        """The opposite of `dealt`."""
        return np.ascontiguousarray(dealt.T).ravel()[:symbols]


def encode(frequencies: np.ndarray, starts: np.ndarray, wanted: int, precision: int, ends: np.ndarray) -> bytes:
    """Codes symbols, given the frequency and the start of each, into the lanes' last states and the words.

    Args:
        frequencies: Of each symbol in its table, 1 to `2 ** precision`.
        starts: The sum of the frequencies before it in its table.
        wanted: Lanes.
        precision: Bits.
        ends: 16-bit words that the decoder finds in the lanes after the last symbol, at most one a lane.
    """
    lanes = Lanes.of(len(frequencies), wanted)
    dealt_f, dealt_c = lanes.dealt(frequencies), lanes.dealt(starts)
    states, words = np.full(lanes.count, _LOW, np.uint64), []
    states[: len(ends)] += ends.astype(np.uint64)
    for step in reversed(range(lanes.steps)):
        active = lanes.active(step)
        x, f = states[:active], dealt_f[step, :active].astype(np.uint64)
        full = np.flatnonzero(x >= f << np.uint64(32 - precision))
        words.append(x[full].astype("<u2"))
        x[full] >>= np.uint64(16)
        quotient, rest = np.divmod(x, f)
        x[:] = (quotient << np.uint64(precision)) + rest + dealt_c[step, :active]
    return states.astype("<u4").tobytes() + b"".join(part.tobytes() for part in reversed(words))


class _Source:
    """The states and words of a coded row of symbols, checked as they are used up."""

    def __init__(self, data: memoryview, lanes: Lanes, name: str) -> None:
        self._name, self.position = name, 0
        if len(data) < 4 * lanes.count or len(data) % 2:
            raise self.damaged()
        self.states = np.frombuffer(data, "<u4", lanes.count).astype(np.uint32)
        self.words = np.frombuffer(data, "<u2", offset=4 * lanes.count).astype(np.uint32)
        if (self.states < _LOW).any():
            raise self.damaged()

    def damaged(self) -> FormatError:
        """The error for data that end too early or too late."""
        return FormatError(f"{self._name} is damaged: its coded weights do not end where they should. Copy it again.")

    def refill(self, x: np.ndarray) -> None:
        """Gives the next words to the lanes that are low, in the order of the lanes."""
        low = (x < _LOW).nonzero()[0]
        if not len(low):
            return
        words = self.words[self.position : self.position + len(low)]
        if len(words) < len(low):
            raise self.damaged()
        x[low] = (x[low] << 16) | words
        self.position += len(low)

    def ends(self) -> np.ndarray:
        """The words in the lanes after the last symbol; no word may be left, and no lane may be high."""
        if self.position != len(self.words) or (self.states >= 2 * _LOW).any():
            raise self.damaged()
        return (self.states - _LOW).astype("<u2")


def decode_flags(
    data: memoryview, contexts: np.ndarray, masks: np.ndarray | None, zeros: np.ndarray, wanted: int, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Decodes symbols 0 and 1 whose contexts may depend on those before them in the same lane.

    Args:
        data: What `encode` gave, with `PRECISION`.
        contexts: Of each symbol, before what came earlier is added.
        masks: For each symbol, which of the flags before it count: bit b for the flag b + 1 before; None: none do.
        zeros: The frequency of a 0 in each context.
        wanted: Lanes.
        name: The file's name, for messages.

    Returns:
        The symbols, and the words found in the lanes after them.

    Raises:
        FormatError: The data end too early or too late.
    """
    lanes = Lanes.of(len(contexts), wanted)
    source = _Source(data, lanes, name)
    whole = 1 << PRECISION
    frequencies = np.stack([zeros, whole - zeros], axis=1).ravel().astype(np.uint32)
    starts = np.stack([np.zeros_like(zeros), zeros], axis=1).ravel().astype(np.uint32)
    decode = _flags_one_by_one if lanes.count < _FEW else _flags_side_by_side
    flags = decode(
        source, lanes, lanes.dealt(contexts), None if masks is None else lanes.dealt(masks), frequencies, starts
    )
    return lanes.gathered(flags, len(contexts)), source.ends()


def _flags_side_by_side(
    source: _Source,
    lanes: Lanes,
    contexts: np.ndarray,
    masks: np.ndarray | None,
    frequencies: np.ndarray,
    starts: np.ndarray,
) -> np.ndarray:
    out = np.zeros((lanes.steps, lanes.count), np.uint8)
    before, slots = np.zeros(lanes.count, np.uint8), np.uint32((1 << PRECISION) - 1)
    for step in range(lanes.steps):
        active = lanes.active(step)
        x, context = source.states[:active], contexts[step, :active].astype(np.intp)
        if masks is not None:
            context += before[:active] & masks[step, :active]
        context *= 2
        slot = x & slots
        flag = slot >= frequencies.take(context)
        context += flag
        x >>= PRECISION
        x *= frequencies.take(context)
        x += slot
        x -= starts.take(context)
        source.refill(x)
        out[step, :active] = flag
        if masks is not None:
            before[:active] = (before[:active] << 1) | flag
    return out


def _flags_one_by_one(
    source: _Source,
    lanes: Lanes,
    contexts: np.ndarray,
    masks: np.ndarray | None,
    frequencies: np.ndarray,
    starts: np.ndarray,
) -> np.ndarray:
    states, words = source.states.tolist(), source.words.tolist()
    table, below = frequencies.tolist(), starts.tolist()
    out = np.zeros((lanes.steps, lanes.count), np.uint8)
    before, position, slots = [0] * lanes.count, 0, (1 << PRECISION) - 1
    rows, mask_rows = list[list[int]](), list[list[int]]()
    try:
        for step in range(lanes.steps):
            if step % _BLOCK == 0:  # lists take much more memory than arrays
                rows = contexts[step : step + _BLOCK].tolist()
                mask_rows = [] if masks is None else masks[step : step + _BLOCK].tolist()
            for lane in range(lanes.active(step)):
                x, context = states[lane], rows[step % _BLOCK][lane]
                if mask_rows:
                    context += before[lane] & mask_rows[step % _BLOCK][lane]
                slot = x & slots
                flag = slot >= table[2 * context]
                place = 2 * context + flag
                x = table[place] * (x >> PRECISION) + slot - below[place]
                if flag:
                    out[step, lane] = 1
                if mask_rows:
                    before[lane] = before[lane] << 1 & 255 | flag
                if x < _LOW:
                    x = x << 16 | words[position]
                    position += 1
                states[lane] = x
    except IndexError as error:
        raise source.damaged() from error
    source.position, source.states = position, np.array(states, np.uint32)
    return out


def decode_values(
    data: memoryview, contexts: np.ndarray, tables: list[np.ndarray], precision: int, wanted: int, name: str
) -> np.ndarray:
    """Decodes symbols whose contexts are known.

    Args:
        data: What `encode` gave.
        contexts: Of each symbol, as a row of the tables put one below the other.
        tables: Frequencies, each (contexts, symbols), every row adding up to `2 ** precision`.
        precision: Bits.
        wanted: Lanes.
        name: The file's name, for messages.

    Raises:
        FormatError: The data end too early or too late.
    """
    lanes = Lanes.of(len(contexts), wanted)
    source = _Source(data, lanes, name)
    decode = _values_one_by_one if lanes.count < _FEW else _values_side_by_side
    symbols = decode(source, lanes, lanes.dealt(contexts), _Lookup.of(tables), precision)
    if source.ends().any():
        raise source.damaged()
    return lanes.gathered(symbols, len(contexts))


@dataclass(frozen=True)
class _Lookup:
    """Tables one after the other: the place of each slot of each context, and the frequency and start of each place."""

    places: np.ndarray
    symbols: np.ndarray
    frequencies: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, tables: list[np.ndarray]) -> "_Lookup":
        if not tables:
            return cls(*(np.zeros(0, np.uint32) for _ in range(4)))
        frequencies = np.concatenate([table.ravel() for table in tables]).astype(np.uint32)
        places = np.repeat(np.arange(len(frequencies), dtype=np.uint32), frequencies)
        symbols = np.concatenate([np.tile(np.arange(table.shape[1], dtype=np.uint16), len(table)) for table in tables])
        starts = np.concatenate([(np.cumsum(table, axis=1) - table).ravel() for table in tables]).astype(np.uint32)
        return cls(places, symbols, frequencies, starts)


def _values_side_by_side(
    source: _Source, lanes: Lanes, contexts: np.ndarray, lookup: _Lookup, precision: int
) -> np.ndarray:
    out, slots = np.zeros((lanes.steps, lanes.count), np.uint16), np.uint32((1 << precision) - 1)
    for step in range(lanes.steps):
        active = lanes.active(step)
        x, context = source.states[:active], contexts[step, :active].astype(np.intp)
        slot = x & slots
        context <<= precision
        context += slot
        place = lookup.places.take(context)
        x >>= precision
        x *= lookup.frequencies.take(place)
        x += slot
        x -= lookup.starts.take(place)
        source.refill(x)
        out[step, :active] = lookup.symbols.take(place)
    return out


def _values_one_by_one(
    source: _Source, lanes: Lanes, contexts: np.ndarray, lookup: _Lookup, precision: int
) -> np.ndarray:
    states, words = source.states.tolist(), source.words.tolist()
    places, rows = lookup.places.data, list[list[int]]()
    symbols, table, below = lookup.symbols.tolist(), lookup.frequencies.tolist(), lookup.starts.tolist()
    out = np.zeros((lanes.steps, lanes.count), np.uint16)
    position, slots = 0, (1 << precision) - 1
    try:
        for step in range(lanes.steps):
            if step % _BLOCK == 0:
                rows = contexts[step : step + _BLOCK].tolist()
            for lane in range(lanes.active(step)):
                x = states[lane]
                slot = x & slots
                place = places[(rows[step % _BLOCK][lane] << precision) + slot]
                x = table[place] * (x >> precision) + slot - below[place]
                out[step, lane] = symbols[place]
                if x < _LOW:
                    x = x << 16 | words[position]
                    position += 1
                states[lane] = x
    except IndexError as error:
        raise source.damaged() from error
    source.position, source.states = position, np.array(states, np.uint32)
    return out
