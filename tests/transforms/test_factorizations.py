import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcompress.transforms.decompositions import relative_error
from tfcompress.transforms.factorizations import CP, SVD, Factorization, SpatialSVD, Tucker2
from tfcompress.transforms.stages import Shape, Sizes, cost

KINDS = (SVD(), SpatialSVD(), Tucker2())


def full_ranks(kind: Factorization, shape: Shape) -> list[int]:
    return [min(matrix.shape) for matrix in kind.matrices(np.zeros(shape))]


@given(
    kind=st.sampled_from(KINDS),
    shape=st.tuples(*[st.integers(1, 3)] * 2, *[st.integers(1, 6)] * 2),
    share=st.floats(0, 1),
    seed=st.integers(0, 9),
)
@settings(max_examples=80, deadline=None)
def test_factors_have_the_shapes_of_the_stages_and_full_ranks_are_exact(
    kind: Factorization, shape: Shape, share: float, seed: int
) -> None:
    kernel = np.random.default_rng(seed).normal(size=shape)
    full = full_ranks(kind, shape)
    for ranks in (full, [max(1, int(share * rank)) for rank in full]):
        factors = kind.factors(kernel, ranks)
        stages = kind.stages(shape, ranks)
        assert [factor.shape for factor in factors] == [stage.shape for stage in stages]
        error = relative_error(kernel, kind.compose(stages, factors, shape))
        assert error < 1e-9 if ranks == full else error < 1


@pytest.mark.parametrize("joined", [False, True])
def test_cp_has_the_shapes_of_its_stages_and_comes_near(joined: bool) -> None:
    kind, kernel = CP(joined=joined), np.random.default_rng(0).normal(size=(3, 3, 4, 5))
    factors, stages = kind.factors(kernel, [30, 2]), kind.stages((3, 3, 4, 5), [30, 2])
    assert [factor.shape for factor in factors] == [stage.shape for stage in stages]
    assert relative_error(kernel, kind.compose(stages, factors, (3, 3, 4, 5))) < 0.2


def test_the_error_of_an_svd_is_the_energy_left_out() -> None:
    kernel = np.zeros((1, 1, 3, 3))
    kernel[0, 0] = np.diag([3.0, 2.0, 1.0])
    stages, factors = SVD().stages((1, 1, 3, 3), [2]), SVD().factors(kernel, [2])
    assert relative_error(kernel, SVD().compose(stages, factors, (1, 1, 3, 3))) == pytest.approx(np.sqrt(1 / 14))


def test_costs_are_those_of_the_papers_formulas() -> None:
    (height, width), (inner, outer), (channels, filters) = (14, 14), (5, 7), (32, 64)
    stages = Tucker2().stages((3, 3, channels, filters), [inner, outer])
    found = cost(stages, [Sizes((28, 28), (height, width))])
    before, after = 28 * 28, height * width
    assert found.weights == channels * inner + 9 * inner * outer + outer * filters
    assert found.macs == channels * inner * before + (9 * inner * outer + filters * outer) * after


def test_a_spatial_svd_computes_its_column_on_the_full_width() -> None:
    stages = SpatialSVD().stages((3, 3, 4, 8), [2])
    assert cost(stages, [Sizes((10, 10), (5, 5))]).macs == 5 * 10 * 3 * 4 * 2 + 5 * 5 * 3 * 2 * 8


def test_a_tucker_chain_leaves_out_layers_of_one_by_one_that_do_not_pay() -> None:
    assert len(Tucker2().stages((3, 3, 64, 64), [8, 8])) == 3
    assert [stage.shape for stage in Tucker2().stages((3, 3, 3, 64), [3, 8])] == [(3, 3, 3, 8), (1, 1, 8, 64)]
    assert [stage.shape for stage in Tucker2().stages((3, 3, 64, 3), [8, 3])] == [(1, 1, 64, 8), (3, 3, 8, 3)]
    assert [stage.shape for stage in Tucker2().stages((3, 3, 4, 4), [4, 4])] == [(3, 3, 4, 4)]
