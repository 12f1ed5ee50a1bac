"""Objectives on features against numbers worked by hand and plain loops."""

import itertools

import numpy as np

import tfcompress as tfc


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
    expected = sum(_huber(found[0][pair] - found[1][pair]) for pair in pairs) / 25
    np.testing.assert_allclose(tfc.RelationalDistance().loss(*sides), expected, rtol=1e-9)


def test_angles_are_those_of_a_loop_over_triplets() -> None:
    generator = np.random.default_rng(1)
    sides = generator.normal(size=(4, 3)), generator.normal(size=(4, 2))

    def cosine(points: np.ndarray, i: int, j: int, k: int) -> float:
        if j in (i, k):
            return 0.0
        one, other = points[i] - points[j], points[k] - points[j]
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    triplets = list(itertools.product(range(4), repeat=3))
    expected = sum(_huber(cosine(sides[0], *t) - cosine(sides[1], *t)) for t in triplets) / 64
    np.testing.assert_allclose(tfc.RelationalAngle().loss(*sides), expected, rtol=1e-9)


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
    np.testing.assert_allclose(
        loss, 2 * divergence / 3, rtol=1e-5
    )  # the first and the third sample; the second is torn


def test_features_of_more_axes_are_taken_as_vectors() -> None:
    generator = np.random.default_rng(2)
    student, teacher = generator.normal(size=(4, 2, 3, 2)), generator.normal(size=(4, 5))
    for objective in (tfc.RelationalDistance(), tfc.RelationalAngle(), tfc.SimilarityPreserving()):
        whole = objective.loss(student, teacher)
        np.testing.assert_allclose(whole, objective.loss(student.reshape(4, 12), teacher))
