import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.teaching.soft_targets import softened_divergence


def logs(*probabilities: float) -> np.ndarray:
    return np.log(np.array([probabilities]))


def test_both_parts_worked_by_hand() -> None:
    teacher, student, label = logs(0.5, 0.3, 0.2), logs(0.2, 0.4, 0.4), np.array([0])
    right = 0.5 * np.log(0.5 / 0.2) + 0.5 * np.log(0.5 / 0.8)
    others = 0.6 * np.log(0.6 / 0.5) + 0.4 * np.log(0.4 / 0.5)  # 0.3, 0.2 of 0.5 against 0.4, 0.4 of 0.8
    for alpha, beta, expected in ((1.0, 0.0, right), (0.0, 1.0, others), (2.0, 3.0, 2 * right + 3 * others)):
        loss = tfc.DecoupledKD(alpha=alpha, beta=beta, temperature=1.0).loss(student, teacher, label)
        np.testing.assert_allclose(loss, [expected], rtol=1e-9)


def test_the_parts_with_the_weights_of_plain_distillation_are_soft_targets() -> None:
    generator = np.random.default_rng(0)
    student, teacher = generator.normal(size=(2, 1, 6))
    label, temperature = np.array([2]), 3.0
    p = np.exp(teacher / temperature) / np.exp(teacher / temperature).sum()
    decoupled = tfc.DecoupledKD(alpha=1.0, beta=float(1 - p[0, 2]), temperature=temperature)
    expected = softened_divergence(student, teacher, temperature)
    np.testing.assert_allclose(decoupled.loss(student, teacher, label), expected, rtol=1e-9)


@pytest.mark.parametrize(
    "label", [np.array([1, 2]), np.array([[1], [2]]), np.eye(3)[[1, 2]], np.array([1.0, 2.0], "float32")]
)
def test_labels_are_taken_as_numbers_or_one_hot(label: np.ndarray) -> None:
    generator = np.random.default_rng(0)
    student, teacher = generator.normal(size=(2, 2, 3))
    expected = tfc.DecoupledKD().loss(student, teacher, np.array([1, 2]))
    np.testing.assert_allclose(tfc.DecoupledKD().loss(student, teacher, label), expected)


def test_a_teacher_that_is_quite_sure_gives_finite_losses() -> None:
    teacher, student = np.array([[200.0, 0.0, 1.0]], "float32"), np.array([[-100.0, 50.0, 0.0]], "float32")
    assert np.isfinite(tfc.DecoupledKD(temperature=1.0).loss(student, teacher, np.array([0]))).all()
