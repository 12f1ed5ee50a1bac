import kmeans1d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tfcompress.errors import RecipeError
from tfcompress.transforms.codebooks import (
    AsTheyAre,
    Density,
    Initialisation,
    KMeansPlusPlus,
    Linear,
    Optimal,
    Random,
    counts_of,
    make_initialisation,
    more_values_than,
    nearest,
    with_zero,
)
from tfcompress.transforms.named import as_table

ALL = [Linear(), Density(), Density(nodes=30), Random(), KMeansPlusPlus(), Optimal(), AsTheyAre()]
WEIGHTS = np.random.default_rng(0).normal(size=400).astype("float32")


def test_linear_is_evenly_spaced() -> None:
    np.testing.assert_allclose(Linear().centroids(np.array([-1.0, 0.3, 2.0], "float32"), 4), [-1, 0, 1, 2])


def test_density_has_as_many_weights_between_its_levels() -> None:
    weights = np.array([0.0, 1.0, 2.0, 3.0, 100.0, 101.0, 102.0, 103.0], "float32")
    # The levels are 1/4 and 3/4; the empirical distribution reaches them between 1 and 2 and between 101 and 102.
    np.testing.assert_allclose(Density().centroids(weights, 2), [1.5, 101.5])


def test_optimal_is_no_worse_than_any_split_of_the_sorted_weights() -> None:
    weights = np.sort(np.random.default_rng(1).normal(size=12)).astype("float32")
    found = Optimal().centroids(weights, 3)
    error = ((weights - found[nearest(weights, found)]) ** 2).sum()
    best = min(
        sum(((part - part.mean()) ** 2).sum() for part in (weights[:a], weights[a:b], weights[b:]))
        for a in range(1, 11)
        for b in range(a + 1, 12)
    )
    assert error == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("initialisation", ALL, ids=lambda item: repr(item))
def test_every_initialisation_gives_ascending_centroids_within_the_weights(initialisation: Initialisation) -> None:
    found = initialisation.centroids(WEIGHTS, 8)
    assert np.all(np.diff(found) >= 0)
    assert len(found) <= (400 if isinstance(initialisation, AsTheyAre) else 8)
    assert WEIGHTS.min() - 0.011 <= found[0] <= found[-1] <= WEIGHTS.max() + 0.011
    assert make_initialisation(as_table(initialisation)) == initialisation


@settings(deadline=None)
@given(
    arrays("float32", st.integers(1, 50), elements=st.floats(-4, 4, width=32)),
    arrays("float32", st.integers(1, 9), elements=st.floats(-4, 4, width=32), unique=True).map(np.sort),
)
def test_nearest_equals_a_search_through_all_centroids(values: np.ndarray, centroids: np.ndarray) -> None:
    chosen = np.abs(values - centroids[nearest(values, centroids)].astype("float64"))
    least = np.abs(values[:, None] - centroids[None].astype("float64")).min(axis=1)
    np.testing.assert_allclose(chosen, least, atol=1e-5)


def test_one_centroid_is_zero_and_the_others_go_to_the_signs_by_number() -> None:
    weights = np.array([-4.0, -3.0, -2.0, 0.0, 0.0, 5.0], "float32")
    np.testing.assert_allclose(with_zero(weights, 5, Linear()), [-4, -3, -2, 0, 5])


def test_an_unknown_initialisation_is_refused() -> None:
    with pytest.raises(RecipeError, match="'Linear'"):
        make_initialisation("Liner")
    with pytest.raises(RecipeError, match="does not take"):
        make_initialisation({"type": "Random", "sed": 1})


def test_more_weights_than_a_part_are_looked_up_the_same() -> None:
    weights = np.random.default_rng(0).normal(size=(3, 100_001)).astype("float32")
    centroids = np.array([-1.0, 0.0, 0.25, 2.0], "float32")
    expected = np.abs(weights[..., np.newaxis] - centroids).argmin(axis=-1)
    np.testing.assert_array_equal(nearest(weights, centroids), expected)
    np.testing.assert_array_equal(counts_of(expected, 5), [*np.bincount(expected.ravel()), 0])


def test_distinct_values_are_told_from_the_last_part_too() -> None:
    values = np.zeros(600_000, "float32")
    values[-1] = 1
    assert more_values_than(1, values)
    assert not more_values_than(2, values)


@pytest.mark.parametrize("distribution", ["normal", "laplace", "uniform"])
@pytest.mark.parametrize("clusters", [4, 32])
def test_of_a_large_kernel_the_squared_distance_hardly_differs_from_the_least(distribution: str, clusters: int) -> None:
    weights = getattr(np.random.default_rng(0), distribution)(size=50_000).astype("float32")
    exact = np.array(kmeans1d.cluster(weights.tolist(), clusters).centroids, "float32")
    found = Optimal().centroids(weights, clusters)
    losses = [float(np.square(weights.astype(float) - one[nearest(weights, one)]).mean()) for one in (exact, found)]
    assert losses[0] * (1 - 1e-6) <= losses[1] <= 1.01 * losses[0]


def test_a_large_kernel_with_few_distinct_values_keeps_them() -> None:
    weights = np.append(np.repeat(np.array([-2.0, 0.5, 3.0], "float32"), 20_000), np.float32(7.0))
    np.testing.assert_array_equal(Optimal().centroids(weights, 8), [-2.0, 0.5, 3.0, 7.0])
