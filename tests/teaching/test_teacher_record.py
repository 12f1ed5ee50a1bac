"""A student that was saved in mid-training opens without its teacher's file, and says what it cannot do then."""

import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc

L = keras.layers
IMAGES, LABELS = np.random.default_rng(0).normal(size=(8, 8, 8, 3)).astype("float32"), np.arange(8) % 3


def _model(width: int, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 3))
    features = L.Conv2D(width, 3, activation="relu", name="first")(inputs)
    features = L.Conv2D(width, 3, strides=2, activation="relu", name="second")(features)
    outputs = L.Dense(3, activation="softmax", name="head")(L.GlobalAveragePooling2D()(features))
    return keras.Model(inputs, outputs, name=f"width{width}")


@pytest.mark.parametrize("source", ["model", "logits"])
def test_it_is_stripped_and_evaluated_and_does_not_learn(source: str, tmp_path: Path) -> None:
    path = tmp_path / ("teacher.keras" if source == "model" else "teacher.logits")
    teacher = _model(6, 1)
    if source == "model":
        teacher.save(path)
    else:
        tfc.cache_logits(teacher, IMAGES, path)
    objectives = [tfc.SoftTargets(), tfc.Hints(), tfc.AttentionTransfer()] if source == "model" else [tfc.SoftTargets()]
    learning = tfc.Distillation(path, objectives, outputs="softmax").wrap(_model(4, 2))
    learning.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
    learning.fit(IMAGES, LABELS, verbose=0)
    learning.save(tmp_path / "middle.keras")
    plan = str(learning.plan)
    path.rename(tmp_path / f"away{path.suffix}")

    loaded = tfc.load(tmp_path / "middle.keras")
    for one, other in zip(learning.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    np.testing.assert_array_equal(tfc.strip(loaded).predict(IMAGES, verbose=0), learning.predict(IMAGES, verbose=0))
    assert loaded.evaluate(IMAGES, LABELS, verbose=0) == learning.evaluate(IMAGES, LABELS, verbose=0)
    assert str(loaded.plan).splitlines()[1:] == plan.splitlines()[1:]
    assert f"there is no {path}" in str(loaded.plan)
    with pytest.raises(tfc.TfCompressError, match=rf"cannot learn from .*there is no {path}.*tfc\.strip"):
        loaded.fit(IMAGES, LABELS, verbose=0)

    loaded.save(tmp_path / "again.keras")
    (tmp_path / f"away{path.suffix}").rename(path)
    again = tfc.load(tmp_path / "again.keras")
    assert str(again.plan) == plan
    for one in (learning, again):
        one.fit(IMAGES, LABELS, verbose=0, shuffle=False)
    for one, other in zip(learning.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_a_teacher_that_was_replaced_is_told(tmp_path: Path) -> None:
    path = tmp_path / "teacher.keras"
    _model(6, 1).save(path)
    learning = tfc.Distillation(path, [tfc.SoftTargets()]).wrap(_model(4, 2))
    learning.save(tmp_path / "middle.keras")
    tfc.load(tmp_path / "middle.keras")
    _model(6, 3).save(path)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", tfc.errors.TfCompressWarning)
        tfc.load(tmp_path / "middle.keras")
    assert "learned from width6 with the weights" in str(told[-1].message)
