from collections.abc import Sequence

import numpy as np
import pytest

from tfcompress.errors import RecipeError
from tfcompress.transforms.rank_budget import Budget
from tfcompress.transforms.rank_choices import make_rank_choice
from tfcompress.transforms.ranks import VBMF, Candidate, Energy, Fixed, RankChoice, Ratio
from tfcompress.transforms.stages import Cost


def layer(*values: Sequence[float], name: str = "conv", positions: int = 1) -> Candidate:
    """A layer whose matrices are diagonal; each unit of rank costs 10 weights, and it has 70."""

    def cost(ranks: tuple[int, ...]) -> Cost:
        return Cost(positions * 10 * sum(ranks), 10 * sum(ranks))

    return Candidate(name, tuple(np.diag(own) for own in values), cost, Cost(positions * 70, 70))


def test_energy_keeps_its_share_of_the_squares() -> None:
    candidate = layer([3.0, 2.0, 1.0], [5.0, 0.0, 0.0])
    assert Energy(0.6).ranks(candidate) == (1, 1)  # 9 of 14
    assert Energy(0.65).ranks(candidate) == (2, 1)
    assert Energy(0.999).ranks(candidate) == (3, 1)


def test_a_ratio_is_the_largest_that_both_costs_allow() -> None:
    candidate = layer([1.0] * 8, [1.0] * 4)
    ranks = Ratio(0.9).ranks(candidate)
    assert ranks == (4, 2)
    assert candidate.cost((5, 2)).macs > 0.9 * 70


def test_vbmf_gives_at_least_rank_one() -> None:
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(20, 30))
    signal = noise * 0.1 + generator.normal(size=(20, 2)) @ generator.normal(size=(2, 30))
    candidate = Candidate("conv", (noise, signal), lambda ranks: Cost(1, 1), Cost(2, 2))
    assert VBMF().ranks(candidate) == (1, 2)
    assert VBMF(weaken=0.5).ranks(candidate) == (10, 11)  # of 20
    with pytest.raises(RecipeError, match=r"weaken must be a share in \[0, 1\), not 1"):
        VBMF(weaken=1)


def test_a_rank_for_all_is_cut_to_a_smaller_full_rank_but_not_below_all() -> None:
    candidate = layer([1.0] * 3, [1.0] * 6, name="conv7")
    assert Fixed(4).ranks(candidate) == (3, 4)
    with pytest.raises(RecipeError, match="Layer 'conv7' has the full rank 3, 6, and 7 is asked for"):
        Fixed(7).ranks(candidate)
    assert Fixed([2, 5]).ranks(candidate) == (2, 5)
    small = layer([1.0] * 2, name="head")
    assert Fixed(4).of_all({0: candidate, 1: small}, 0, 0) == {0: (3, 4)}
    assert Fixed(4).why_left(small) == "its full rank is 2"
    with pytest.raises(RecipeError, match="Layer 'head' has the full rank 2"):
        Fixed(3).of_all({1: small}, 0, 0)
    with pytest.raises(RecipeError, match="Layer 'conv7' has the full rank 3, 6, and 4, 5 is asked for"):
        Fixed([4, 5]).ranks(candidate)
    with pytest.raises(RecipeError, match="Layer 'conv7' has 2 ranks, and 1 are given"):
        Fixed([4]).ranks(candidate)


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
