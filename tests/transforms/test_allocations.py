import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcompress.errors import RecipeError
from tfcompress.transforms.allocations import ERK, LAMP, Allocation, Global, PerLayer, make_allocation

KERNELS = {"small": np.array([[0.1, 0.2], [0.3, 0.9]]), "large": np.array([1.0, -2.0, 0.25, 4.0, -5.0, 6.0])}


def test_per_layer_gives_each_the_total() -> None:
    assert PerLayer().sparsities(KERNELS, 0.8) == {"small": 0.8, "large": 0.8}


def test_global_uses_one_threshold() -> None:
    # The five smallest of the ten magnitudes are 0.1, 0.2, 0.25, 0.3 and 0.9: four of `small`, of which one must stay.
    assert Global().sparsities(KERNELS, 0.4) == {"small": 0.75, "large": pytest.approx(1 / 6)}
    assert Global().sparsities(KERNELS, 0.5) == {"small": 0.75, "large": pytest.approx(1 / 6)}
    assert Global().sparsities(KERNELS, 0.0) == {"small": 0.0, "large": 0.0}


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.floats(0, 0.95))
def test_global_reaches_the_total_unless_a_layer_would_be_emptied(sizes: list[int], total: float) -> None:
    generator = np.random.default_rng(5)
    kernels = {str(number): generator.normal(size=size) for number, size in enumerate(sizes)}
    shares = Global().sparsities(kernels, total)
    removed = sum(round(shares[name] * kernel.size) for name, kernel in kernels.items())
    assert removed <= round(total * sum(sizes))
    assert removed >= round(total * sum(sizes)) - len(sizes)
    assert all(0 <= share < 1 for share in shares.values())


@pytest.mark.parametrize("allocation", [Global(), LAMP()])
def test_equal_weights_do_not_take_the_total_further(allocation: Allocation) -> None:
    kernels = {"first": np.ones(6), "second": np.zeros(4)}
    assert allocation.sparsities(kernels, 0.5) == {"first": pytest.approx(1 / 6), "second": 0.75}


def test_an_unknown_allocation_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(RecipeError, match="'Global'"):
        make_allocation("Globl")


def test_erk_keeps_by_the_sum_of_the_sides() -> None:
    # conv: 3 + 3 + 4 + 8 = 18 of 288, dense: 20 + 10 = 30 of 200; eps = 0.2 x 488 / (18 + 30) = 2.0333.
    kernels = {"conv": np.ones((3, 3, 4, 8)), "dense": np.ones((20, 10))}
    eps = 0.2 * 488 / 48
    shares = ERK().sparsities(kernels, 0.8)
    assert shares == {"conv": pytest.approx(1 - eps * 18 / 288), "dense": pytest.approx(1 - eps * 30 / 200)}


def test_erk_keeps_a_kernel_whole_whose_density_would_exceed_one() -> None:
    # Raw densities 6/8 and 200/10000: eps = 0.05 x 10008 / 206 = 2.43, so 1.8 for `tiny`; then eps = 492.4 / 200.
    shares = ERK().sparsities({"tiny": np.ones((2, 4)), "large": np.ones((100, 100))}, 0.95)
    assert shares == {"tiny": 0.0, "large": pytest.approx(1 - (0.05 * 10008 - 8) / 10000)}


def test_lamp_scores_a_weight_by_its_part_of_what_is_left() -> None:
    # Squares 1, 4, 9, 16: scores 1/30, 4/29, 9/25, 1. Squares 1, 1, 100: scores 1/102, 1/101, 1.
    kernels = {"even": np.array([[1.0, 2.0], [3.0, -4.0]]), "peak": np.array([1.0, 10.0, -1.0])}
    assert LAMP().sparsities(kernels, 2 / 7) == {"even": 0.0, "peak": pytest.approx(2 / 3)}
    assert LAMP().sparsities(kernels, 4 / 7) == {"even": 0.5, "peak": pytest.approx(2 / 3)}


def test_lamp_empties_no_kernel_and_takes_zeros_first() -> None:
    kernels = {"zeros": np.zeros(3), "pruned": np.array([0.0, 0.0, 1.0])}
    assert LAMP().sparsities(kernels, 0.99) == {"zeros": pytest.approx(2 / 3), "pruned": pytest.approx(2 / 3)}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.floats(0, 0.95), st.integers(0, 1000))
def test_lamp_equals_a_search_through_all_scores(sizes: list[int], total: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    kernels = {str(number): generator.normal(size=size) for number, size in enumerate(sizes)}
    scores = [
        (weight**2 / sum(other**2 for other in kernel if abs(other) >= abs(weight)), name)
        for name, kernel in kernels.items()
        for weight in kernel
    ]
    lowest = [name for _, name in sorted(scores)[: round(total * len(scores))]]
    expected = {name: min(lowest.count(name), kernel.size - 1) / kernel.size for name, kernel in kernels.items()}
    assert LAMP().sparsities(kernels, total) == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(1, 7), min_size=2, max_size=4), min_size=1, max_size=5), st.floats(0, 0.99))
def test_erk_meets_the_total(shapes: list[list[int]], total: float) -> None:
    kernels = {str(number): np.ones(shape) for number, shape in enumerate(shapes)}
    shares = ERK().sparsities(kernels, total)
    entries = sum(kernel.size for kernel in kernels.values())
    assert sum(shares[name] * kernel.size for name, kernel in kernels.items()) == pytest.approx(
        total * entries, abs=1e-6
    )
    assert all(0 <= share < 1 for share in shares.values())
    assert all(
        shares[one] >= shares[other] - 1e-9
        for one, first in kernels.items()
        for other, second in kernels.items()
        if sum(first.shape) / first.size <= sum(second.shape) / second.size
    )


@pytest.mark.parametrize("allocation", [PerLayer(), Global(), ERK(), LAMP()])
def test_an_allocation_is_known_by_its_name(allocation: Allocation) -> None:
    assert make_allocation(type(allocation).__name__) == allocation
    with pytest.raises(RecipeError, match="does not take these settings"):
        make_allocation({"type": type(allocation).__name__, "threshold": 1})
