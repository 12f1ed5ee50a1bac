import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

import tfcompress as tfc

# By nltk 3.10.4: sentence_bleu([reference], candidate, smoothing_function=SmoothingFunction().method2).
BY_NLTK = [
    ([3, 2, 1, 1, 0, 0, 0, 0, 4, 3], [2, 3, 4, 3, 3, 2, 2, 4, 1, 4, 3], 0.1933126358),
    ([1], [2, 0, 3, 3, 4, 0, 0, 4, 0, 2], 0.0),
    ([2, 3, 1, 3, 3, 1, 2, 4], [4, 1, 3, 4, 3, 4, 3, 3, 1], 0.3226013519),
    ([0, 2, 3, 4, 2, 1, 1, 2, 2, 3], [0, 4, 2, 1, 3, 2, 1, 1, 3, 2], 0.3499635512),
    ([1, 3, 1, 1, 4, 1], [3, 3, 0], 0.1930486975),
    ([0, 2, 4, 4, 4, 2, 1, 4, 4, 3], [4, 1, 4, 3, 4], 0.2136435032),
    ([3, 0, 1, 3], [0, 2, 0, 0, 3, 2, 4, 4, 0, 4, 3], 0.0730629431),
]


@pytest.mark.parametrize(("candidate", "reference", "expected"), BY_NLTK)
def test_it_gives_what_nltk_gives(candidate: list[int], reference: list[int], expected: float) -> None:
    assert tfc.sentence_bleu(candidate, reference) == pytest.approx(expected, abs=1e-9)


def test_two_words_worked_by_hand() -> None:
    # Unigrams 2 of 3, bigrams (1 + 1) of (2 + 1); as long as the reference.
    assert tfc.sentence_bleu([1, 2, 9], [1, 2, 3], order=2) == pytest.approx(math.sqrt(2 / 3 * 2 / 3))
    # Half as long: e^(1 - 2).
    assert tfc.sentence_bleu([1, 2], [1, 2, 1, 2], order=1) == pytest.approx(math.exp(-1))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=9), st.lists(st.integers(0, 3), min_size=1, max_size=9))
def test_it_is_a_share_and_1_for_the_same(one: list[int], other: list[int]) -> None:
    assert 0 <= tfc.sentence_bleu(one, other) <= 1
    if len(one) >= 4:
        assert tfc.sentence_bleu(one, one) == pytest.approx(1)


def test_empty_sequences_are_like_each_other_only() -> None:
    assert tfc.sentence_bleu([], []) == 1.0
    assert tfc.sentence_bleu([], [1]) == tfc.sentence_bleu([1], []) == 0.0


@pytest.mark.parametrize("made", [np.array, tf.constant, tuple])
def test_arrays_of_words_are_taken_as_lists_are(made: object) -> None:
    one, other = ([3, 2, 1, 1, 0, 4], [2, 3, 4, 3, 2, 1, 1])
    expected = tfc.sentence_bleu(one, other)
    assert tfc.sentence_bleu(made(one), made(other)) == tfc.sentence_bleu(made(one), other) == expected  # type: ignore[operator]
    assert tfc.sentence_bleu(np.array([]), np.array([1, 2])) == 0.0
    assert tfc.sentence_bleu(np.array([0]), np.array([0]), order=np.int64(1)) == 1.0


def test_what_is_no_sequence_of_words_is_refused() -> None:
    with pytest.raises(tfc.TfCompressError, match=r"the candidate is the text 'the cat'\. Give a list of words: text"):
        tfc.sentence_bleu("the cat", ["the", "cat"])
    with pytest.raises(tfc.TfCompressError, match=r"the reference is the text 'the cat'.*text\.split\(\)"):
        tfc.sentence_bleu(["the", "cat"], "the cat")
    with pytest.raises(tfc.TfCompressError, match=r"the reference is an array of shape \(1, 2\)"):
        tfc.sentence_bleu([1, 2], np.array([[1, 2]]))
