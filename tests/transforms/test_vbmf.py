from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from tfcompress.transforms.decompositions import singular_values
from tfcompress.transforms.vbmf import free_energy, live_shape, noise_variance, threshold, vbmf_rank


def noisy(shape: tuple[int, int], rank: int, noise: float, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    signal = generator.normal(size=(shape[0], rank)) @ generator.normal(size=(rank, shape[1]))
    return signal + noise * generator.normal(size=shape)


def found(matrix: np.ndarray) -> int:
    return vbmf_rank(singular_values(matrix), matrix.shape)


@pytest.mark.parametrize("shape", [(20, 40), (50, 50), (64, 300), (100, 30), (8, 400)], ids=str)
@pytest.mark.parametrize("noise", [0.05, 0.2, 0.5])
def test_the_exact_rank_is_found_under_noise(shape: tuple[int, int], noise: float) -> None:
    ranks = [rank for rank in (0, 1, 2, 3, 5) if rank <= min(shape) // 3]
    assert [found(noisy(shape, rank, noise)) for rank in ranks] == ranks


def test_the_rank_does_not_depend_on_the_scale_or_on_which_side_is_longer() -> None:
    matrix = noisy((30, 70), 4, 0.3)
    assert found(matrix) == found(matrix.T) == found(1e-6 * matrix) == found(1e6 * matrix) == 4


@pytest.mark.parametrize("shape", [(20, 40), (50, 50), (64, 576), (100, 30)], ids=str)
@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-6, 1e-5, 1e-3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounding_and_hardly_any_noise_hide_no_exact_rank(shape: tuple[int, int], noise: float, dtype: str) -> None:
    ranks = [1, 2, 3, min(shape) // 3]
    assert [found(noisy(shape, rank, noise).astype(dtype)) for rank in ranks] == ranks
    assert found(np.zeros(shape, dtype)) == 0


@given(dead=st.integers(0, 5), seed=st.integers(0, 9), scale=st.sampled_from([0.0, 1e-9]))
@settings(max_examples=20, deadline=None)
def test_a_matrix_that_lacks_a_few_ranks_is_not_one_without_noise(dead: int, seed: int, scale: float) -> None:
    matrix = noisy((64, 200), 3, 0.3, seed)
    matrix[:dead] *= scale
    assert found(matrix) == 3


def test_rows_and_columns_of_dead_filters_are_not_counted() -> None:
    matrix = noisy((64, 200), 3, 0.3)
    matrix[::2] *= 1e-8
    matrix[:, 150:] = 0
    assert live_shape(matrix) == live_shape(matrix.T)[::-1] == (32, 150)
    assert live_shape(np.zeros((2, 3))) == (0, 0)
    np.testing.assert_allclose(singular_values(matrix)[:32], singular_values(matrix[1::2, :150]), rtol=1e-6)


def test_the_variance_of_the_noise_is_found() -> None:
    values = np.linalg.svd(noisy((60, 200), 3, 0.3), compute_uv=False)
    assert noise_variance(values, 60, 200) == pytest.approx(0.3**2, rel=0.05)


def component_energy(parameters: np.ndarray, value: float, short: int, long: int, variance: float) -> float:
    """Twice the free energy of one component against none, by its definition, with the best prior for its factors.

    The posterior of the factors has means a (long) and b (short) along the singular vectors, and variances sa and sb.
    """
    a, b = parameters[:2]
    sa, sb = np.exp(parameters[2:])
    prior_a, prior_b = a**2 / long + sa, b**2 / short + sb
    fit = (-2 * a * b * value + (a**2 + long * sa) * (b**2 + short * sb)) / variance
    return float(long * log(prior_a / sa) + short * log(prior_b / sb) + fit)


def least_energy(value: float, short: int, long: int, variance: float) -> float:
    """The least free energy of a component, by brute force from many starts; 0 is that of leaving it out."""
    starts = [np.array([a, a, s, s]) for a in (0.1, 1.0, np.sqrt(value)) for s in (-6.0, -3.0, 0.0)]
    arguments = (value, short, long, variance)
    options = {"maxiter": 4000, "maxfev": 8000, "xatol": 1e-8, "fatol": 1e-10}
    runs = [minimize(component_energy, start, arguments, "Nelder-Mead", options=options) for start in starts]
    return min(0.0, *(float(run.fun) for run in runs))


@pytest.mark.parametrize(("short", "long"), [(10, 10), (10, 40)])
def test_the_free_energy_and_its_threshold_are_those_of_brute_force(short: int, long: int) -> None:
    ratio, variance = short / long, 0.7
    limit = threshold(ratio)
    for x in limit * np.array([0.6, 0.95, 1.05, 2.0, 6.0]):
        brute = least_energy(np.sqrt(x * long * variance), short, long, variance)
        own = long * (free_energy(np.array([x]), ratio) - (x - np.log(x)))
        assert own == pytest.approx(brute, abs=0.05 + 1e-3 * abs(brute))
        # At the threshold keeping a component and leaving it out cost the same.
        assert (brute < -1e-3) == (x > limit)
