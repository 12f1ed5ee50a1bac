"""Objectives on features against numbers worked by hand and plain loops."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfcompress as tfc
from tfcompress.teaching.objective import weighted_mean

RELATIONS = [
    tfc.RelationalDistance(),
    tfc.RelationalAngle(),
    tfc.SimilarityPreserving(),
    tfc.ProbabilisticTransfer(),
]
every_relation = pytest.mark.parametrize("objective", RELATIONS, ids=lambda one: type(one).__name__)


def test_hints_are_half_the_mean_square() -> None:
    student, teacher = np.array([[[1.0, 2.0], [0.0, 0.0]]]), np.array([[[1.0, 4.0], [2.0, 0.0]]])
    np.testing.assert_allclose(tfc.Hints().loss(student, teacher), [(4 + 4) / 4 / 2])


def test_the_regressor_of_hints_brings_the_students_maps_to_the_teachers_shape() -> None:
    hints = tfc.Hints()
    for student, teacher in (
        ((None, 8, 8, 3), (None, 6, 5, 7)),
        ((None, 8, 8, 3), (None, 8, 8, 7)),
        ((None, 9, 2), (None, 4, 3)),
        ((None, 4), (None, 6)),
        ((None, None, None, 4), (None, None, None, 6)),
    ):
        layer = hints.regressor(student, teacher)
        assert layer is not None
        assert layer.compute_output_shape(student) == teacher
    assert hints.regressor((None, 8, 8, 3), (None, 8, 8, 3)) is None
    assert "smaller" in str(hints.misfit((None, 4, 4, 3), (None, 8, 8, 3)))
    assert "another number of axes" in str(hints.misfit((None, 4), (None, 8, 8, 3)))
    assert "only one" in str(hints.misfit((None, None, 3), (None, 8, 3)))


def test_attention_maps_worked_by_hand() -> None:
    # |3|^2 + |4|^2 = 25 and 0: the map 1, 0; against 1, 1: that of norm 1 is (1, 1) / sqrt 2.
    student = np.array([[[[3.0, 4.0], [0.0, 0.0]]]])
    teacher = np.array([[[[0.0, 0.0, 2.0], [2.0, 0.0, 0.0]]]])
    root = np.sqrt(0.5)
    np.testing.assert_allclose(tfc.AttentionTransfer().loss(student, teacher), [((1 - root) ** 2 + root**2) / 2])


def test_attention_needs_maps_of_one_size() -> None:
    assert "differs" in str(tfc.AttentionTransfer().misfit((None, 4, 4, 2), (None, 4, 5, 2)))
    assert "no attention map" in str(tfc.AttentionTransfer().misfit((None, 4), (None, 4)))
    assert "one position" in str(tfc.AttentionTransfer().misfit((None, 1, 1, 2), (None, 1, 1, 2)))
    assert tfc.AttentionTransfer().misfit((None, 4, 4, 2), (None, None, None, 2)) is None


def _huber(difference: float) -> float:
    return difference**2 / 2 if abs(difference) <= 1 else abs(difference) - 0.5


def test_distances_are_those_of_a_loop_over_pairs() -> None:
    generator = np.random.default_rng(0)
    sides = generator.normal(size=(5, 3)), generator.normal(size=(5, 7)) ** 3
    pairs = list(itertools.product(range(5), repeat=2))
    found = []
    for points in sides:
        apart = {(i, j): float(np.linalg.norm(points[i] - points[j])) for i, j in pairs}
        mean = sum(apart.values()) / 20
        found.append({pair: distance / mean for pair, distance in apart.items()})
    expected = [sum(_huber(found[0][i, j] - found[1][i, j]) for j in range(5)) / 5 for i in range(5)]
    np.testing.assert_allclose(tfc.RelationalDistance().loss(*sides), expected, rtol=1e-9)


def test_angles_are_those_of_a_loop_over_triplets() -> None:
    generator = np.random.default_rng(1)
    sides = generator.normal(size=(4, 3)), generator.normal(size=(4, 2))

    def cosine(points: np.ndarray, i: int, j: int, k: int) -> float:
        if j in (i, k):
            return 0.0
        one, other = points[i] - points[j], points[k] - points[j]
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    def at(j: int) -> float:
        ends = list(itertools.product(range(4), repeat=2))
        return sum(_huber(cosine(sides[0], i, j, k) - cosine(sides[1], i, j, k)) for i, k in ends) / 16

    np.testing.assert_allclose(tfc.RelationalAngle().loss(*sides), [at(j) for j in range(4)], rtol=1e-9)


def test_similarities_worked_by_hand() -> None:
    # Rows of the student's matrix (1, 1) / sqrt 2, of the teacher's (1, 0) and (0, 1).
    loss = tfc.SimilarityPreserving().loss(np.ones((2, 3)), np.eye(2))
    root = np.sqrt(0.5)
    np.testing.assert_allclose(loss, ((1 - root) ** 2 + root**2) / 2)


def test_neighbours_worked_by_hand() -> None:
    # Teacher: cosines 0 (0, 1), 1 (0, 2), 0 (1, 2), hence K = 1/2, 1, 1/2; the student finds all alike, hence 1/2 each.
    teacher = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0]])
    of_first = np.array([1 / 3, 2 / 3])
    divergence = float((of_first * np.log(of_first / 0.5)).sum())
    loss = tfc.ProbabilisticTransfer().loss(np.ones((3, 4)), teacher)
    # The first and the third sample; the second is torn.
    np.testing.assert_allclose(loss, [divergence, 0, divergence], rtol=1e-5)


def test_the_weight_of_neighbours_is_that_of_repdistiller() -> None:
    # 30,000 times the mean over all entries of p log(p / q), for batches of 64.
    generator = np.random.default_rng(0)
    student, teacher = generator.normal(size=(2, 64, 8))

    def probabilities(features: np.ndarray) -> np.ndarray:
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        kernel = (unit @ unit.T + 1) / 2
        return kernel / kernel.sum(axis=1, keepdims=True)

    p, q = probabilities(teacher), probabilities(student)
    objective = tfc.ProbabilisticTransfer()
    found = objective.weight * float(keras.ops.mean(objective.loss(student, teacher)))
    # Theirs counts each sample as a neighbour of its own, which takes a little of the rest.
    assert found == pytest.approx(30_000 * float(np.mean(p * np.log(p / q))), rel=0.1)


@pytest.mark.parametrize("objective", [*RELATIONS, tfc.AttentionTransfer(), tfc.AttentionTransfer(power=4.0)], ids=repr)
@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1e6])
def test_a_scale_of_features_changes_nothing(objective: tfc.RelationalAngle, scale: float) -> None:
    student, teacher = np.random.default_rng(0).normal(size=(2, 6, 3, 3, 5)).astype("float32")
    found = []
    for factor in (1.0, scale):
        features = tf.constant(student * factor)
        with tf.GradientTape() as tape:
            tape.watch(features)
            loss = tf.reduce_mean(objective.loss(features, tf.constant(teacher)))
        found.append((loss.numpy(), tape.gradient(loss, features).numpy() * factor))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-4)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-3, atol=1e-4 * np.abs(found[0][1]).max())


@every_relation
def test_a_sample_without_features_has_no_outsized_gradient(objective: tfc.RelationalAngle) -> None:
    student, teacher = np.random.default_rng(0).normal(size=(2, 6, 5)).astype("float32")
    student[2] = 0.0
    features = tf.constant(student)
    with tf.GradientTape() as tape:
        tape.watch(features)
        loss = tf.reduce_mean(objective.loss(features, tf.constant(teacher)))
    gradient = np.abs(tape.gradient(loss, features).numpy()).max(axis=1)
    assert gradient[2] <= 3 * gradient.max(where=np.arange(6) != 2, initial=0)
    assert (gradient[[0, 1, 3, 4, 5]] > 0).all()


@pytest.mark.parametrize("objective", [tfc.Hints(), tfc.AttentionTransfer()], ids=lambda one: type(one).__name__)
def test_maps_of_open_sizes_that_turn_out_to_differ_are_not_broadcast(objective: tfc.Hints) -> None:
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=r"shape"):
        objective.loss(tf.ones((2, 1, 1, 3)), tf.ones((2, 8, 8, 3)))

    @tf.function
    def traced(student: tf.Tensor, teacher: tf.Tensor) -> tf.Tensor:
        return objective.loss(student, teacher)

    open_sizes = tf.TensorSpec((None, None, None, 3))
    function = traced.get_concrete_function(open_sizes, open_sizes)
    with pytest.raises(tf.errors.InvalidArgumentError, match="same size and shape"):
        function(tf.ones((2, 1, 1, 3)), tf.ones((2, 8, 8, 3)))


def test_features_of_more_axes_are_taken_as_vectors() -> None:
    generator = np.random.default_rng(2)
    student, teacher = generator.normal(size=(4, 2, 3, 2)), generator.normal(size=(4, 5))
    for objective in RELATIONS:
        whole = objective.loss(student, teacher)
        np.testing.assert_allclose(whole, objective.loss(student.reshape(4, 12), teacher))


@every_relation
@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 3)])
def test_a_sample_of_weight_0_is_as_if_it_were_not_there(objective: tfc.RelationalAngle, shape: tuple) -> None:
    generator = np.random.default_rng(3)
    student, teacher = generator.normal(size=(6, 4)), generator.normal(size=(6, 5))
    left, weights = [0, 2, 3, 5], np.ones(shape)
    weights[[1, 4]] = 0
    found = objective.loss(student, teacher, weights)
    expected = objective.loss(student[left], teacher[left])
    np.testing.assert_allclose(np.asarray(found)[left], expected, rtol=1e-6)
    # The mean is taken over the batch, as Keras does it: 4 of 6 samples.
    np.testing.assert_allclose(weighted_mean(found, weights), 4 / 6 * np.mean(expected), rtol=1e-6)


def test_a_student_that_learns_relations_does_not_see_samples_of_weight_0() -> None:
    def body(units: int) -> keras.Model:
        keras.utils.set_random_seed(units)
        layers = [keras.layers.Dense(units, activation="tanh"), keras.layers.Dense(2)]
        return keras.Sequential([keras.Input((3,)), *layers])

    inputs = np.random.default_rng(6).normal(size=(6, 3)).astype("float32")
    weights = np.array([1.0, 1.0, 0.0, 1.0, 0.0, 1.0])

    def loss(given: np.ndarray, of_samples: np.ndarray) -> float:
        learning = tfc.Distillation(body(8), [tfc.RelationalDistance()], alpha=1.0).wrap(body(4))
        learning.compile("sgd", "mse", jit_compile=False)
        targets = np.zeros((len(given), 2))
        logs = learning.fit(given, targets, sample_weight=of_samples, batch_size=6, verbose=0).history
        return float(logs["loss"][0])

    kept = weights > 0
    assert loss(inputs, weights) == pytest.approx(4 / 6 * loss(inputs[kept], weights[kept]), rel=1e-4)


@every_relation
def test_weights_multiply_the_relations_of_their_sample(objective: tfc.RelationalAngle) -> None:
    generator = np.random.default_rng(4)
    student, teacher, weights = generator.normal(size=(5, 4)), generator.normal(size=(5, 3)), np.arange(1.0, 6.0)
    losses = np.asarray(objective.loss(student, teacher))
    np.testing.assert_allclose(weighted_mean(losses, weights), np.mean(losses * weights))


@pytest.mark.parametrize("objective", RELATIONS[:2], ids=["distance", "angle"])
def test_samples_far_from_zero_and_twins_have_their_true_distances_in_float32(objective: tfc.RelationalAngle) -> None:
    generator = np.random.default_rng(5)
    student, teacher = generator.normal(size=(8, 300)) + 30, generator.normal(size=(8, 200)) - 20
    student[5], teacher[5] = student[2], teacher[2]
    variable = tf.Variable(student.astype("float32"))
    with tf.GradientTape() as tape:
        loss = objective.loss(variable, teacher.astype("float32"))
    np.testing.assert_allclose(loss, objective.loss(student, teacher), rtol=1e-3)
    assert np.isfinite(tape.gradient(loss, variable)).all()


@pytest.mark.parametrize("objective", RELATIONS[:2], ids=["distance", "angle"])
def test_no_array_of_all_pairs_times_all_features_is_made(objective: tfc.RelationalAngle) -> None:
    batch, entries = 6, 1000
    with tf.Graph().as_default() as graph:
        student = tf.compat.v1.placeholder("float32", (batch, entries))
        loss = objective.loss(student, tf.zeros((batch, 7)))
        tf.gradients(loss, student)
    sizes = [tensor.shape.num_elements() or 0 for made in graph.get_operations() for tensor in made.outputs]
    assert max(sizes) <= batch * entries
