"""Beam search: the most probable sequences that a model gives word by word, in TensorFlow alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from tfcompress.errors import DataError, RecipeError
from tfcompress.teaching.objective import check_count, check_number

Step: TypeAlias = Callable[[tf.Tensor, Any], tuple[tf.Tensor, Any]]
"""`step(words, state)` gives the logits of the next word, (rows, words), and the state after the words, (rows,)."""

_NEVER = -1e9
"""The log probability of what cannot be; infinity would give NaN where it is multiplied by 0."""


@dataclass(frozen=True)
class Beams:
    """The sequences that were found for each sample of a batch: those with an end, best first, then those without.

    One without an end was cut off at the full length: its probability is that of all sequences that begin so, and says
    nothing beside that of a whole one.

    Where fewer sequences are possible than there are beams, the last ones have the length 0, the log probability and
    the score -1e9, and nothing but padding.

    Attributes:
        words: int32, (batch, beams, length): without the start, up to and with the end; padding behind it.
        scores: float32, (batch, beams): log probabilities divided by the length penalty.
        log_probabilities: float32, (batch, beams).
        lengths: int32, (batch, beams): the number of words, the end among them.
    """

    words: tf.Tensor
    scores: tf.Tensor
    log_probabilities: tf.Tensor
    lengths: tf.Tensor

    @property
    def parts(self) -> tuple[tf.Tensor, ...]:
        """All four, as a `tf.function` can return them."""
        return self.words, self.scores, self.log_probabilities, self.lengths


def beam_search(
    step: Step,
    state: Any,
    *,
    start: int,
    end: int,
    length: int,
    beams: int = 5,
    length_penalty: float = 0.0,
    padding: int = 0,
) -> Beams:
    """Finds the whole sequences of words that a model finds most probable, keeping a few at each word.

        score = log p(words) / ((5 + n) / 6)^length_penalty

    At each word the `beams` best unfinished sequences go on, and the `beams` best finished ones are kept; the search
    stops when no unfinished one can come before them any more. Sequences that `length` cuts off come behind all that
    have their end, however probable they are. One beam without a penalty is greedy decoding. It runs
    eagerly or inside a `tf.function`. What is found for a sample does not depend on the others in its batch.

    Args:
        step: Gives the logits of the next word for rows of words; a row is one beam of one sample.
        state: What `step` starts with: tensors whose first axis is the batch, in any structure. Each sample's row is
            repeated for its beams, and follows them.
        start: The word before the first.
        end: The word that finishes a sequence.
        length: The most words of a sequence, the end among them, from 1.
        beams: How many sequences to keep, from 1.
        length_penalty: From 0, which prefers short sequences as the probabilities do, to about 1.
        padding: What stands behind the end.

    Returns:
        The sequences with an end, best first, then those that were not finished within `length`, best first.

    Raises:
        RecipeError: A setting is out of range, or the end is no word of the model.
        DataError: The state holds no tensor, so that the batch is not known.

    Example:
        >>> def step(words, state):                       # 1 is followed by 2, and 2 by the end, 0
        ...     return tf.one_hot(tf.where(words == 1, 2, 0), 3) * 9.0, state
        >>> found = beam_search(step, tf.zeros([1, 1]), start=1, end=0, length=4, beams=2)
        >>> print(found.words[0, 0].numpy(), found.lengths[0, 0].numpy())
        [2 0 0 0] 2

    Reference:
        The length penalty: Wu et al., "Google's Neural Machine Translation System", arXiv:1609.08144.
    """
    check_count("beam_search: length", length)
    check_count("beam_search: beams", beams)
    check_number("beam_search: length_penalty", length_penalty)
    for name, word in (("start", start), ("end", end), ("padding", padding)):
        check_word(f"beam_search: {name}", word)
    tensors = tf.nest.flatten(state)
    if not tensors:
        raise DataError("beam_search: the state holds no tensor, so the batch is not known. Put the sources into it.")
    # TensorFlow would make int64 of a length of NumPy's, which it does not compare with the places, int32.
    settings = (int(length), int(beams), float(length_penalty))
    search = _Search(step, end, *settings, padding, batch=tf.shape(tensors[0])[0])
    return search.run(state, start)


def check_word(what: str, word: Any, words: int | None = None) -> None:
    """Refuses what is no number of a word.

    Args:
        what: What it is, for the error.
        word: Its number.
        words: How many words there are, where that is known.
    """
    whole = isinstance(word, (int, np.integer)) and not isinstance(word, bool)
    if not whole or word < 0:
        raise RecipeError(f"{what} must be the number of a word, from 0, not {word!r}.")
    if words is not None and word >= words:
        raise RecipeError(f"{what} is {word}, and the model knows the words 0 to {words - 1}.")


@dataclass(frozen=True)
class _Hypotheses:
    """Some sequences of each sample: words (batch, n, length), and log probabilities or scores (batch, n)."""

    words: tf.Tensor
    log_probabilities: tf.Tensor
    scores: tf.Tensor
    lengths: tf.Tensor

    @property
    def parts(self) -> tuple[tf.Tensor, ...]:
        return self.words, self.log_probabilities, self.scores, self.lengths

    def best(self, count: int) -> "tuple[_Hypotheses, tf.Tensor]":
        """Those with the highest scores, and their places."""
        _, places = tf.math.top_k(self.scores, count)
        return self.at(places), places

    def first(self, count: int) -> "_Hypotheses":
        """The first ones that are sequences, and where these are too few, what is none."""
        number = tf.shape(self.scores)[1]
        later = tf.range(number) + tf.where(self.impossible, number, 0)
        return self.at(tf.math.top_k(-later, count).indices)

    def at(self, places: tf.Tensor) -> "_Hypotheses":
        return _Hypotheses(*(tf.gather(part, places, batch_dims=1) for part in self.parts))

    @property
    def impossible(self) -> tf.Tensor:
        """Which are no sequences, (batch, n)."""
        return tf.minimum(self.scores, self.log_probabilities) <= _NEVER / 2

    def joined(self, other: "_Hypotheses") -> "_Hypotheses":
        return _Hypotheses(*(tf.concat(pair, axis=1) for pair in zip(self.parts, other.parts, strict=True)))


@dataclass(frozen=True)
class _Search:
    """One search: its settings, and how one word is added."""

    step: Step
    end: int
    length: int
    beams: int
    length_penalty: float
    padding: int
    batch: tf.Tensor

    def run(self, state: Any, start: int) -> Beams:
        state = tf.nest.map_structure(lambda tensor: tf.repeat(tensor, self.beams, axis=0), state)
        first = tf.where(tf.range(self.beams) == 0, 0.0, _NEVER)  # all beams begin alike, so only one may go on
        alive = self._none(tf.tile(first[None], [self.batch, 1]))
        finished = self._none(tf.fill([self.batch, self.beams], _NEVER))
        last = tf.fill([self.batch * self.beams], start)

        def unsettled(place: tf.Tensor, *variables: Any) -> tf.Tensor:
            alive, finished = _Hypotheses(*variables[0]), _Hypotheses(*variables[1])
            # No word makes a log probability larger, and no penalty is larger than that of the full length.
            hope = alive.log_probabilities[:, 0] / self._penalty(self.length)
            return (place < self.length) & tf.reduce_any(hope > finished.scores[:, -1])

        def add(place: tf.Tensor, alive: Any, finished: Any, last: tf.Tensor, state: Any) -> Any:
            grown, done, last, state = self._word(place, _Hypotheses(*alive), last, state)
            kept, _ = _Hypotheses(*finished).joined(done).best(self.beams)
            return place + 1, grown.parts, kept.parts, last, state

        # Shapes of states may be known only in part, and TensorFlow asks that they stay as they began.
        variables = (tf.constant(0), alive.parts, finished.parts, last, state)
        place, alive_parts, finished_parts, _, _ = tf.while_loop(
            unsettled, add, variables, shape_invariants=tf.nest.map_structure(_loose, variables)
        )
        left = _Hypotheses(*alive_parts)
        cut_off = tf.where(place < self.length, _NEVER, left.log_probabilities / self._penalty(self.length))
        left = _Hypotheses(left.words, left.log_probabilities, cut_off, tf.fill([self.batch, self.beams], place))
        return self._filled(_Hypotheses(*finished_parts).joined(left).first(self.beams))

    def _filled(self, found: _Hypotheses) -> Beams:
        """What was found, with padding behind each end, and nothing but that where there was no sequence left."""
        none = found.impossible
        lengths = tf.where(none, 0, found.lengths)
        words = tf.where(tf.range(self.length) < lengths[..., None], found.words, self.padding)
        scores, log_probabilities = (tf.where(none, _NEVER, part) for part in (found.scores, found.log_probabilities))
        return Beams(words, scores, log_probabilities, lengths)

    def _none(self, log_probabilities: tf.Tensor) -> _Hypotheses:
        words = tf.zeros([self.batch, self.beams, self.length], tf.int32)
        return _Hypotheses(words, log_probabilities, log_probabilities, tf.zeros([self.batch, self.beams], tf.int32))

    def _word(
        self, place: tf.Tensor, alive: _Hypotheses, last: tf.Tensor, state: Any
    ) -> tuple[_Hypotheses, _Hypotheses, tf.Tensor, Any]:
        """The sequences that go on after one more word, those that are finished by it, the words and the state."""
        logits, state = self.step(last, state)
        log_p = tf.nn.log_softmax(tf.cast(logits, tf.float32))
        check_word("beam_search: end", self.end, log_p.shape[-1])
        vocabulary = tf.shape(log_p)[-1]
        total = alive.log_probabilities[..., None] + tf.reshape(log_p, [self.batch, self.beams, vocabulary])
        # Of twice as many at most one for each beam is finished, so that enough are left to go on.
        count = tf.minimum(2 * self.beams, self.beams * vocabulary)
        values, places = tf.math.top_k(tf.reshape(total, [self.batch, -1]), count)
        parents, words = places // vocabulary, places % vocabulary
        history = tf.gather(alive.words, parents, batch_dims=1)
        column = tf.one_hot(place, self.length, dtype=tf.int32)
        lengths = tf.fill(tf.shape(words), place + 1)
        grown = history + words[..., None] * column
        ends = words == self.end
        # A sequence is finished only by a word that is among the best, so that one beam decodes greedily.
        among = tf.range(count) < self.beams
        scores = values / self._penalty(place + 1)
        done = _Hypotheses(grown, values, tf.where(ends & among, scores, _NEVER), lengths)
        on, chosen = _Hypotheses(grown, values, tf.where(ends, _NEVER, values), lengths).best(self.beams)
        on = _Hypotheses(on.words, on.scores, on.scores, on.lengths)  # what ended has no probability to go on
        rows = tf.gather(parents, chosen, batch_dims=1) + tf.range(self.batch)[:, None] * self.beams
        state = tf.nest.map_structure(lambda tensor: tf.gather(tensor, tf.reshape(rows, [-1])), state)
        return on, done, tf.reshape(tf.gather(words, chosen, batch_dims=1), [-1]), state

    def _penalty(self, length: Any) -> tf.Tensor:
        return ((5.0 + tf.cast(length, tf.float32)) / 6.0) ** self.length_penalty


def _loose(tensor: tf.Tensor) -> tf.TensorShape:
    """The shape of a loop's variable with the first axis left open: it is the batch, or the batch times the beams."""
    return tf.TensorShape([None, *tensor.shape[1:]]) if tensor.shape.rank else tf.TensorShape([])
