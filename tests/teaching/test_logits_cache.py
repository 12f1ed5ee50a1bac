import hashlib
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import tfcompress as tfc
from tfcompress.teaching.logits_cache import LogitsCache, Origin, sample_keys


def _teacher() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(3, activation="softmax", name="head")], name="teacher"
    )


def _samples(count: int = 10) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 6)).astype("float32")


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


@given(st.integers(0, 2**16), st.integers(1, 9), st.sampled_from(["float32", "int32", "uint8"]))
@settings(max_examples=50, deadline=None)
def test_keys_differ_wherever_samples_do(seed: int, size: int, dtype: str) -> None:
    generator = np.random.default_rng(seed)
    # Values that differ in few and high bits only, as those of binary images do.
    samples = generator.choice(np.array([0, 1, 2, 128], dtype), size=(60, size))
    if dtype == "float32":
        samples *= generator.choice(np.array([-1, 1], dtype), size=samples.shape)
    keys = sample_keys([samples], 0)
    rows = {row.tobytes(): key for row, key in zip(samples, keys, strict=True)}
    assert len(set(rows.values())) == len(rows)


def test_keys_depend_on_all_inputs_and_their_places() -> None:
    one, other = np.array([[1.0], [2.0]], "float32"), np.array([[2.0], [1.0]], "float32")
    keys = sample_keys([one, other], 0)
    assert keys[0] != keys[1]


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
                file.attrs["version"] = 1
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
