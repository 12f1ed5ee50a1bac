"""Ratios worked by hand, and what has no finite one."""

import numpy as np
import pytest

from tfcompress.transforms.fidelity import cosine, outputs_snr_db, share_outside, snr_db


def test_twenty_decibels_are_an_error_of_a_tenth() -> None:
    x = np.random.default_rng(0).normal(size=(10, 3))
    assert snr_db(x, 1.1 * x) == pytest.approx(20.0)
    assert snr_db(1000 * x, 1100 * x) == pytest.approx(20.0)


def test_what_has_no_finite_ratio_has_the_limits() -> None:
    assert snr_db(np.zeros(3), np.zeros(3)) == 150.0
    assert snr_db(np.zeros(3), np.ones(3)) == -150.0
    assert snr_db(np.ones(3), 1 + 1e-12 * np.ones(3)) == 150.0


def test_outputs_count_together_by_their_power() -> None:
    exact = [np.array([[3.0]]), np.array([4.0])]
    assert outputs_snr_db(exact, [np.array([[3.0]]), np.array([3.5])]) == pytest.approx(20.0)


def test_cosines() -> None:
    assert cosine(np.array([1.0, 2.0]), np.array([-2.0, -4.0])) == pytest.approx(-1.0)
    assert cosine(np.zeros(2), np.zeros(2)) == 1.0
    assert cosine(np.zeros(2), np.ones(2)) == 0.0


def test_the_ends_of_a_range_are_inside() -> None:
    assert share_outside(np.array([0.0, 1.0, 1.1, -0.1]), 0.0, 1.0) == 0.5
    assert share_outside(np.zeros(0), 0.0, 1.0) == 0.0
