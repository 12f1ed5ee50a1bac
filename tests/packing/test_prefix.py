"""Canonical Huffman codes: the textbook's lengths, RFC 1951's codes, and nothing that is no code."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcompress.errors import FormatError
from tfcompress.packing import prefix


def test_the_codes_are_those_of_rfc_1951() -> None:
    # RFC 1951, section 3.2.2: lengths (3, 3, 3, 3, 3, 2, 4, 4) give 010 011 100 101 110 00 1110 1111.
    lengths = np.array([3, 3, 3, 3, 3, 2, 4, 4])
    codes = ["010", "011", "100", "101", "110", "00", "1110", "1111"]
    bits = "".join(codes) + "0" * (-sum(lengths) % 8)
    assert prefix.encode(np.arange(8), lengths) == int(bits, 2).to_bytes(len(bits) // 8, "big")


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60))
def test_lengths_are_a_full_code_within_a_bit_of_the_entropy(counts: list[int]) -> None:
    numbers = np.array(counts)
    lengths, used = prefix.code_lengths(numbers), numbers[numbers > 0]
    assert ((lengths > 0) == (numbers > 0)).all()
    if len(used) > 1:
        assert sum(2.0**-length for length in lengths if length) == 1
        entropy = float((used * np.log2(used.sum() / used)).sum())
        assert entropy - 1e-6 <= (lengths * numbers).sum() <= entropy + used.sum()


def test_very_uneven_counts_still_fit_fifteen_bits() -> None:
    counts = np.array([1 << place for place in range(40)])
    assert prefix.code_lengths(counts).max() == 15


@given(st.integers(0, 500), st.integers(1, 300), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_symbols_come_back(count: int, alphabet: int, seed: int) -> None:
    symbols = np.random.default_rng(seed).geometric(0.1, count) % alphabet
    lengths = prefix.code_lengths(np.bincount(symbols, minlength=alphabet))
    data = memoryview(prefix.encode(symbols, lengths))
    assert (prefix.decode(data, count, lengths, "x.tfz") == symbols).all()


def test_many_symbols_come_back() -> None:
    symbols = np.random.default_rng(0).integers(0, 200, 200_000)
    lengths = prefix.code_lengths(np.bincount(symbols))
    assert (prefix.decode(memoryview(prefix.encode(symbols, lengths)), len(symbols), lengths, "x") == symbols).all()


@pytest.mark.parametrize("lengths", [[1, 1, 1], [2, 2, 0], [0, 0, 0]])
def test_what_is_no_code_is_refused(lengths: list[int]) -> None:
    with pytest.raises(FormatError, match=r"x\.tfz is damaged"):
        prefix.decode(memoryview(b"\xff"), 3, np.array(lengths), "x.tfz")


@pytest.mark.parametrize("data", [b"", b"\x00\x00", b"\x1b\x1b"])
def test_bits_of_another_length_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match=r"x\.tfz is damaged"):
        prefix.decode(memoryview(data), 4, np.array([2, 2, 2, 2]), "x.tfz")
