import hashlib
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import tfcompress as tfc
from tfcompress.teaching.logits_cache import LogitsCache, Origin
from tfcompress.teaching.teachers import make_teacher


def _teacher() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(3, activation="softmax", name="head")], name="teacher"
    )


def _samples(count: int = 10) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 6)).astype("float32")


class _Endless(keras.utils.PyDataset):
    @property
    def num_batches(self) -> None:
        return None

    def __getitem__(self, number: int) -> np.ndarray:
        return _samples()


def test_outputs_are_found_in_any_order_and_mapped_from_the_disk(tmp_path: Path) -> None:
    teacher, samples = _teacher(), _samples()
    cache = tfc.cache_logits(teacher, samples, tmp_path / "t.logits", batch_size=4)
    assert isinstance(cache.outputs[0], np.memmap)
    order = np.random.default_rng(1).permutation(10)
    np.testing.assert_allclose(cache.look_up([samples[order]])[0], teacher(samples[order]), rtol=1e-6)


def test_it_tells_whose_outputs_it_has(tmp_path: Path) -> None:
    teacher = _teacher()
    cache = tfc.cache_logits(teacher, _samples(), tmp_path / "t.logits")
    digest = hashlib.sha256(b"".join(weight.numpy().tobytes() for weight in teacher.weights)).hexdigest()[:16]
    assert cache.origin == Origin("teacher", digest, ("head",), (teacher.inputs[0].name,))
    whose = f"outputs of teacher, weights {digest}"
    of = f"head softmax (3,) of 10 samples (fingerprint {cache.fingerprint})"
    assert str(cache) == f"{tmp_path / 't.logits'}: {whose}: {of}"
    assert f"teacher learns from t.logits ({whose})" in str(tfc.Distillation(cache).wrap(_teacher()).plan)
    teacher.layers[0].bias.assign([1.0, 0.0, 0.0])
    again = tfc.cache_logits([teacher, cache], _samples(), tmp_path / "both.logits")
    assert again.origin.teacher == "teacher + t.logits"
    assert again.origin.weights not in (cache.origin.weights, "")


def test_an_ensemble_of_caches_is_cached_and_its_errors_are_ours(tmp_path: Path) -> None:
    caches = [tfc.cache_logits(_teacher(), _samples(), tmp_path / f"{number}.logits") for number in range(2)]
    both = tfc.cache_logits(caches, _samples(), tmp_path / "both.logits")
    np.testing.assert_allclose(both.look_up([_samples()])[0], _teacher()(_samples()), rtol=1e-5)
    with pytest.raises(tfc.TfCompressError, match=r"10 of the 10 samples of a batch are not in .*0\.logits"):
        tfc.cache_logits(caches, _samples() + 1, tmp_path / "other.logits")


def test_the_order_of_several_inputs_is_told_with_samples_that_are_not_found(tmp_path: Path) -> None:
    one, other = keras.Input((3,), name="one"), keras.Input((3,), name="other")
    teacher = keras.Model([one, other], keras.layers.Dense(2)(keras.layers.Subtract()([one, other])))
    cache = tfc.cache_logits(teacher, [_samples()[:, :3], _samples()[:, 3:]], tmp_path / "t.logits")
    with pytest.raises(tfc.TfCompressError, match="with the inputs in the order one, other"):
        cache.look_up([_samples()[:, 3:], _samples()[:, :3]])


def test_the_fingerprint_is_that_of_the_data_in_any_order(tmp_path: Path) -> None:
    samples, paths = _samples(), [tmp_path / f"{number}.logits" for number in range(3)]
    for path, data in zip(paths, (samples, samples[::-1], samples + 1), strict=True):
        tfc.cache_logits(_teacher(), data, path)
    prints = [LogitsCache.load(path).fingerprint for path in paths]
    assert prints[0] == prints[1] != prints[2]


def test_batches_of_a_dataset_with_targets_give_the_same(tmp_path: Path) -> None:
    samples = _samples()
    data = tf.data.Dataset.from_tensor_slices((samples, np.zeros(10))).batch(3)
    one = tfc.cache_logits(_teacher(), data, tmp_path / "a.logits")
    other = tfc.cache_logits(_teacher(), samples, tmp_path / "b.logits")
    np.testing.assert_allclose(one.outputs[0], other.outputs[0], rtol=1e-6)
    assert one.fingerprint == other.fingerprint


class _Lists(keras.utils.PyDataset):
    """Batches of [inputs, targets], which Keras takes as it does tuples."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> list[np.ndarray]:
        return [_samples()[index * 5 : index * 5 + 5], np.zeros(5)]


def test_batches_may_be_lists_of_inputs_and_targets(tmp_path: Path) -> None:
    cache = tfc.cache_logits(_teacher(), _Lists(), tmp_path / "t.logits")
    np.testing.assert_allclose(cache.look_up([_samples()])[0], _teacher()(_samples()), rtol=1e-6)
    learning = tfc.Distillation(cache, alpha=1.0).wrap(_teacher())
    learning.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    learning.fit(_Lists(), verbose=0)


def test_batches_have_as_many_inputs_as_the_teacher(tmp_path: Path) -> None:
    one, other = keras.Input((6,), name="one"), keras.Input((6,), name="other")
    teacher = keras.Model([one, other], keras.layers.Dense(2)(keras.layers.Subtract()([one, other])), name="pair")
    samples, path = _samples(), tmp_path / "t.logits"
    text = r"A batch has 1 inputs, and the teacher pair takes 2: one, other\. .* into a tuple or dict"
    with pytest.raises(tfc.TfCompressError, match=text):
        tfc.cache_logits(teacher, tf.data.Dataset.from_tensor_slices((samples, samples)).batch(4), path)
    with pytest.raises(tfc.TfCompressError, match=r"A batch has 2 inputs, and the teacher teacher takes 1"):
        tfc.cache_logits(_teacher(), iter([((samples, samples), np.zeros(10))]), path)
    tables = {"one": samples, "other": samples, "unread": np.zeros(10)}
    for inputs in ((samples, samples), tables):
        data = tf.data.Dataset.from_tensor_slices((inputs, np.zeros(10))).batch(4)
        assert tfc.cache_logits(teacher, data, path, force=True).samples == 10


def test_a_dataset_that_is_not_batched_is_told(tmp_path: Path) -> None:
    cache = tfc.cache_logits(_teacher(), _samples(), tmp_path / "cache.logits")
    single = tf.data.Dataset.from_tensor_slices((_samples(), np.zeros(10)))
    for teacher in (_teacher(), _Subclassed(), [_teacher(), _teacher()], cache, [_teacher(), cache]):
        with pytest.raises(tfc.TfCompressError, match=r"the dataset is not batched: use \.batch\(256\)"):
            tfc.cache_logits(teacher, single, tmp_path / "t.logits")


def test_what_keras_says_of_samples_that_do_not_fit_is_told(tmp_path: Path) -> None:
    for teacher in (_teacher(), _Subclassed()):
        with pytest.raises(tfc.TfCompressError) as caught:
            tfc.cache_logits(teacher, np.ones((2, 5), "float32"), tmp_path / "t.logits")
        text = str(caught.value)
        assert f"The teacher {teacher.name} does not take these samples: Input 0" in text
        assert text.endswith("expected axis -1 of input shape to have value 6, but received input with shape (2, 5).")


def test_a_sample_that_comes_twice_is_kept_once(tmp_path: Path) -> None:
    samples = np.concatenate([_samples(3), _samples(3)])
    cache = tfc.cache_logits(_teacher(), samples, tmp_path / "t.logits")
    assert cache.samples == 3
    np.testing.assert_allclose(cache.look_up([samples])[0], _teacher()(samples), rtol=1e-6)


def test_samples_of_other_data_are_refused_with_the_fingerprint(tmp_path: Path) -> None:
    cache = tfc.cache_logits(_teacher(), _samples(), tmp_path / "t.logits")
    changed = _samples()
    changed[3, 2] = np.nextafter(changed[3, 2], np.float32(9))
    with pytest.raises(tfc.TfCompressError, match=f"1 of the 10 samples .*fingerprint {cache.fingerprint}.*augmented"):
        cache.look_up([changed])


def test_whole_numbers_of_64_bits_stay_what_they_are(tmp_path: Path) -> None:
    # The teacher tells the two numbers apart that are the same modulo 2^32.
    inputs = keras.Input((1,), dtype="int64")
    large = keras.layers.Lambda(lambda ids: keras.ops.cast(ids > 2**31, "float32"), output_shape=(1,))(inputs)
    teacher = keras.Model(inputs, keras.layers.Identity()(large))
    ids = np.array([[5], [5 + 2**32], [7]])
    cache = tfc.cache_logits(teacher, ids, tmp_path / "t.logits")
    assert cache.samples == 3
    np.testing.assert_array_equal(make_teacher([cache])(ids).outputs[0], [[0], [1], [0]])
    np.testing.assert_array_equal(make_teacher([cache])(ids[::2].astype("int32")).outputs[0], [[0], [0]])


def test_a_shorter_padding_of_the_same_words_is_another_sample(tmp_path: Path) -> None:
    words = np.zeros((6, 8), "int32")
    words[:, :4] = np.random.default_rng(0).integers(1, 9, (6, 4))
    layers = [keras.Input((None,), dtype="int32"), keras.layers.Embedding(9, 3), keras.layers.GRU(3)]
    cache = tfc.cache_logits(keras.Sequential(layers), words, tmp_path / "t.logits")
    with pytest.raises(tfc.TfCompressError, match=r"6 of the 6 samples .* padded to various lengths"):
        cache.look_up([words[:, :4]])


def test_another_type_or_shape_than_was_cached_is_told(tmp_path: Path) -> None:
    whole, path = np.arange(24, dtype="uint8").reshape(4, 6), tmp_path / "t.logits"
    cache = tfc.cache_logits(_teacher(), whole, path)
    assert cache.forms == ("whole numbers (6,)",)
    assert len(cache.look_up([whole.astype("int64")])[0]) == 4
    for asked, form in ((whole.astype("float32"), r"floats \(6,\)"), (whole[:, :5], r"whole numbers \(5,\)")):
        with pytest.raises(
            tfc.TfCompressError, match=rf"4 of the 4 .*: cached as whole numbers \(6,\), asked as {form}\. "
        ):
            cache.look_up([asked])
    for asked in (whole + 1, np.concatenate([whole, whole + 1])):
        with pytest.raises(tfc.TfCompressError, match="augmented"):
            cache.look_up([asked])
    with h5py.File(path, "a") as file:  # as files were before they had this
        del file.attrs["input_forms"]
    with pytest.raises(tfc.TfCompressError, match=r"4 of the 4 .* augmented"):
        LogitsCache.load(path).look_up([whole.astype("float32")])


def test_shapes_and_types_that_vary_are_no_reason(tmp_path: Path) -> None:
    teacher = keras.Sequential([keras.Input((None,)), keras.layers.Embedding(9, 3), keras.layers.GRU(3)])
    words = np.random.default_rng(0).integers(1, 9, (6, 8))
    cache = tfc.cache_logits(teacher, iter([words, words[:, :5]]), tmp_path / "lengths.logits")
    assert cache.forms == ("whole numbers",)
    with pytest.raises(tfc.TfCompressError, match="augmented"):
        cache.look_up([words[:, :4]])
    with pytest.raises(tfc.TfCompressError, match=r"cached as whole numbers, asked as floats \(8,\)"):
        cache.look_up([words.astype("float32")])
    cache = tfc.cache_logits(teacher, iter([words, words.astype("float32")]), tmp_path / "types.logits")
    assert cache.forms == ("floats or whole numbers",)
    with pytest.raises(tfc.TfCompressError, match="augmented"):
        cache.look_up([words + 1.0])


def test_texts_are_samples_too(tmp_path: Path) -> None:
    read = keras.layers.TextVectorization(output_sequence_length=3, vocabulary=["a", "b"])
    layers = [keras.layers.Embedding(5, 3), keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")]
    teacher = keras.Sequential([keras.Input((1,), dtype="string"), read, *layers])
    texts = tf.constant([["a b"], ["b"], ["a much longer text"]])
    cache = tfc.cache_logits(teacher, texts, tmp_path / "t.logits")
    expected = teacher(texts).numpy()
    np.testing.assert_allclose(make_teacher([cache])(texts[::-1]).outputs[0], expected[::-1], rtol=1e-6)
    np.testing.assert_allclose(cache.look_up([texts.numpy()])[0], expected, rtol=1e-6)


class _Subclassed(keras.Model):
    """A model whose graph is hidden."""

    def __init__(self, seed: int = 0, activation: str | None = "softmax") -> None:
        super().__init__(name=f"hidden{seed}")
        keras.utils.set_random_seed(seed)
        self.head = keras.layers.Dense(3, activation=activation, kernel_initializer="random_normal")
        self(_samples())
        self.head.kernel.assign(self.head.kernel * 50)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return self.head(inputs)


def test_a_softmax_that_no_graph_shows_must_be_said(tmp_path: Path) -> None:
    teachers, samples = [_Subclassed(0), _Subclassed(1)], _samples()
    for source, name in ((teachers[0], "hidden0"), (teachers, "hidden0")):
        with pytest.raises(tfc.TfCompressError, match=f'teacher {name} is hidden, and its values .*outputs="softmax"'):
            tfc.cache_logits(source, samples, tmp_path / "t.logits")
    alone = tfc.cache_logits(teachers[0], samples, tmp_path / "one.logits", outputs="softmax")
    assert alone.kinds == ("softmax",)
    np.testing.assert_allclose(alone.look_up([samples])[0], teachers[0](samples), rtol=1e-6)
    both = tfc.cache_logits(teachers, samples, tmp_path / "both.logits", outputs="softmax")
    product = np.sqrt(teachers[0](samples).numpy() * teachers[1](samples).numpy())
    expected = product / product.sum(axis=-1, keepdims=True)
    assert both.kinds == ("softmax",)
    np.testing.assert_allclose(both.look_up([samples])[0], expected, rtol=1e-4)


def test_what_outputs_hold_may_be_said_and_must_be_true(tmp_path: Path) -> None:
    samples, plain = _samples(), _Subclassed(2, activation=None)
    assert tfc.cache_logits(plain, samples, tmp_path / "a.logits").kinds == ("logits",)
    assert tfc.cache_logits(plain, samples, tmp_path / "b.logits", outputs="sigmoid_logits").kinds == (
        "sigmoid_logits",
    )
    assert tfc.cache_logits(_teacher(), samples, tmp_path / "c.logits", outputs={"head": "logits"}).kinds == ("logits",)
    for teacher, outputs, text in (
        (plain, "softmax", "hidden2 is said to give softmax, and its values do not add up to 1"),
        (plain, {"head": "softmax"}, "hidden2 has no output named 'head'. Give one kind for all"),
        (_teacher(), {"haed": "softmax"}, "teacher has no output named 'haed'. Did you mean 'head'"),
        (_teacher(), "softmx", "cache_logits: outputs is 'softmx'. Did you mean 'softmax'"),
    ):
        with pytest.raises(tfc.TfCompressError, match=text):
            tfc.cache_logits(teacher, samples, tmp_path / "t.logits", outputs=outputs)


def test_targets_and_endless_data_are_no_inputs(tmp_path: Path) -> None:
    samples, path = _samples(), tmp_path / "t.logits"
    with pytest.raises(tfc.TfCompressError, match=r"2 arrays, and the teacher teacher takes 1: .*without targets"):
        tfc.cache_logits(_teacher(), (samples, np.zeros(10)), path)
    with pytest.raises(tfc.TfCompressError, match="dataset has no end"):
        tfc.cache_logits(_teacher(), tf.data.Dataset.from_tensor_slices(samples).batch(4).repeat(), path)
    with pytest.raises(tfc.TfCompressError, match="PyDataset has no end"):
        tfc.cache_logits(_teacher(), _Endless(), path)
    assert tfc.cache_logits(_teacher(), [samples], path).samples == 10


@pytest.mark.parametrize("damage", ["truncated", "other", "version", "no keys", "text"])
def test_damaged_files_are_refused_by_name(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "t.logits"
    tfc.cache_logits(_teacher(), _samples(), path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "text":
        path.write_text("logits")
    else:
        with h5py.File(path, "a") as file:
            if damage == "other":
                file.attrs["format"] = "weights"
            elif damage == "version":
                file.attrs["version"] = 2
            else:
                del file["keys"]
    with pytest.raises(tfc.TfCompressError, match=r"t\.logits"):
        LogitsCache.load(path)


def test_what_cannot_be_cached_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.logits"
    with pytest.raises(tfc.TfCompressError, match=r"must end in \.logits"):
        tfc.cache_logits(_teacher(), _samples(), tmp_path / "t.h5")
    with pytest.raises(tfc.TfCompressError, match="no samples"):
        tfc.cache_logits(_teacher(), iter([]), path)
    with pytest.raises(tfc.TfCompressError, match="teacher does not take these samples"):
        tfc.cache_logits(_teacher(), np.ones((2, 5), "float32"), path)
    assert not path.exists()
    tfc.cache_logits(_teacher(), _samples(), path)
    with pytest.raises(tfc.TfCompressError, match="exists already"):
        tfc.cache_logits(_teacher(), _samples(), path)
    assert tfc.cache_logits(_teacher(), _samples(4), path, force=True).samples == 4
