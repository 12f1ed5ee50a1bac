import keras
import numpy as np
import pytest
import tensorflow as tf

import tfcompress as tfc


def gradient(objective: tfc.SoftTargets, student: np.ndarray, teacher: np.ndarray) -> np.ndarray:
    variable = tf.Variable(student)
    with tf.GradientTape() as tape:
        loss = keras.ops.sum(objective.loss(variable, tf.constant(teacher), None))
    return tape.gradient(loss, variable).numpy()


def test_the_loss_of_two_classes_worked_by_hand() -> None:
    # Teacher 3/4, 1/4 and student 1/2, 1/2: 3/4 log(3/2) + 1/4 log(1/2) = 0.30410 - 0.17329.
    loss = tfc.SoftTargets(temperature=1.0).loss(np.zeros((1, 2)), np.array([[np.log(3.0), 0.0]]), None)
    np.testing.assert_allclose(loss, [0.75 * np.log(1.5) + 0.25 * np.log(0.5)])


def test_a_temperature_divides_the_logits_and_its_square_multiplies_the_loss() -> None:
    # At T = 2 the logits 2 log 3 and 0 are softened to log 3 and 0.
    loss = tfc.SoftTargets(temperature=2.0).loss(np.zeros((1, 2)), np.array([[2 * np.log(3.0), 0.0]]), None)
    np.testing.assert_allclose(loss, [4 * (0.75 * np.log(1.5) + 0.25 * np.log(0.5))])


def test_the_gradient_is_t_times_the_difference_of_the_softened_probabilities() -> None:
    generator = np.random.default_rng(0)
    student, teacher = generator.normal(size=(2, 3, 4))
    q, p = (np.exp(z / 5) / np.exp(z / 5).sum(axis=-1, keepdims=True) for z in (student, teacher))
    np.testing.assert_allclose(gradient(tfc.SoftTargets(temperature=5.0), student, teacher), 5 * (q - p), rtol=1e-9)


def test_hot_soft_targets_become_logit_regression() -> None:
    # Hinton et al., section 2.1: with zero-mean logits the gradient tends to (z - v) / N.
    generator = np.random.default_rng(1)
    student, teacher = generator.normal(size=(2, 1, 4))
    student, teacher = student - student.mean(), teacher - teacher.mean()
    found = gradient(tfc.SoftTargets(temperature=1e4), student, teacher)
    np.testing.assert_allclose(found, (student - teacher) / 4, rtol=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_a_class_that_the_teacher_excludes_counts_for_nothing(dtype: str, temperature: float) -> None:
    # Softened, the teacher says 3/4, 1/4, 0, and the student 1/3 each, or 1/2, 1/2, 0 where it excludes the class too.
    objective = tfc.SoftTargets(temperature=temperature)
    teacher = np.array([[temperature * np.log(3.0), 0.0, -np.inf]], dtype)
    for student, q in (([[0.0, 0.0, 0.0]], [1 / 3, 1 / 3, 1 / 3]), ([[0.0, 0.0, -np.inf]], [0.5, 0.5, 0.0])):
        expected = temperature**2 * (0.75 * np.log(0.75 / q[0]) + 0.25 * np.log(0.25 / q[1]))
        np.testing.assert_allclose(objective.loss(np.array(student, dtype), teacher, None), [expected], rtol=1e-5)
        found = gradient(objective, np.array(student, dtype), teacher)
        np.testing.assert_allclose(found, [temperature * (np.array(q) - [0.75, 0.25, 0.0])], rtol=1e-5)


def _of_keras(loss: object) -> tuple[float, float]:
    generator = np.random.default_rng(2)
    student, teacher = generator.normal(size=(2, 6, 5)).astype("float32")
    theirs = keras.distillation.LogitsDistillation(temperature=3.0, loss=loss).compute_loss(teacher, student)
    return float(keras.ops.mean(tfc.SoftTargets(temperature=3.0).loss(student, teacher, None))), float(theirs)


def test_it_agrees_with_the_distillation_loss_of_keras_given_a_loss_object() -> None:
    ours, theirs = _of_keras(keras.losses.KLDivergence())
    assert ours == pytest.approx(theirs, rel=1e-4)


def test_the_distillation_loss_of_keras_takes_no_softmax_by_default() -> None:
    # Keras 3.15 looks for a KLDivergence object and finds the function that "kl_divergence", its default, stands for:
    # the divergence is that of raw logits, without softmax and T^2. When this fails, Distilled need not say so.
    ours, theirs = _of_keras("kl_divergence")
    assert abs(ours - theirs) > 1
