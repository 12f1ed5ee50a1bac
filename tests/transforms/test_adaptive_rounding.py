"""Adaptive rounding of a matrix, against every way of rounding it."""

from itertools import product

import numpy as np

from tfcompress.transforms.adaptive_rounding import Moments, adaptive_integers


def _problem(seed: int, entries: int = 8, channels: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A kernel, its scales for 4 bits, and inputs that are strongly correlated."""
    generator = np.random.default_rng(seed)
    kernel = generator.normal(size=(entries, channels))
    x = generator.normal(size=(500, 3)) @ generator.normal(size=(3, entries)) + 0.2 * generator.normal(
        size=(500, entries)
    )
    return kernel, np.abs(kernel).max(axis=0) / 7, x


def _moments(x: np.ndarray, y: np.ndarray) -> Moments:
    return Moments(x.T @ x / len(x), x.T @ y / len(x), np.square(y).mean(axis=0))


def _errors(values: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.square(x @ values - y).mean(axis=0)


def test_it_comes_near_to_the_best_of_all_ways_to_round() -> None:
    left = []
    for seed in range(6):
        kernel, scales, x = _problem(seed)
        y = x @ kernel
        found = adaptive_integers(kernel, scales, 7, _moments(x, y), 300)
        low = np.floor(kernel / scales)
        assert set(np.unique(found - low)) <= {0.0, 1.0}
        ways = np.array(list(product((0, 1), repeat=len(kernel))))
        nearest, reached = (_errors(values * scales, x, y) for values in (np.rint(kernel / scales), found))
        for channel in range(kernel.shape[1]):
            values = np.clip(low[:, channel] + ways, -7, 7) * scales[channel]
            best = np.square(values @ x.T - y[:, channel]).mean(axis=1).min()
            assert best - 1e-12 <= reached[channel] <= nearest[channel] + 1e-12
            left.append((reached[channel] - best) / max(nearest[channel] - best, 1e-12))
    assert np.mean(left) < 0.4
    assert np.median(left) < 0.1


def test_weights_on_the_grid_stay() -> None:
    kernel = np.array([[3.0, 0.0], [7.0, -7.0], [-2.0, 1.0]])
    x = np.random.default_rng(0).normal(size=(50, 3))
    assert np.array_equal(adaptive_integers(kernel, np.ones(2), 7, _moments(x, x @ kernel), 50), kernel)


def test_it_makes_up_for_what_was_rounded_before() -> None:
    kernel, scales, x = _problem(5)
    shifted = x + 0.3 * np.abs(x).mean()
    y = x @ kernel
    found = adaptive_integers(kernel, scales, 7, _moments(shifted, y), 1000)
    nearest = np.rint(kernel / scales)
    assert _errors(found * scales, shifted, y).sum() < 0.7 * _errors(nearest * scales, shifted, y).sum()
