"""Training loops of the user's own: the features of a batch are its own, and no tape runs along with the teacher."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import record  # TensorFlow has no public way to ask whether a tape is open

import tfcompress as tfc
from tfcompress.teaching.distilled import Distilled

L = keras.layers
INPUTS = np.random.default_rng(0).normal(size=(12, 6)).astype("float32")
LABELS = np.arange(12) % 3


def _model(seed: int, units: int = 5) -> keras.Model:
    keras.utils.set_random_seed(seed)
    hidden = L.Dense(units, activation="relu", name="hidden")
    return keras.Sequential([keras.Input((6,)), hidden, L.Dense(3, activation="softmax")], name=f"model{seed}")


def _learning() -> Distilled:
    learning = tfc.Distillation(_model(0), [tfc.Hints(layers={"hidden": "hidden"})], alpha=1.0).wrap(_model(1))
    learning.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    return learning


def _expected(inputs: np.ndarray) -> float:
    ours, theirs = (tf.nn.relu(model.layers[0](inputs)) for model in (_model(1), _model(0)))
    return float(tf.reduce_mean(tf.square(ours - theirs)) / 2)


def test_features_of_an_earlier_batch_are_not_compared_with_those_of_this_one() -> None:
    learning = _learning()
    learning(INPUTS[:4], training=True)
    answers = learning(INPUTS[4:8])
    loss = learning.compute_loss(INPUTS[4:8], LABELS[4:8], answers)
    assert float(loss) == pytest.approx(_expected(INPUTS[4:8]), rel=1e-4)


def test_features_of_another_graph_are_not_taken() -> None:
    learning = _learning()
    answer = tf.function(lambda inputs: learning(inputs, training=True), autograph=False)
    loss = learning.compute_loss(INPUTS, LABELS, answer(INPUTS))
    assert float(loss) == pytest.approx(_expected(INPUTS), rel=1e-4)


def test_two_batches_may_be_answered_before_their_losses() -> None:
    learning = _learning()
    answers = [learning(INPUTS[start : start + 6], training=True) for start in (0, 6)]
    for start, answer in zip((0, 6), answers, strict=True):
        loss = learning.compute_loss(INPUTS[start : start + 6], LABELS[start : start + 6], answer)
        assert float(loss) == pytest.approx(_expected(INPUTS[start : start + 6]), rel=1e-4)


@pytest.mark.parametrize("compiled", [False, True])
def test_no_tape_runs_along_with_the_teacher(compiled: bool) -> None:
    taped: dict[str, bool] = {}

    class Watched(L.Layer):
        def call(self, inputs: tf.Tensor) -> tf.Tensor:
            if not isinstance(inputs, keras.KerasTensor):
                taped[self.name] = record.could_possibly_record()
            return inputs

    models = []
    for name in ("teacher", "student"):
        inputs = keras.Input((6,))
        models.append(keras.Model(inputs, L.Dense(3, activation="softmax")(Watched(name=name)(inputs))))
    learning = tfc.Distillation(models[0], [tfc.SoftTargets()], alpha=1.0).wrap(models[1])

    def gradients() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = learning.compute_loss(INPUTS, LABELS, learning(INPUTS, training=True))
        return tape.gradient(loss, [weight.value for weight in learning.trainable_weights])

    found = (tf.function(gradients, autograph=False) if compiled else gradients)()
    assert all(gradient is not None for gradient in found)
    assert taped == {"teacher": False, "student": True}


def test_the_students_own_graph_runs_once_in_such_a_loop() -> None:
    keras.utils.set_random_seed(0)
    layers = [L.Dense(4, name="hidden"), L.BatchNormalization(momentum=0.5), L.Dense(3, activation="softmax")]
    student = keras.Sequential([keras.Input((6,)), *layers])
    teacher = keras.models.clone_model(student)
    learning = tfc.Distillation(teacher, [tfc.Hints(layers={"hidden": "hidden"})], alpha=1.0).wrap(student)
    learning.compute_loss(INPUTS, LABELS, learning(INPUTS, training=True))
    mean = next(weight for weight in learning.weights if "moving_mean" in weight.path)
    np.testing.assert_allclose(mean, 0.5 * student.layers[0](INPUTS).numpy().mean(axis=0), atol=1e-5)


def test_samples_that_are_not_cached_are_told_of_there_too(tmp_path: object) -> None:
    cache = tfc.cache_logits(_model(0), INPUTS, tmp_path / "t.logits")  # type: ignore[operator]
    learning = tfc.Distillation(cache).wrap(_model(1))
    with pytest.raises(tfc.TfCompressError, match="12 of the 12 samples"):
        learning.compute_loss(INPUTS + 1, LABELS, learning(INPUTS + 1))
