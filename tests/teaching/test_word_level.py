import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.teaching.soft_targets import softened_divergence


def test_only_words_count_in_the_sum_and_in_their_number() -> None:
    generator = np.random.default_rng(0)
    student, teacher = generator.normal(size=(2, 2, 3, 4))
    words = np.array([[3, 2, 0], [1, 0, 0]])
    each = np.asarray(softened_divergence(student, teacher, 1.0))
    expected = (each[0, 0] + each[0, 1] + each[1, 0]) / 3
    np.testing.assert_allclose(np.mean(tfc.WordLevel().loss(student, teacher, words)), expected)


@pytest.mark.parametrize("shape", ["numbers", "column", "one-hot"])
def test_words_are_taken_in_each_form(shape: str) -> None:
    generator = np.random.default_rng(1)
    student, teacher = generator.normal(size=(2, 1, 3, 4))
    words = np.array([[3, 0, 2]])
    given = {"numbers": words, "column": words[..., None], "one-hot": np.eye(4)[words]}[shape]
    expected = tfc.WordLevel().loss(student, teacher, words)
    np.testing.assert_allclose(tfc.WordLevel().loss(student, teacher, given), expected)


def test_another_number_may_be_the_padding() -> None:
    student, teacher = np.zeros((1, 2, 2)), np.array([[[1.0, 0.0], [5.0, 0.0]]])
    losses = np.asarray(tfc.WordLevel(padding=9).loss(student, teacher, np.array([[0, 9]])))
    assert losses[0, 0] > 0
    assert losses[0, 1] == 0


def test_a_batch_of_padding_alone_has_no_loss() -> None:
    loss = tfc.WordLevel().loss(np.zeros((1, 2, 2)), np.ones((1, 2, 2)) * [1, 0], np.zeros((1, 2)))
    assert float(np.sum(loss)) == 0.0


def test_words_that_the_teacher_excludes_count_for_nothing() -> None:
    # 3/4, 1/4, 0 against 1/3 each, at one of two words; the other agrees.
    teacher = np.array([[[np.log(3.0), 0.0, -np.inf], [0.0, -np.inf, 0.0]]], "float32")
    student = np.array([[[0.0, 0.0, 0.0], [0.0, -np.inf, 0.0]]], "float32")
    expected = (0.75 * np.log(0.75 * 3) + 0.25 * np.log(0.25 * 3)) / 2
    for objective in (tfc.WordLevel(), tfc.WordLevel(padding=9)):
        np.testing.assert_allclose(np.mean(objective.loss(student, teacher, np.array([[1, 2]]))), expected, rtol=1e-6)
    masked = tfc.WordLevel().masked_loss(student, teacher, None, np.array([[True, False]]))
    np.testing.assert_allclose(np.mean(masked), 2 * expected, rtol=1e-6)
