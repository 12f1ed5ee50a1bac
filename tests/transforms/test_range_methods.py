"""Ranges by each method, on values whose best range is known."""

import numpy as np
import pytest

from tfcompress.errors import RecipeError
from tfcompress.transforms.range_methods import (
    RANGE_METHODS,
    Entropy,
    LeastSquares,
    MinMax,
    Percentile,
    make_range_method,
    rounded_to,
)


def _square_error(values: np.ndarray, ends: tuple[float, float], bits: int) -> float:
    return float(np.square(values - rounded_to(values, *ends, bits)).mean())


@pytest.mark.parametrize("kind", RANGE_METHODS.values(), ids=RANGE_METHODS)
@pytest.mark.parametrize("shift", [-20.0, 0.0, 20.0])
def test_zero_is_inside_and_nothing_lies_beyond_the_values(kind: type, shift: float) -> None:
    values = np.random.default_rng(0).normal(shift, 1.0, 5000)
    low, high = kind().range(values, 8)
    assert min(values.min(), 0) - 1e-9 <= low <= 0 <= high <= max(values.max(), 0) + 1e-9
    assert high > low


@pytest.mark.parametrize("kind", RANGE_METHODS.values(), ids=RANGE_METHODS)
def test_values_that_are_all_zero_have_an_empty_range(kind: type) -> None:
    assert kind().range(np.zeros(100), 8) == (0.0, 0.0)


def test_the_middle_share_by_hand() -> None:
    assert Percentile(80.0).range(np.arange(11.0), 8) == (0.0, 9.0)
    assert MinMax().range(np.array([-3.0, -1.0]), 8) == (-3.0, 0.0)


@pytest.mark.parametrize("bits", [3, 4, 8])
def test_least_squares_is_as_good_as_the_best_of_many_ranges(bits: int) -> None:
    values = np.random.default_rng(0).laplace(size=20_000)
    found = _square_error(values, LeastSquares().range(values, bits), bits)
    tried = [_square_error(values, (-end, end), bits) for end in np.linspace(0.3, np.abs(values).max(), 200)]
    assert found <= 1.03 * min(tried)


def test_of_values_that_fill_their_range_nothing_is_cut_off() -> None:
    values = np.random.default_rng(0).uniform(0, 1, 20_000)
    for method in (LeastSquares(), Entropy()):
        assert method.range(values, 8)[1] > 0.97


def test_few_large_values_do_not_take_the_range() -> None:
    values = np.concatenate([np.random.default_rng(0).exponential(1.0, 50_000), [200.0]])
    assert MinMax().range(values, 8)[1] == 200.0
    assert LeastSquares().range(values, 8)[1] > 100.0  # cutting it off would cost more than 8 bits of steps do
    for method in (Percentile(99.9), LeastSquares(), Entropy()):
        assert method.range(values, 4)[1] < 60.0


@pytest.mark.parametrize("percent", [0, 101, True, "all"])
def test_a_share_that_is_none_is_refused(percent: object) -> None:
    with pytest.raises(RecipeError, match=r"percent must be in \(0, 100\]"):
        Percentile(percent)  # type: ignore[arg-type]


def test_a_recipe_names_methods() -> None:
    assert make_range_method("Entropy") == Entropy()
    with pytest.raises(RecipeError, match="Did you mean 'Percentile'"):
        make_range_method("Percentil")
