"""Variational Bayesian matrix factorization: how many singular values of a noisy matrix are more than noise."""

import numpy as np

_GRID, _ROUNDS = 64, 3
_NEGLIGIBLE = 1e-6
"""Of the largest: below it lie the rounding of float32 weights, and of singular values that a Gram matrix gave."""


def vbmf_rank(singular_values: np.ndarray, shape: tuple[int, int]) -> int:
    """The rank of the signal in a matrix of signal plus noise, by the global solution of empirical VBMF.

    The matrix, L x M with L <= M, is modelled as a product of two Gaussian factors plus noise of an unknown variance
    s^2. With a = L / M and x_h = g_h^2 / (M s^2) for the singular values g_h, a component is kept where its evidence
    outweighs its description:

        tau = 2.5129 sqrt(a),  x* = (1 + tau)(1 + a / tau),  rank = #{h : x_h > x*}

    and s^2 minimizes the free energy

        sum_{x_h <= x*} (x_h - log x_h) + sum_{x_h > x*} (x_h - t_h + log((t_h + 1) / x_h) + a log(t_h / a + 1)),
        t_h = (x_h - (1 + a) + sqrt((x_h - (1 + a))^2 - 4 a)) / 2.

    Args:
        singular_values: All L of them, in any order.
        shape: Of the matrix.

    Returns:
        The rank, from 0 to L / (1 + a): of more components than that, no model of this kind can tell noise. What is
        negligible against the largest singular value is noise too, so that a matrix without any keeps its exact rank.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> signal = generator.normal(size=(30, 3)) @ generator.normal(size=(3, 60))
        >>> noisy = signal + 0.1 * generator.normal(size=(30, 60))
        >>> vbmf_rank(np.linalg.svd(noisy, compute_uv=False), noisy.shape)
        3

    Reference:
        Nakajima, Sugiyama, Babacan and Tomioka, "Global Analytic Solution of Fully-observed Variational Bayesian Matrix
        Factorization", Journal of Machine Learning Research 14, 2013.
    """
    short, long = min(shape), max(shape)
    values = np.sort(np.asarray(singular_values, "float64"))[::-1]
    if not values.any():
        return 0
    values = np.maximum(values, _NEGLIGIBLE * values[0])
    return int((values**2 > long * noise_variance(values, short, long) * threshold(short / long)).sum())


def live_shape(matrix: np.ndarray) -> tuple[int, int]:
    """How many rows and columns of a matrix are not negligible: those of dead filters hold neither signal nor noise.

    Without them the matrix has the same singular values, less as many zeros as it then is smaller.

    Example:
        >>> live_shape(np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]]))
        (1, 2)
    """
    rows, columns = np.linalg.norm(matrix, axis=1), np.linalg.norm(matrix, axis=0)
    return int((rows > _NEGLIGIBLE * rows.max()).sum()), int((columns > _NEGLIGIBLE * columns.max()).sum())


def threshold(ratio: float) -> float:
    """The x* above which a component is kept, for ratio = L / M in (0, 1].

    Example:
        >>> round(threshold(1.0), 4)
        4.9108
    """
    tau = 2.5129 * np.sqrt(ratio)
    return float((1 + tau) * (1 + ratio / tau))


def noise_variance(values: np.ndarray, short: int, long: int) -> float:
    """The variance of the noise that minimizes the free energy, found on ever finer grids of its logarithm.

    Args:
        values: The singular values, all of them, the largest first.
        short: The smaller side of the matrix.
        long: Its larger side.
    """
    ratio, squares = short / long, values**2
    largest = squares.sum() / (short * long)
    # At most this many components can be kept; the noise has at least the variance of the others.
    kept = min(int(np.ceil(short / (1 + ratio))) - 1, len(values) - 1)
    smallest = max(squares[kept] / (long * threshold(ratio)), squares[kept:].mean() / long)
    low, high = np.log(min(smallest, largest)), np.log(largest)
    for _ in range(_ROUNDS):
        candidates = np.linspace(low, high, _GRID)
        energies = [free_energy(squares / (long * variance), ratio) for variance in np.exp(candidates)]
        best = int(np.argmin(energies))
        low, high = candidates[max(best - 1, 0)], candidates[min(best + 1, _GRID - 1)]
    return float(np.exp(candidates[best]))


def free_energy(x: np.ndarray, ratio: float) -> float:
    """Twice the free energy over M, less a constant, where each component is kept or not as is better for it.

    Args:
        x: g_h^2 / (M s^2).
        ratio: L / M.
    """
    kept = x > threshold(ratio)
    inner = x[kept] - (1 + ratio)
    t = (inner + np.sqrt(inner**2 - 4 * ratio)) / 2
    gained = -t + np.log(t + 1) + ratio * np.log(t / ratio + 1)
    return float((x - np.log(x)).sum() + gained.sum())
