from dataclasses import replace

import pytest

import tfcompress as tfc
from tfcompress.errors import RecipeError
from tfcompress.searching.space import Choice, SearchSpace, recipe_for


def test_numbers_stand_for_choices_and_back() -> None:
    space = SearchSpace()
    choice = Choice(channels=0.55, sparsity=0.8, clusters=16, trained_ranges=True)
    assert space.choice(space.indices(choice)) == choice
    assert space.size == 6 * 9 * 5 * 2


def test_weights_become_zero_on_the_smaller_graph_before_what_is_left_shares_values() -> None:
    recipe = recipe_for(Choice(channels=0.5, sparsity=0.8, clusters=16, trained_ranges=True), {"a/kernel": 0.8})
    assert recipe is not None
    assert list(recipe) == [
        tfc.ChannelPruning(macs=0.5),
        tfc.MagnitudePruning(layers={"a/kernel": 0.8}),
        tfc.Together([tfc.WeightClustering(clusters=16), tfc.QuantizationAware()]),
    ]
    assert recipe == tfc.Recipe.from_toml(recipe.to_toml())


def test_one_technique_stands_alone_and_none_is_no_recipe() -> None:
    assert recipe_for(Choice(), {}) is None
    assert recipe_for(Choice(clusters=8), {}) == tfc.Recipe([tfc.WeightClustering(clusters=8)])


def test_low_rank_makes_kernels_that_were_never_measured() -> None:
    recipe = recipe_for(Choice(rank=0.5, sparsity=0.6), {"a/kernel": 0.9})
    assert recipe == tfc.Recipe([tfc.LowRank(macs=0.5), tfc.MagnitudePruning(sparsity=0.6)])


def test_a_structure_is_what_the_graph_depends_on() -> None:
    choice = Choice(channels=0.5)
    assert replace(choice, sparsity=0.9, clusters=8).structure == choice.structure
    assert replace(choice, rank=0.5).structure != choice.structure


@pytest.mark.parametrize(
    "settings",
    [{"channels": ()}, {"channels": (0.0,)}, {"sparsity": (1.0,)}, {"clusters": (4,)}, {"trained_ranges": (2,)}],
)
def test_values_out_of_range_are_refused(settings: dict[str, tuple[object, ...]]) -> None:
    with pytest.raises(RecipeError, match=f"SearchSpace: {next(iter(settings))} must be"):
        SearchSpace(**settings)  # type: ignore[arg-type]
