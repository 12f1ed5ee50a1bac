"""rANS lanes: symbols come back from any number of lanes, near to their entropy and to constriction's coder."""

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcompress.errors import FormatError
from tfcompress.packing import rans
from tfcompress.packing.frequencies import PRECISION, coded, scaled, weights

_NO_ENDS = np.zeros(0, "<u2")


def _coded(
    symbols: np.ndarray, contexts: np.ndarray, table: np.ndarray, lanes: int, ends: np.ndarray = _NO_ENDS
) -> bytes:
    starts = np.cumsum(table, axis=1) - table
    return rans.encode(table[contexts, symbols], starts[contexts, symbols], lanes, PRECISION, ends)


@given(st.integers(0, 400), st.integers(1, 90), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_values_come_back_from_any_number_of_lanes(count: int, lanes: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    table = scaled(generator.integers(1, 1000, (3, 17)), PRECISION)
    symbols, contexts = generator.integers(0, 17, count), generator.integers(0, 3, count)
    data = memoryview(_coded(symbols, contexts, table, lanes))
    assert (rans.decode_values(data, contexts, [table], PRECISION, lanes, "x.tfz") == symbols).all()


@given(st.integers(1, 400), st.integers(1, 90), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_flags_come_back_with_the_words_in_their_lanes(count: int, lanes: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    zeros = generator.integers(1, 1 << PRECISION, 5)
    flags, contexts = generator.integers(0, 2, count), generator.integers(0, 5, count)
    ends = generator.integers(0, 1 << 16, rans.Lanes.of(count, lanes).count).astype("<u2")
    table = np.stack([zeros, (1 << PRECISION) - zeros], axis=1)
    data = memoryview(_coded(flags, contexts, table, lanes, ends))
    found, found_ends = rans.decode_flags(data, contexts.astype(np.uint16), None, zeros, lanes, "x.tfz")
    assert (found == flags).all()
    assert (found_ends == ends).all()


def test_one_lane_worked_by_hand() -> None:
    # Symbols 0, 1 with frequencies 3/4 and 1/4 of 2**14. From x = 2**16, backwards:
    # 1: x = (65536 div 4096) * 16384 + 65536 mod 4096 + 12288 = 274432
    # 0: x = (274432 div 12288) * 16384 + 274432 mod 12288 = 22 * 16384 + 4096 = 364544
    frequencies, starts = np.array([12288, 4096]), np.array([0, 12288])
    assert rans.encode(frequencies, starts, 1, 14, _NO_ENDS) == (364544).to_bytes(4, "little")


def test_the_rate_is_that_of_constriction() -> None:
    generator = np.random.default_rng(0)
    counts = np.array([[8000, 900, 500, 300, 200, 60, 30, 10]])
    symbols = generator.choice(8, 100_000, p=counts[0] / counts.sum())
    table = scaled(weights(coded(np.bincount(symbols, minlength=8)[None], 5), 5), PRECISION)
    ours = len(_coded(symbols, np.zeros(len(symbols), int), table, 8))
    model = constriction.stream.model.Categorical(np.bincount(symbols) / len(symbols), perfect=False)
    coder = constriction.stream.stack.AnsCoder()
    coder.encode_reverse(symbols.astype(np.int32), model)
    theirs = 4 * len(coder.get_compressed())
    assert ours == pytest.approx(theirs, rel=0.003)


@pytest.mark.parametrize("lanes", [2, 40])
def test_data_of_another_length_are_refused(lanes: int) -> None:
    table = scaled(np.array([[5, 1, 1]]), PRECISION)
    symbols = np.random.default_rng(0).integers(0, 3, 3000)
    contexts = np.zeros(len(symbols), int)
    data = _coded(symbols, contexts, table, lanes)
    for changed in (data[:-2], data[:-1], data[:4], data + bytes(2), b""):
        with pytest.raises(FormatError, match=r"x\.tfz is damaged"):
            rans.decode_values(memoryview(changed), contexts, [table], PRECISION, lanes, "x.tfz")


@given(st.integers(0, 300), st.integers(1, 50))
def test_every_symbol_has_its_place(symbols: int, wanted: int) -> None:
    lanes, values = rans.Lanes.of(symbols, wanted), np.arange(symbols)
    assert sum(lanes.active(step) for step in range(lanes.steps)) == symbols
    assert lanes.count <= wanted
    assert (lanes.gathered(lanes.dealt(values), symbols) == values).all()
