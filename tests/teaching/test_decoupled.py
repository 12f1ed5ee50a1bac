import numpy as np
import pytest
import tensorflow as tf

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
    "label",
    [
        np.array([1, 2]),
        np.array([[1], [2]]),
        np.eye(3)[[1, 2]],
        np.array([1.0, 2.0], "float32"),
        np.array([[0.05, 0.9, 0.05], [0.05, 0.05, 0.9]]),
    ],
)
def test_labels_are_taken_as_numbers_one_hot_or_smoothed(label: np.ndarray) -> None:
    generator = np.random.default_rng(0)
    student, teacher = generator.normal(size=(2, 2, 3))
    expected = tfc.DecoupledKD().loss(student, teacher, np.array([1, 2]))
    np.testing.assert_allclose(tfc.DecoupledKD().loss(student, teacher, label), expected)


def test_a_teacher_that_is_quite_sure_gives_finite_losses() -> None:
    teacher, student = np.array([[200.0, 0.0, 1.0]], "float32"), np.array([[-100.0, 50.0, 0.0]], "float32")
    assert np.isfinite(tfc.DecoupledKD(temperature=1.0).loss(student, teacher, np.array([0]))).all()


_HALVES = 0.5 * np.log(0.5 / 0.2) + 0.5 * np.log(0.5 / 0.8)  # p_t = 0.5 against 0.2
_RIGHT_EXCLUDED, _OTHERS_EXCLUDED = np.log(1 / 0.8), np.log(1 / 0.2)  # p_t = 0 and 1 against 0.2


@pytest.mark.parametrize(
    ("teacher", "student", "right", "others"),
    [
        ((0.5, 0.3, 0.2, 0.0), (0.2, 0.4, 0.2, 0.2), _HALVES, 0.6 * np.log(0.6 / 0.5) + 0.4 * np.log(0.4 / 0.25)),
        ((0.5, 0.3, 0.2, 0.0), (0.2, 0.4, 0.4, 0.0), _HALVES, 0.6 * np.log(0.6 / 0.5) + 0.4 * np.log(0.4 / 0.5)),
        ((0.0, 0.6, 0.4), (0.2, 0.4, 0.4), _RIGHT_EXCLUDED, 0.6 * np.log(0.6 / 0.5) + 0.4 * np.log(0.4 / 0.5)),
        # Classes that are all as improbable as each other are so in halves.
        ((1.0, 0.0, 0.0), (0.2, 0.6, 0.2), _OTHERS_EXCLUDED, 0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_classes_that_the_teacher_excludes_worked_by_hand(
    teacher: tuple, student: tuple, right: float, others: float, dtype: str
) -> None:
    objective = tfc.DecoupledKD(alpha=2.0, beta=3.0, temperature=1.0)
    with np.errstate(divide="ignore"):
        z_t, z_s = (logs(*probabilities).astype(dtype) for probabilities in (teacher, student))
    variable = tf.Variable(z_s)
    gradients = []
    for low in (-np.inf, -80.0):
        with tf.GradientTape() as tape:
            loss = objective.loss(variable, np.maximum(z_t, low), np.array([0]))
        np.testing.assert_allclose(loss, [2 * right + 3 * others], rtol=1e-5)
        gradients.append(tape.gradient(loss, variable).numpy())
    np.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("label", [np.array([1, -1, 3]), np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]])])
def test_what_has_no_label_has_no_loss_and_no_gradient(label: np.ndarray) -> None:
    generator = np.random.default_rng(0)
    student, teacher = generator.normal(size=(2, 3, 3)) * 50
    variable = tf.Variable(student)
    with tf.GradientTape() as tape:
        loss = tfc.DecoupledKD().loss(variable, teacher, label)
    expected = tfc.DecoupledKD().loss(student[:1], teacher[:1], np.array([1]))
    np.testing.assert_allclose(loss, [float(expected[0]), 0, 0])
    gradient = tape.gradient(loss, variable).numpy()
    assert np.abs(gradient[0]).max() > 0
    np.testing.assert_array_equal(gradient[1:], 0)


def test_smoothed_labels_of_a_sigmoid_are_those_of_its_two_classes() -> None:
    generator = np.random.default_rng(0)
    student, teacher = generator.normal(size=(2, 2, 4, 2))
    hard = generator.integers(0, 2, (2, 4))
    expected = tfc.DecoupledKD().loss(student, teacher, hard)
    np.testing.assert_allclose(tfc.DecoupledKD().loss(student, teacher, hard * 0.9 + 0.05), expected)


@pytest.mark.parametrize("positions", [(), (3,)])
def test_a_single_unit_of_a_sigmoid_takes_labels_without_its_axis(positions: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    student, teacher = generator.normal(size=(2, 4, *positions, 1, 2)).astype("float32")
    labels = generator.integers(-1, 2, (4, *positions)).astype("float32")
    expected = tfc.DecoupledKD().loss(student, teacher, labels[..., None])
    assert expected.shape == (4, *positions, 1)
    np.testing.assert_array_equal(tfc.DecoupledKD().loss(student, teacher, labels), expected)


@pytest.mark.parametrize("shape", [(3,), (1,), (4, 2), (4, 5), (1, 3), (4, 1, 3), ()])
def test_labels_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    logits = np.zeros((4, 3), "float32")
    with pytest.raises(tfc.TfCompressError, match=r"labels have shape \(.*logits of the classes \(4, 3\)\. Give"):
        tfc.DecoupledKD().loss(logits, logits, np.zeros(shape))


def test_labels_for_each_sample_are_none_of_its_positions() -> None:
    logits = np.zeros((4, 5, 3), "float32")
    for shape in ((4,), (4, 1), (4, 1, 3)):
        with pytest.raises(tfc.TfCompressError, match="labels have shape"):
            tfc.DecoupledKD().loss(logits, logits, np.zeros(shape))


def test_sizes_that_are_not_known_agree_with_all() -> None:
    @tf.function(input_signature=[tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, None])])
    def loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return tfc.DecoupledKD().loss(logits, logits, labels)

    assert loss(np.zeros((4, 5, 3), "float32"), np.zeros((4, 5), "float32")).shape == (4, 5)
