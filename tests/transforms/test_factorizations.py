import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcompress.transforms.decompositions import relative_error, singular_values
from tfcompress.transforms.factorizations import CP, SVD, Factorization, SpatialSVD, Tucker2
from tfcompress.transforms.stages import Shape, Sizes, cost
from tfcompress.transforms.tensor_train import TensorTrain

KINDS = (SVD(), SpatialSVD(), Tucker2())


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
    full = list(kind.full(shape))
    assert full == [min(matrix.shape) for matrix in kind.matrices(kernel)]
    for ranks in (full, [max(1, int(share * rank)) for rank in full]):
        factors = kind.factors(kernel, ranks)
        stages = kind.stages(shape, ranks)
        assert [factor.shape for factor in factors] == [stage.shape for stage in stages]
        error = relative_error(kernel, kind.compose(stages, factors, shape))
        assert error < 1e-9 if ranks == full else error < 1


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("window", [(3, 3), (3, 1), (1, 5), (2, 3)], ids=str)
def test_cp_has_the_shapes_of_its_stages_and_comes_near(window: tuple[int, int], joined: bool) -> None:
    kind, shape = CP(joined=joined), (*window, 4, 5)
    kernel = np.random.default_rng(0).normal(size=shape)
    ranks = [min(30, *kind.full(shape))]
    factors, stages = kind.factors(kernel, ranks), kind.stages(shape, ranks)
    assert [factor.shape for factor in factors] == [stage.shape for stage in stages]
    assert relative_error(kernel, kind.compose(stages, factors, shape)) < 0.2
    # A depthwise layer with a window of 1 would only scale channels.
    assert all(max(stage.shape[:2]) > 1 for stage in stages if stage.depthwise)
    assert len(stages) == 2 + (1 if joined else sum(size > 1 for size in window))
    norms = [np.linalg.norm(factor.reshape(-1, *ranks), axis=0) for factor in factors[:-1]]
    assert joined or np.allclose(norms, norms[0])


@given(
    kind=st.sampled_from([SVD(), SpatialSVD(), Tucker2(), TensorTrain()]),
    shape=st.tuples(*[st.integers(1, 3)] * 2, *[st.sampled_from([4, 6, 8])] * 2),
    shares=st.tuples(st.floats(0.1, 1), st.floats(0.1, 1)),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_a_chain_loses_no_more_than_its_singular_values_say(
    kind: Factorization, shape: Shape, shares: tuple[float, float], seed: int
) -> None:
    kernel = np.random.default_rng(seed).normal(size=shape)
    lost = kind.lost(kernel, [singular_values(matrix) for matrix in kind.matrices(kernel)])
    wanted = [max(1, int(share * full)) for share, full in zip(shares, kind.full(shape), strict=False)]
    ranks = kind.chained(shape, wanted)
    error = relative_error(kernel, kind.compose(kind.stages(shape, ranks), kind.factors(kernel, ranks), shape))
    assert error**2 <= lost(ranks) + 1e-9
    assert lost(ranks) == pytest.approx(error**2, abs=1e-9) or len(ranks) > 1
    assert lost(kind.full(shape)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("terms", [2, 5])
def test_a_sum_of_separable_terms_has_no_unfolding_of_a_larger_rank(terms: int) -> None:
    generator = np.random.default_rng(terms)
    kernel = np.einsum("hr,wr,sr,tr->hwst", *[generator.normal(size=(size, terms)) for size in (3, 3, 8, 6)])
    kind = CP()
    assert [np.linalg.matrix_rank(matrix) for matrix in kind.matrices(kernel)] == [terms] * 4
    lost = kind.lost(kernel, [singular_values(matrix) for matrix in kind.matrices(kernel)])
    assert lost((terms,)) == pytest.approx(0, abs=1e-9)
    assert lost((terms - 1,)) > 1e-3
    assert kind.from_matrices([2, 3, 5, 4]) == (5,)
    assert kind.full((3, 3, 32, 64)) == (288,)


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
