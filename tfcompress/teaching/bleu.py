"""Smoothed sentence BLEU: how near one sequence of words is to another."""

import math
import reprlib
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any, TypeAlias

import numpy as np

from tfcompress.errors import DataError
from tfcompress.teaching.objective import check_count

Words: TypeAlias = Sequence[Hashable] | np.ndarray


def sentence_bleu(candidate: Words, reference: Words, order: int = 4) -> float:
    """BLEU of one sequence against one other, smoothed so that it is not 0 for want of a single long match.

        BLEU = min(1, e^(1 - r / c)) * (p_1 * ... * p_n)^(1 / n)

    p_n is the share of the candidate's n-grams that the reference has, each as often as there; for n > 1 one is added
    to both numbers (Lin and Och). c and r are the lengths.

    Args:
        candidate: The words to be judged: a list, or an array of one axis.
        reference: The words that are right.
        order: The longest n-gram, from 1.

    Returns:
        A number in [0, 1]: 0 where they have no word in common, 1 where they agree and have `order` words or more.

    Raises:
        RecipeError: The order is out of range.
        DataError: One of them is a text, or an array of another number of axes.

    Example:
        >>> round(sentence_bleu("the cat sat on the mat".split(), "the cat sat on a mat".split()), 4)
        0.6389

    Reference:
        Papineni et al., 2002; Lin and Och, "ORANGE: a Method for Evaluating Automatic Evaluation Metrics for Machine
        Translation", 2004, for the smoothing.
    """
    check_count("sentence_bleu: order", order)
    candidate, reference = _words("candidate", candidate), _words("reference", reference)
    if not len(candidate) or not len(reference):
        return float(len(candidate) == len(reference))
    logs = []
    for size in range(1, order + 1):
        ours, theirs = _grams(candidate, size), _grams(reference, size)
        matches, total = sum((ours & theirs).values()), max(sum(ours.values()), 1)
        if size > 1:
            # A candidate shorter than n has no n-grams; the added one then stands over a total of one and one.
            matches, total = matches + 1, total + 1
        if not matches:
            return 0.0
        logs.append(math.log(matches / total))
    brevity = min(0.0, 1 - len(reference) / len(candidate))
    return math.exp(brevity + sum(logs) / order)


def _words(which: str, given: Any) -> Sequence[Hashable]:
    """The words as a sequence of plain ones; a text is a sequence too, of characters, which are hardly meant."""
    if isinstance(given, (str, bytes)):
        raise DataError(
            f"sentence_bleu: the {which} is the text {reprlib.repr(given)}. Give a list of words: text.split()."
        )
    if not hasattr(given, "__array__"):
        return given
    array = np.asarray(given)
    if array.ndim != 1:
        raise DataError(
            f"sentence_bleu: the {which} is an array of shape {array.shape}. Give the words of one sequence, an array "
            "of one axis."
        )
    return array.tolist()


def _grams(words: Sequence[Hashable], size: int) -> Counter[tuple[Hashable, ...]]:
    return Counter(tuple(words[start : start + size]) for start in range(len(words) - size + 1))
