from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcompress.errors import RecipeError
from tfcompress.transforms.decompositions import relative_error
from tfcompress.transforms.stages import Sizes, cost
from tfcompress.transforms.tensor_train import TensorTrain, split


def error(train: TensorTrain, kernel: np.ndarray, ranks: list[int]) -> float:
    stages, factors = train.stages(kernel.shape, ranks), train.factors(kernel, ranks)
    assert [factor.shape for factor in factors] == [stage.shape for stage in stages]
    return relative_error(kernel, train.compose(stages, factors, kernel.shape))


@given(
    st.sampled_from([(1, 1), (3, 3), (2, 3)]), st.sampled_from([4, 6, 12]), st.sampled_from([4, 8]), st.integers(0, 9)
)
@settings(max_examples=20, deadline=None)
def test_with_full_ranks_a_train_is_exact(window: tuple[int, int], channels: int, filters: int, seed: int) -> None:
    kernel = np.random.default_rng(seed).normal(size=(*window, channels, filters))
    train = TensorTrain()
    full = [min(matrix.shape) for matrix in train.matrices(kernel)]
    assert error(train, kernel, full) < 1e-6
    assert 0.05 < error(train, kernel, [1] * len(full)) < 1


MODES = st.lists(st.integers(1, 4), min_size=3, max_size=3)


@given(
    window=st.sampled_from([(1, 1), (2, 3)]),
    inputs=MODES,
    outputs=MODES,
    wanted=st.lists(st.integers(1, 40), min_size=3, max_size=3),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_any_ranks_are_cut_to_the_largest_that_chain(
    window: tuple[int, int], inputs: list[int], outputs: list[int], wanted: list[int], seed: int
) -> None:
    kernel = np.random.default_rng(seed).normal(size=(*window, prod(inputs), prod(outputs)))
    train = TensorTrain(inputs=inputs, outputs=outputs)
    full = train.full(kernel.shape)
    assert full == tuple(min(matrix.shape) for matrix in train.matrices(kernel))
    asked = wanted[: len(full)]
    ranks = train.chained(kernel.shape, asked)
    assert train.chained(kernel.shape, ranks) == ranks
    assert all(1 <= rank <= min(most, one) for rank, most, one in zip(ranks, full, asked, strict=True))
    assert error(train, kernel, list(ranks)) <= 1 + 1e-9
    # The interface ranks of random cores with the ranks asked for: no train of those ranks can have larger ones.
    sizes = [*([prod(window)] if window != (1, 1) else []), *(m * n for m, n in zip(inputs, outputs, strict=True))]
    edges, generator = [1, *asked, 1], np.random.default_rng(seed + 100)
    tensor = np.ones((1, 1))
    for k, size in enumerate(sizes):
        tensor = np.tensordot(tensor, generator.normal(size=(edges[k], size, edges[k + 1])), axes=1).reshape(
            -1, edges[k + 1]
        )
    cuts = [prod(sizes[:cut]) for cut in range(1, len(sizes))]
    assert ranks == tuple(int(np.linalg.matrix_rank(tensor.reshape(cut, -1), rtol=1e-10)) for cut in cuts)


def test_a_kronecker_product_is_a_train_of_rank_one() -> None:
    generator = np.random.default_rng(0)
    kernel = np.kron(generator.normal(size=(4, 3)), generator.normal(size=(5, 2)))[None, None]
    assert error(TensorTrain(inputs=(4, 5), outputs=(3, 2)), kernel, [1]) < 1e-6


def test_three_axes_are_composed_in_the_order_of_the_formula() -> None:
    generator = np.random.default_rng(1)
    cores = [generator.normal(size=size) for size in ((1, 2, 3, 2), (2, 2, 2, 3), (3, 3, 2, 1))]
    kernel = np.einsum("paiq,qbjr,rcks->abcijk", *cores).reshape(1, 1, 12, 12)
    assert error(TensorTrain(inputs=(2, 2, 3), outputs=(3, 2, 2)), kernel, [2, 3]) < 1e-6


def test_the_costs_are_those_of_the_papers_count() -> None:
    train, shape, ranks = TensorTrain(axes=3), (3, 3, 64, 64), [16, 16, 16]
    stages = train.stages(shape, ranks)
    # l^2 r1 + sum of r_k C_k S_k r_(k+1), and the scales
    assert cost(stages, [Sizes((8, 8), (8, 8))]).weights == 9 * 16 + 16 * 16 * 16 + 16 * 16 * 16 + 16 * 16 + 64
    assert prod(stages[0].shape) * stages[0].times == 9 * 16 * 64


@pytest.mark.parametrize(("size", "count", "parts"), [(12, 2, (3, 4)), (30, 3, (2, 3, 5)), (1, 2, (1, 1))])
def test_a_size_is_split_as_evenly_as_it_divides(size: int, count: int, parts: tuple[int, ...]) -> None:
    assert split(size, count) == parts


def test_axes_that_do_not_multiply_to_the_size_are_named() -> None:
    assert TensorTrain(inputs=(4, 5), outputs=(3, 2)).misfit((1, 1, 21, 6)) == "its 21 inputs are not 4 x 5"
    assert TensorTrain().misfit((1, 1, 20, 7)) == "its 7 outputs do not split into 2 axes"
    with pytest.raises(RecipeError, match="axes must be a whole number from 2"):
        TensorTrain(axes=1)
    with pytest.raises(RecipeError, match="inputs and outputs as many"):
        TensorTrain(inputs=(4, 5), outputs=(3, 2, 1))
