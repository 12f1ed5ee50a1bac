from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcompress.errors import RecipeError
from tfcompress.transforms.decompositions import relative_error
from tfcompress.transforms.factorizations import CP, SVD, Factorization, SpatialSVD, Tucker2
from tfcompress.transforms.rank_budget import Budget
from tfcompress.transforms.rank_choices import make_rank_choice
from tfcompress.transforms.ranks import VBMF, Candidate, Energy, Fixed, RankChoice, Ratio
from tfcompress.transforms.stages import Cost, Ranks, Shape, Sizes, Stage, cost
from tfcompress.transforms.tensor_train import TensorTrain


@dataclass(frozen=True)
class Diagonal(Factorization):
    """A kernel (1, 1, 1, numbers) as diagonal matrices, of so many numbers each."""

    sizes: tuple[int, ...]

    def full(self, shape: Shape) -> Ranks:
        return self.sizes

    def matrices(self, kernel: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(np.diag(part) for part in np.split(kernel.reshape(-1), np.cumsum(self.sizes)[:-1]))

    def stages(self, shape: Shape, ranks: Sequence[int]) -> tuple[Stage, ...]:
        raise NotImplementedError

    def factors(self, kernel: np.ndarray, ranks: Sequence[int]) -> list[np.ndarray]:
        raise NotImplementedError


def layer(*values: Sequence[float], name: str = "conv", positions: int = 1) -> Candidate:
    """A layer whose matrices are diagonal; each unit of rank costs 10 weights, and it has 70."""

    def cost(ranks: tuple[int, ...]) -> Cost:
        return Cost(positions * 10 * sum(ranks), 10 * sum(ranks))

    kernel = np.concatenate([np.asarray(own, "float64") for own in values]).reshape(1, 1, 1, -1)
    return Candidate(name, kernel, Diagonal(tuple(map(len, values))), cost, Cost(positions * 70, 70))


def free(kernel: np.ndarray, factorization: Factorization) -> Candidate:
    """A layer with a kernel, where costs do not matter."""
    return Candidate("conv", kernel, factorization, lambda ranks: Cost(1, 1), Cost(2, 2))


def test_energy_keeps_its_share_of_the_squares() -> None:
    candidate = layer([3.0, 2.0, 1.0])
    assert [Energy(energy).ranks(candidate) for energy in (0.6, 0.65, 0.999)] == [(1,), (2,), (3,)]  # 9, 13 of 14
    # Both matrices together leave out no more: 1 of 14 and 5 of 30, then 1 of 14 and 1 of 30.
    candidate = layer([3.0, 2.0, 1.0], [5.0, 2.0, 1.0])
    assert Energy(0.75).ranks(candidate) == (2, 1)
    assert Energy(0.85).ranks(candidate) == (2, 2)


KERNELS = st.tuples(st.integers(1, 3), st.integers(1, 3), st.sampled_from([4, 6, 12]), st.sampled_from([4, 8]))


@given(
    factorization=st.sampled_from([SVD(), SpatialSVD(), Tucker2(), TensorTrain(), TensorTrain(axes=3)]),
    shape=KERNELS,
    energy=st.floats(0.05, 0.999),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_the_composed_kernel_keeps_the_share_of_its_energy(
    factorization: Factorization, shape: Shape, energy: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    kernel = generator.normal(size=shape) * generator.random(shape[3]) ** 2
    ranks = Energy(energy).ranks(free(kernel, factorization))
    stages, factors = factorization.stages(shape, ranks), factorization.factors(kernel, ranks)
    error = relative_error(kernel, factorization.compose(stages, factors, shape))
    assert error**2 <= 1 - energy + 1e-9
    assert ranks == factorization.chained(shape, ranks)


def test_two_ranks_are_no_larger_than_the_share_of_the_energy_needs() -> None:
    kernel, kind = np.random.default_rng(0).normal(size=(3, 3, 16, 24)) * np.linspace(0, 1, 24) ** 2, Tucker2()
    less = [rank - 1 for rank in Energy(0.9).ranks(free(kernel, kind))]
    smaller = kind.compose(kind.stages(kernel.shape, less), kind.factors(kernel, less), kernel.shape)
    assert relative_error(kernel, smaller) ** 2 > 0.1


def test_a_ratio_is_the_largest_that_both_costs_allow() -> None:
    candidate = layer([1.0] * 8, [1.0] * 4)
    ranks = Ratio(0.9).ranks(candidate)
    assert ranks == (4, 2)
    assert candidate.cost((5, 2)).macs > 0.9 * 70


def test_vbmf_gives_at_least_rank_one() -> None:
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(20, 30))
    signal = noise * 0.1 + generator.normal(size=(20, 2)) @ generator.normal(size=(2, 30))
    for matrix, weak, strong in ((noise, 1, 10), (signal, 2, 11)):
        candidate = free(matrix[None, None], SVD())
        assert VBMF().ranks(candidate) == (weak,)
        assert VBMF(weaken=0.5).ranks(candidate) == (strong,)  # of 20
    with pytest.raises(RecipeError, match=r"weaken must be a share in \[0, 1\), not 1"):
        VBMF(weaken=1)


@pytest.mark.parametrize("factorization", [Tucker2(), SVD(), SpatialSVD()], ids=repr)
@pytest.mark.parametrize("residue", [0.0, 1e-12])
def test_dead_filters_and_inputs_leave_the_rank_by_vbmf_as_it_is(factorization: Factorization, residue: float) -> None:
    generator = np.random.default_rng(0)
    parts = [generator.normal(size=(size, 3)) for size in (3, 3, 24, 32)]
    kernel = np.einsum("hr,wr,sr,tr->hwst", *parts) + 0.2 * generator.normal(size=(3, 3, 24, 32))
    wider = residue * generator.normal(size=(3, 3, 40, 60))
    wider[:, :, 3:27, ::2][..., :16], wider[:, :, 3:27, 1::2][..., :16] = kernel[..., :16], kernel[..., 16:]
    for choice in (VBMF(), VBMF(weaken=0.3)):
        expected = choice.ranks(free(kernel, factorization))
        assert choice.ranks(free(wider, factorization)) == expected
    assert max(VBMF().ranks(free(kernel, factorization))) == 3


def test_a_rank_for_all_is_cut_to_a_smaller_full_rank_but_not_below_all() -> None:
    candidate = layer([1.0] * 3, [1.0] * 6, name="conv7")
    assert Fixed(4).ranks(candidate) == (3, 4)
    with pytest.raises(RecipeError, match="Layer 'conv7' cannot have the rank 7: its full rank is 3, 6"):
        Fixed(7).ranks(candidate)
    assert Fixed([2, 5]).ranks(candidate) == (2, 5)
    small = layer([1.0] * 2, name="head")
    assert Fixed(4).of_all({0: candidate, 1: small}, 0, 0) == {0: (3, 4)}
    assert Fixed(4).why_left(small) == "its full rank is 2"
    with pytest.raises(RecipeError, match="Layer 'head' cannot have the rank 3: its full rank is 2"):
        Fixed(3).of_all({1: small}, 0, 0)
    with pytest.raises(RecipeError, match="Layer 'conv7' cannot have the rank 4, 5: its full rank is 3, 6"):
        Fixed([4, 5]).ranks(candidate)
    with pytest.raises(RecipeError, match=r"Layer 'conv7' has 2 ranks, and 1 rank is given: \[4\]"):
        Fixed([4]).ranks(candidate)


def test_ranks_of_a_train_that_cannot_stand_beside_each_other_are_refused() -> None:
    train, kernel = TensorTrain(inputs=(8, 2, 8), outputs=(2, 2, 8)), np.ones((1, 1, 128, 32))
    candidate = free(kernel, train)
    assert Fixed([1, 4]).ranks(candidate) == (1, 4)
    with pytest.raises(
        RecipeError, match="Layer 'conv' cannot have the rank 1, 6: beside each other its ranks can be 1, 4 at most"
    ):
        Fixed([1, 6]).ranks(candidate)
    wider = free(kernel, TensorTrain(inputs=(2, 8, 8), outputs=(4, 4, 2)))
    assert Fixed([1, 6]).of_all({0: candidate, 1: wider}, 0, 0) == {1: (1, 6)}
    assert Fixed([1, 6]).why_left(candidate) == "beside each other its ranks can be 1, 4 at most"


def test_the_one_rank_of_a_cp_may_be_above_in_and_out() -> None:
    shape = (3, 3, 32, 64)
    calls = [Sizes((16, 16), (16, 16))]

    def own(ranks: Ranks) -> Cost:
        return cost(CP().stages(shape, ranks), calls)

    original = Cost(256 * 9 * 32 * 64, 9 * 32 * 64)
    candidate = Candidate("conv", np.random.default_rng(0).normal(size=shape), CP(), own, original)
    assert candidate.full == (3 * 3 * 32,)
    assert Fixed(100).ranks(candidate) == (100,)
    with pytest.raises(RecipeError, match="cannot have the rank 289: its full rank is 288"):
        Fixed(289).ranks(candidate)
    assert Ratio(0.6).ranks(candidate) == (0.6 * original.weights // (32 + 3 + 3 + 64),) == (108,)
    # Noise fills in x rest and out x rest, and (height in) x (width out) needs more terms than either of them has.
    (chosen,) = Energy(0.99).ranks(candidate)
    assert 64 < chosen <= 96
    ranks = Budget(0.5).of_all({0: candidate}, original.macs, 0)
    assert 64 < ranks[0][0] <= 0.5 * original.weights / 102


@pytest.mark.parametrize("rank", [0, -1, 2.5, True, [3, 0]])
def test_a_rank_below_one_is_refused(rank: object) -> None:
    with pytest.raises(RecipeError, match="A rank must be a whole number from 1"):
        Fixed(rank)  # type: ignore[arg-type]


@pytest.mark.parametrize("choice", [Energy, Ratio, Budget])
@pytest.mark.parametrize("share", [0, 1, -0.5, "half", True])
def test_a_share_outside_zero_and_one_is_refused(choice: type[RankChoice], share: object) -> None:
    with pytest.raises(RecipeError, match=r"must be a share in \(0, 1\)"):
        choice(share)  # type: ignore[call-arg]


def test_a_budget_takes_from_the_layer_that_loses_least_for_its_macs() -> None:
    flat, steep = layer([1.0] * 8, name="flat"), layer([8.0, 1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], name="steep")
    ranks = Budget(0.65).of_all({0: flat, 1: steep}, macs=140, elsewhere=0)
    assert 0 not in ranks
    assert sum(ranks[1]) <= 2


@pytest.mark.parametrize("macs", [0.2, 0.35, 0.5, 0.8])
def test_a_budget_is_kept_for_the_whole_model(macs: float) -> None:
    generator = np.random.default_rng(0)
    layers = {n: layer(np.sort(generator.random(9))[::-1], positions=n + 1) for n in range(4)}
    whole = sum(one.original.macs for one in layers.values()) + 50
    ranks = Budget(macs).of_all(layers, whole, elsewhere=50)
    left = 50 + sum(one.cost(ranks[n]).macs if n in ranks else one.original.macs for n, one in layers.items())
    assert left <= macs * whole


def test_a_budget_that_cannot_be_met_says_how_far_it_can_go() -> None:
    candidate = layer([2.0, 1.0])  # at rank 1 it costs 10 of 100, beside 100 that stay
    with pytest.raises(
        RecipeError, match=r"With all ranks at their least 0.550 of them are left. Ask for at least 0.55"
    ):
        Budget(0.5).of_all({0: candidate}, macs=200, elsewhere=100)
    assert Budget(0.55).of_all({0: candidate}, macs=200, elsewhere=100) == {0: (1,)}


def test_a_choice_is_made_of_a_rank_a_name_and_a_table() -> None:
    assert make_rank_choice(4) == Fixed(4)
    assert make_rank_choice([4, 5]) == Fixed((4, 5))
    assert make_rank_choice("VBMF") == VBMF()
    assert make_rank_choice({"type": "Ratio", "ratio": 0.3}) == Ratio(0.3)
    with pytest.raises(RecipeError, match="Did you mean 'VBMF'"):
        make_rank_choice("VBMFF")
