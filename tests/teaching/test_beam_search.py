import itertools

import numpy as np
import pytest
import tensorflow as tf

import tfcompress as tfc

END, START, WORDS = 0, 1, 4


def _markov(seed: int) -> tuple[np.ndarray, object]:
    """A model in which the next word depends on the last one and on the sample."""
    logits = np.random.default_rng(seed).normal(size=(2, WORDS, WORDS)).astype("float32") * 2
    log_p = np.asarray(tf.nn.log_softmax(logits))

    def step(words: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.gather_nd(logits, tf.stack([state[:, 0], words], axis=1)), state

    return log_p, step


def _all_sequences(log_p: np.ndarray, length: int, penalty: float) -> list[tuple[float, tuple[int, ...]]]:
    """Every sequence that ends with its score, best first, then every one that is as long as may be without an end."""
    found = []
    for size in range(1, length + 1):
        for words in itertools.product(range(WORDS), repeat=size):
            ended = words[-1] == END
            if END in words[:-1] or not (ended or size == length):
                continue
            total = sum(log_p[last, word] for last, word in zip((START, *words), words, strict=False))
            found.append((float(total) / ((5 + size) / 6) ** penalty, words))
    return _ranked(found)


def _ranked(found: list[tuple[float, tuple[int, ...]]]) -> list[tuple[float, tuple[int, ...]]]:
    return sorted(found, key=lambda one: (one[1][-1] == END, *one), reverse=True)


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("compiled", [False, True])
def test_wide_beams_find_what_trying_everything_finds(seed: int, penalty: float, compiled: bool) -> None:
    log_p, step = _markov(seed)

    def search(state: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return tfc.beam_search(step, state, start=START, end=END, length=4, beams=90, length_penalty=penalty).parts

    words, scores, _, lengths = (tf.function(search) if compiled else search)(tf.constant([[0], [1]]))
    for sample in (0, 1):
        expected = _all_sequences(log_p[sample], 4, penalty)
        np.testing.assert_allclose(scores[sample, :20], [score for score, _ in expected[:20]], rtol=1e-5)
        found = [
            tuple(row[:length]) for row, length in zip(words[sample].numpy(), lengths[sample].numpy(), strict=True)
        ]
        assert len(set(found[:20])) == 20
        of_sequence = {sequence: score for score, sequence in expected}  # sequences may tie
        np.testing.assert_allclose(scores[sample, :20], [of_sequence[one] for one in found[:20]], rtol=1e-5)
        assert not np.any(words[sample].numpy()[np.arange(4) >= lengths[sample].numpy()[:, None]])


def _plain_beam(log_p: np.ndarray, length: int, beams: int, penalty: float) -> list[tuple[float, tuple[int, ...]]]:
    """One sample's beams, in Python numbers and without stopping before the full length; log_p: (place, last, next)."""
    alive: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    found = []
    for size in range(1, length + 1):
        grown = [
            (total + float(log_p[size - 1, (START, *words)[-1], word]), (*words, word))
            for total, words in alive
            for word in range(log_p.shape[-1])
        ]
        grown.sort(reverse=True)
        found += [(total / ((5 + size) / 6) ** penalty, words) for total, words in grown[:beams] if words[-1] == END]
        alive = [one for one in grown if one[1][-1] != END][:beams]
    found += [(total / ((5 + length) / 6) ** penalty, words) for total, words in alive]
    return _ranked(found)[:beams]


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_narrow_beams_are_those_of_a_plain_search_whatever_else_is_in_the_batch(
    seed: int, beams: int, penalty: float
) -> None:
    # The place counts too, so that no two sequences tie. Some samples end at once, some not at all.
    logits = np.random.default_rng(seed).normal(size=(4, 7, 6, 6)).astype("float32") * 2
    logits[..., END] += np.array([3.0, 0.0, -2.0, -9.0])[:, None, None]
    log_p = np.asarray(tf.nn.log_softmax(logits))

    def step(words: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        places = tf.stack([state["sample"], state["place"], words], axis=1)
        return tf.gather_nd(logits, places), {**state, "place": state["place"] + 1}

    settings = {"start": START, "end": END, "length": 7, "beams": beams, "length_penalty": penalty}
    together = tfc.beam_search(step, {"sample": tf.range(4), "place": tf.zeros([4], tf.int32)}, **settings)
    for sample in range(4):
        expected = _plain_beam(log_p[sample], 7, beams, penalty)
        count = len(expected)
        lengths = together.lengths[sample].numpy()
        found = [tuple(row[:size]) for row, size in zip(together.words[sample].numpy(), lengths, strict=True)]
        assert found[:count] == [words for _, words in expected]
        np.testing.assert_allclose(together.scores[sample, :count], [score for score, _ in expected], rtol=1e-5)
        assert not lengths[count:].any()
        alone = tfc.beam_search(step, {"sample": tf.constant([sample]), "place": tf.constant([0])}, **settings)
        for part, whole in zip(alone.parts, together.parts, strict=True):
            np.testing.assert_allclose(part[0], whole[sample], rtol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_beams_without_a_sequence_are_padding(compiled: bool) -> None:
    log_p, step = _markov(1)

    def search(state: tf.Tensor) -> tuple[tf.Tensor, ...]:
        settings = {"start": START, "end": END, "length": 2, "beams": 20, "padding": 3}
        return tfc.beam_search(step, state, **settings).parts

    words, scores, log_probabilities, lengths = (tf.function(search) if compiled else search)(tf.constant([[0]]))
    expected = _all_sequences(log_p[0], 2, 0.0)
    count = len(expected)  # the end alone, and three words with each of the four behind them
    assert count == 13
    padded = [(*sequence, 3)[:2] for _, sequence in expected]
    assert [tuple(row) for row in words[0].numpy()] == padded + [(3, 3)] * 7
    assert lengths[0].numpy().tolist() == [len(sequence) for _, sequence in expected] + [0] * 7
    for part in (scores, log_probabilities):
        np.testing.assert_allclose(part[0, :count], [score for score, _ in expected], rtol=1e-5)
        np.testing.assert_array_equal(part[0, count:], np.float32(-1e9))


def test_one_beam_is_greedy() -> None:
    log_p, step = _markov(7)
    found = tfc.beam_search(step, tf.constant([[0], [1]]), start=START, end=END, length=6, beams=1)
    for sample in (0, 1):
        last, expected = START, []
        while len(expected) < 6 and (not expected or expected[-1] != END):
            last = int(log_p[sample, last].argmax())
            expected.append(last)
        assert found.words[sample, 0, : len(expected)].numpy().tolist() == expected


def test_state_follows_its_beam() -> None:
    # The state counts the words; after three of them only the end is possible, whatever they were.
    def step(words: tf.Tensor, state: dict) -> tuple[tf.Tensor, dict]:
        count = state["count"] + 1
        free = tf.constant([[-50.0, 0.0, 1.0, 0.5]])
        return tf.where(count[:, None] > 3, tf.constant([[50.0, 0.0, 0.0, 0.0]]), free), {"count": count}

    found = tfc.beam_search(step, {"count": tf.zeros([3], tf.int32)}, start=START, end=END, length=8, beams=3)
    assert found.lengths.numpy().tolist() == [[4, 4, 4]] * 3
    assert found.words[0, 0].numpy().tolist() == [2, 2, 2, 0, 0, 0, 0, 0]
    assert np.all(np.diff(found.scores.numpy(), axis=1) <= 0)
    np.testing.assert_allclose(found.scores, found.log_probabilities)


def test_a_sequence_without_an_end_is_cut_off() -> None:
    def step(words: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.constant([[-60.0, 0.0, 3.0]]) + tf.zeros([tf.shape(words)[0], 1]), state

    found = tfc.beam_search(step, tf.zeros([1, 1]), start=START, end=END, length=3, beams=2)
    assert found.words[0, 0].numpy().tolist() == [2, 2, 2]
    assert found.lengths[0, 0] == 3


def test_a_sequence_without_an_end_comes_behind_all_that_have_one() -> None:
    # First 2 with 0.6, or the end with 0.4; then 2 with 0.95, or the end with 0.05. All of three words, but [2 2 2].
    first, then = (tf.constant(np.log([row], dtype="float32")) for row in ([0.4, 1e-9, 0.6], [0.05, 1e-9, 0.95]))

    def step(words: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.where((words == START)[:, None], first, then), state

    found = tfc.beam_search(step, tf.zeros([1, 1]), start=START, end=END, length=3, beams=4, padding=9)
    assert found.words[0].numpy().tolist() == [[0, 9, 9], [2, 0, 9], [2, 2, 0], [2, 2, 2]]
    expected = [0.4, 0.6 * 0.05, 0.6 * 0.95 * 0.05, 0.6 * 0.95**2]
    np.testing.assert_allclose(np.exp(found.log_probabilities[0]), expected, rtol=1e-5)
    np.testing.assert_array_equal(found.scores, found.log_probabilities)
    assert found.lengths[0].numpy().tolist() == [1, 2, 3, 3]


def test_more_beams_than_words_are_no_matter() -> None:
    log_p, step = _markov(1)
    found = tfc.beam_search(step, tf.constant([[0]]), start=START, end=END, length=1, beams=10)
    others = sorted(set(range(WORDS)) - {END}, key=lambda word: -log_p[0, START, word])
    assert found.words[0, :4, 0].numpy().tolist() == [END, *others]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"beams": 0}, "beams must be a whole number from 1"),
        ({"length": 0}, "length must be"),
        ({"length_penalty": -1.0}, "length_penalty must be"),
        ({"state": ()}, "the state holds no tensor"),
        ({"start": -1}, "start must be the number of a word, from 0, not -1"),
        ({"padding": 0.5}, "padding must be the number of a word"),
        ({"end": 4}, "end is 4, and the model knows the words 0 to 3"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, text: str) -> None:
    given = {"state": tf.zeros([1, 1], tf.int32), "start": START, "end": END, "length": 3, **settings}
    with pytest.raises(tfc.TfCompressError, match=text):
        tfc.beam_search(_markov(0)[1], **given)


def test_settings_may_be_numbers_of_numpy() -> None:
    _, step = _markov(0)
    plain = {"length": 4, "beams": 2, "length_penalty": 0.5}
    of_numpy = {"length": np.int64(4), "beams": np.int64(2), "length_penalty": np.float64(0.5)}
    one, other = (
        tfc.beam_search(step, tf.constant([[0], [1]]), start=START, end=END, **settings).parts  # type: ignore[arg-type]
        for settings in (plain, of_numpy)
    )
    for expected, found in zip(one, other, strict=True):
        np.testing.assert_array_equal(found, expected)
