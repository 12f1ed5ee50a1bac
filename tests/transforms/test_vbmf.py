from math import log

import numpy as np
import pytest
from scipy.optimize import minimize

from tfcompress.transforms.vbmf import free_energy, noise_variance, threshold, vbmf_rank


def noisy(shape: tuple[int, int], rank: int, noise: float, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    signal = generator.normal(size=(shape[0], rank)) @ generator.normal(size=(rank, shape[1]))
    return signal + noise * generator.normal(size=shape)


def found(matrix: np.ndarray) -> int:
    return vbmf_rank(np.linalg.svd(matrix, compute_uv=False), matrix.shape)


@pytest.mark.parametrize("shape", [(20, 40), (50, 50), (64, 300), (100, 30), (8, 400)], ids=str)
@pytest.mark.parametrize("noise", [0.05, 0.2, 0.5])
def test_the_exact_rank_is_found_under_noise(shape: tuple[int, int], noise: float) -> None:
    ranks = [rank for rank in (0, 1, 2, 3, 5) if rank <= min(shape) // 3]
    assert [found(noisy(shape, rank, noise)) for rank in ranks] == ranks


def test_the_rank_does_not_depend_on_the_scale_or_on_which_side_is_longer() -> None:
    matrix = noisy((30, 70), 4, 0.3)
    assert found(matrix) == found(matrix.T) == found(1e-6 * matrix) == found(1e6 * matrix) == 4


def test_a_matrix_without_noise_keeps_all_it_has() -> None:
    assert found(noisy((20, 40), 3, 0.0)) == 3
    assert found(np.zeros((4, 5))) == 0


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
