from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfcompress as tfc
from tfcompress.errors import TfCompressWarning
from tfcompress.teaching.sequences import Decoder, SequenceTargets

L = keras.layers
WORDS, LENGTH, START, END = 6, 4, 2, 1
SOURCES = np.random.default_rng(0).integers(0, WORDS, (7, 3)).astype("int32")


def _model(activation: str | None = None, seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    source, words = keras.Input((3,), dtype="int32", name="text"), keras.Input((LENGTH,), dtype="int32", name="answer")
    read = L.GRU(8)(L.Embedding(WORDS, 5)(source))
    written = L.GRU(8, return_sequences=True)(L.Embedding(WORDS, 5)(words), initial_state=read)
    return keras.Model([source, words], L.Dense(WORDS, activation=activation)(written))


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_the_targets_are_the_beams_of_the_teacher_and_read_back(activation: str | None, tmp_path: Path) -> None:
    teacher = _model(activation)
    made = tfc.generate_targets(
        teacher, SOURCES, tmp_path / "t.npz", start=START, end=END, length=LENGTH, beams=3, batch_size=3
    )
    for row in range(len(SOURCES)):
        # Each log probability is that of the words under the model, teacher-forced.
        words = made.targets[row].tolist()
        count = words.index(END) + 1 if END in words else LENGTH
        before = np.array([[START, *words[:-1]]], "int32")
        outputs = teacher([SOURCES[row : row + 1], before]).numpy()[0]
        log_p = np.log(outputs) if activation else np.asarray(tf.nn.log_softmax(outputs))
        expected = sum(log_p[place, words[place]] for place in range(count))
        assert made.log_probabilities[row] == pytest.approx(expected, rel=1e-4)
    back = SequenceTargets.load(tmp_path / "t.npz")
    np.testing.assert_array_equal(back.targets, made.targets)
    assert back.mode_mass == pytest.approx(np.exp(made.log_probabilities).mean())


def test_a_student_fits_on_them_teacher_forced(tmp_path: Path) -> None:
    made = tfc.generate_targets(_model(), SOURCES, tmp_path / "t.npz", start=START, end=END, length=LENGTH)
    (sources, before), words = made.teacher_forced(START)
    assert before[:, 0].tolist() == [START] * 7
    np.testing.assert_array_equal(before[:, 1:], words[:, :-1])
    student = _model(seed=1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    student.compile("adam", loss, jit_compile=False)
    student.fit((sources, before), words, verbose=0)


def test_with_references_the_beam_that_is_most_like_them_is_taken(tmp_path: Path) -> None:
    teacher = _model()
    search = Decoder.of(teacher, LENGTH)
    beams = tfc.beam_search(search.step, search.initial(SOURCES), start=START, end=END, length=LENGTH, beams=4).words
    references = beams[:, 1].numpy()
    made = tfc.generate_targets(
        teacher, SOURCES, tmp_path / "t.npz", start=START, end=END, length=LENGTH, beams=4, references=references
    )
    np.testing.assert_array_equal(made.targets, references)


_REFERENCES = [[4, END], [3, END, 5], [4], [], (3,), np.array([4.0, END]), [END, 3]]


@pytest.mark.parametrize("kept", [list, lambda rows: np.array([np.array(row) for row in rows], dtype=object)])
def test_references_may_be_lists_of_different_lengths(kept: object, tmp_path: Path) -> None:
    made = tfc.generate_targets(
        _deciding([(3, 0.6), (4, 0.4)]),
        SOURCES,
        tmp_path / "t.npz",
        start=START,
        end=END,
        length=np.int64(LENGTH),
        beams=np.int64(2),
        batch_size=np.int64(3),
        references=kept(_REFERENCES),  # type: ignore[operator]
    )
    assert made.targets[:, 0].tolist() == [4, 3, 4, 3, 3, 4, 3]


@pytest.mark.parametrize("wrong", [7, None, "a b", ["a"], [3.5], [None], [float("nan")], [[1], [2, 3]], [[3, 4]]])
def test_a_reference_that_is_no_row_of_words_is_refused_before_anything_is_decoded(
    wrong: object, tmp_path: Path
) -> None:
    decoder = Decoder(lambda sources: pytest.fail("a batch is decoded"), lambda words, state: (words, state))
    references = [[3], [4], wrong, [3], [3], [3], [3]]
    with pytest.raises(tfc.TfCompressError, match=r"reference 2 is .* Give each as a row of whole numbers"):
        tfc.generate_targets(
            decoder, SOURCES, tmp_path / "t.npz", start=START, end=END, length=LENGTH, references=references
        )


def _deciding(choices: list[tuple[int, float]]) -> Decoder:
    """A decoder that gives each source one word of a few, then the end."""
    first = np.full(WORDS, -1e9, "float32")
    first[[word for word, _ in choices]] = [np.log(share) for _, share in choices]
    then = np.full(WORDS, -1e9, "float32")
    then[END] = 0.0

    def step(words: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.where(words[:, None] == START, first, then), state

    return Decoder(lambda sources: sources, step)


def test_a_beam_that_is_no_sequence_is_nothing_like_the_reference(tmp_path: Path) -> None:
    # Two sequences are possible, and nothing but padding is in the other beams; the references are nothing but padding.
    decoder = _deciding([(3, 0.6), (4, 0.4)])
    made = tfc.generate_targets(
        decoder,
        SOURCES,
        tmp_path / "t.npz",
        start=START,
        end=END,
        length=LENGTH,
        beams=4,
        padding=5,
        references=np.full((7, LENGTH), 5, "int32"),
    )
    np.testing.assert_array_equal(made.targets, [[3, END, 5, 5]] * 7)
    np.testing.assert_allclose(made.log_probabilities, np.log(0.6), rtol=1e-5)


def test_targets_that_are_cut_off_are_told_and_hand_on_nothing(tmp_path: Path) -> None:
    # Source 6 goes on with the word 3 for ever, the others end with 0.5 after it.
    def step(words: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        ends = tf.where((words[:, None] == START) | (state[:, :1] == 6), 0.0, [[0.5]])
        shares = ends * tf.one_hot(END, WORDS) + (1 - ends) * tf.one_hot(3, WORDS)
        return tf.math.log(shares + 1e-30), state

    decoder = Decoder(lambda sources: sources, step)
    settings = {"start": START, "end": END, "length": 3, "beams": 2, "batch_size": 2}
    with pytest.warns(TfCompressWarning, match="1 of the 9 targets have no end within length=3 words") as told:
        made = tfc.generate_targets(decoder, np.arange(9, dtype="int32")[:, None], tmp_path / "t.npz", **settings)
    assert len(told) == 1
    np.testing.assert_array_equal(made.targets, [[3, END, 0]] * 6 + [[3, 3, 3]] + [[3, END, 0]] * 2)
    for targets in (made, SequenceTargets.load(tmp_path / "t.npz")):
        assert targets.finished.tolist() == [True] * 6 + [False] + [True] * 2
        assert targets.mode_mass == pytest.approx(8 / 9 * 0.5)


def test_a_decoder_is_told_which_input_is_the_source() -> None:
    model = _model()
    by_name = keras.Model({tensor.name: tensor for tensor in model.inputs}, model.output, name="by_name")
    with pytest.raises(tfc.TfCompressError, match=r"'by_name' takes a dict, in which .*keras\.Model\(\[model\.input\["):
        Decoder.of(by_name, LENGTH)
    in_order = keras.Model([by_name.input["text"], by_name.input["answer"]], by_name.output)
    settings = {"start": START, "end": END, "length": LENGTH, "beams": 2}
    for one, other in zip(*(_found(each, settings) for each in (in_order, model)), strict=True):
        np.testing.assert_array_equal(one, other)


def _found(model: keras.Model, settings: dict) -> tuple[tf.Tensor, ...]:
    decoder = Decoder.of(model, LENGTH)
    return tfc.beam_search(decoder.step, decoder.initial(SOURCES), **settings).parts


def test_a_stopped_generation_leaves_nothing_behind(tmp_path: Path) -> None:
    def step(words: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.where(state[:, :1] < 6, tf.zeros([WORDS]), np.nan), state

    sources = np.arange(9, dtype="int32")[:, None]
    with pytest.raises(tfc.TfCompressError, match="gives source 6 no sequence with a probability"):
        tfc.generate_targets(
            Decoder(lambda given: given, step),
            sources,
            tmp_path / "t.npz",
            start=START,
            end=END,
            length=LENGTH,
            batch_size=2,
        )
    assert not list(tmp_path.iterdir())


def test_a_decoder_of_ones_own_keeps_its_state(tmp_path: Path) -> None:
    def step(words: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # Spells the source backwards, then ends.
        position, source = state[:, 0], state[:, 1:]
        done = position < 0
        word = tf.where(done, END, tf.gather(source, tf.maximum(position, 0), batch_dims=1))
        return tf.one_hot(word, WORDS) * 20.0, tf.concat([state[:, :1] - 1, source], axis=1)

    decoder = Decoder(lambda sources: tf.concat([tf.fill([tf.shape(sources)[0], 1], 2), sources], axis=1), step)
    sources = np.maximum(SOURCES, 2)  # neither the padding nor the end
    made = tfc.generate_targets(decoder, sources, tmp_path / "t.npz", start=START, end=END, length=5, batch_size=7)
    np.testing.assert_array_equal(made.targets[:, :3], sources[:, ::-1])
    assert made.targets[:, 3].tolist() == [END] * 7


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    settings = {"start": START, "end": END, "length": LENGTH}
    with pytest.raises(tfc.TfCompressError, match="there are no sources"):
        tfc.generate_targets(_model(), SOURCES[:0], tmp_path / "t.npz", **settings)
    with pytest.raises(tfc.TfCompressError, match="2 references stand beside 7 sources"):
        tfc.generate_targets(_model(), SOURCES, tmp_path / "t.npz", references=SOURCES[:2], **settings)
    for changed, text in (
        ({"length": 6}, r"'\w+' is built for sequences of 4 words, and length is 6\. Give length=4"),
        ({"start": WORDS}, "start is 6, and the model knows the words 0 to 5"),
        ({"end": WORDS}, "end is 6, and the model knows the words 0 to 5"),
        ({"end": -1}, "end must be the number of a word"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1"),
    ):
        with pytest.raises(tfc.TfCompressError, match=text):
            tfc.generate_targets(_model(), SOURCES, tmp_path / "t.npz", **{**settings, **changed})
    plain = keras.Sequential([keras.Input((3,)), L.Dense(2)], name="plain")
    with pytest.raises(tfc.TfCompressError, match="'plain' has 1 inputs"):
        tfc.generate_targets(plain, SOURCES, tmp_path / "t.npz", **settings)
    (tmp_path / "t.npz").write_bytes(b"PK")
    with pytest.raises(tfc.TfCompressError, match="holds no generated targets"):
        SequenceTargets.load(tmp_path / "t.npz")
    with pytest.raises(tfc.TfCompressError, match="exists already"):
        tfc.generate_targets(_model(), SOURCES, tmp_path / "t.npz", **settings)
