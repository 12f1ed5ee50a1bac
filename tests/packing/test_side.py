"""The numbers of a description: there and back, cheap where they repeat, refused where they cannot be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcompress.errors import FormatError
from tfcompress.packing.side import LARGEST_NUMBER, MOST_NUMBERS, Family, SideReader, SideWriter

_NUMBERS = st.tuples(st.sampled_from(Family), st.one_of(st.integers(0, 20), st.integers(0, LARGEST_NUMBER)))


@given(st.lists(_NUMBERS, max_size=60), st.lists(st.integers(-1000, 1000), max_size=20))
def test_numbers_come_back(numbers: list[tuple[Family, int]], signed: list[int]) -> None:
    writer = SideWriter()
    for family, value in numbers:
        writer.number(family, value)
    for value in signed:
        writer.signed(Family.CLASS, value)
    reader = SideReader(writer.finish(), "x.tfz")
    assert [reader.number(family) for family, _ in numbers] == [value for _, value in numbers]
    assert [reader.signed(Family.CLASS) for _ in signed] == signed


def test_rare_ones_cost_little_more_than_their_entropy() -> None:
    flags = np.random.default_rng(0).random(20_000) < 0.1
    writer = SideWriter()
    for flag in flags.tolist():
        writer.number(Family.STRUCTURE, int(flag))
    share = flags.mean()
    entropy = len(flags) * -(share * np.log2(share) + (1 - share) * np.log2(1 - share)) / 8
    # A 1 is two decisions, of which the second is always the same: its context learns to cost nothing.
    assert entropy < len(writer.finish()) < 1.1 * entropy


def test_one_number_worked_by_hand() -> None:
    # 0 is one decision at probability a half: the range is (2**32 - 1 >> 12) * 2048 = 0x7FFFF800 from 0 on, and the
    # roundest of its last numbers is 0x7F000000.
    writer = SideWriter()
    writer.number(Family.STRUCTURE, 0)
    assert writer.finish() == b"\x7f"
    # 1 is the decisions 1 and 0 (its length) and 0 (its last bit): from 0x7FFFF800 on, ranges of 0x800007FF, 0x40000000
    # and 0x20000000.
    writer = SideWriter()
    writer.number(Family.STRUCTURE, 1)
    assert writer.finish() == b"\x9f"


def test_a_number_beyond_its_limit_is_refused() -> None:
    writer = SideWriter()
    writer.number(Family.LENGTH, 11)
    with pytest.raises(FormatError, match=r"x\.tfz is damaged: 11 stands where at most 10 is possible"):
        SideReader(writer.finish(), "x.tfz").number(Family.LENGTH, 10)


def test_reading_past_the_end_is_refused() -> None:
    reader = SideReader(b"\xff\xfe", "x.tfz")
    with pytest.raises(FormatError, match=r"ends within its description|too long"):
        _read(reader, 1000)


def test_numbers_without_end_are_refused() -> None:
    reader = SideReader(bytes(1 << 16), "x.tfz")
    with pytest.raises(FormatError, match=r"more than 1,048,576 numbers"):
        _read(reader, MOST_NUMBERS + 1)


def test_more_numbers_than_may_come_are_refused_before_room_is_made_for_them() -> None:
    reader = SideReader(bytes(8), "x.tfz")
    reader.check_left(MOST_NUMBERS)
    reader.number(Family.LENGTH)
    with pytest.raises(FormatError, match="more than"):
        reader.check_left(MOST_NUMBERS)


def _read(reader: SideReader, count: int) -> None:
    for _ in range(count):
        reader.number(Family.STRUCTURE)
