"""What is measured, predicted and proposed before anything is trained."""

from pathlib import Path

import numpy as np
import pytest

from tests.searching import small_search
from tfcompress.errors import DataError
from tfcompress.searching.budget import Budget
from tfcompress.searching.knowledge import Knowledge, measure_knowledge, on_few_values
from tfcompress.searching.prediction import Prediction
from tfcompress.searching.proposing import Proposals
from tfcompress.searching.space import Choice
from tfcompress.searching.structures import Structures
from tfcompress.transforms.sensitivity_table import KernelCurve, SensitivityTable


def _never(model: object, path: Path) -> None:
    raise AssertionError("no file is needed where the budget limits none")


@pytest.fixture(scope="module")
def proposals() -> Proposals:
    model = small_search.trained()
    knowledge = measure_knowledge(model, small_search.evaluate, small_search.SPACE.clusters)
    budget = Budget.of({"packed_bytes": 3500, "macs": 1500})
    return Proposals(
        small_search.SPACE, budget, Structures(model, _never, tuple(budget.costs)), Prediction.of(model, knowledge)
    )


def test_first_proposals_fit_and_lose_least(proposals: Proposals) -> None:
    first = proposals.first(4)
    assert len(first) == len(set(first)) >= 1
    for choice in first:
        assert proposals.misses(choice) == []
        assert proposals.prediction.costs(choice, proposals.structures.of(choice))["packed_bytes"] <= 0.95 * 3500


def test_a_graph_that_has_too_many_macs_is_proven_to_miss(proposals: Proposals) -> None:
    whole = 16 * 48 + 48 * 24 + 24 * 3
    assert proposals.misses(Choice(sparsity=0.8)) == [f"macs {whole:,} of at most 1,500"]
    assert proposals.misses(Choice(channels=0.5)) == []


def test_a_graph_that_cannot_be_made_says_why(proposals: Proposals) -> None:
    (problem,) = proposals.misses(Choice(channels=0.001))
    assert "ChannelPruning" in problem


def test_more_zeros_and_fewer_values_are_predicted_to_be_smaller(proposals: Proposals) -> None:
    def predicted(**settings: object) -> float:
        choice = Choice(channels=0.5, **settings)  # type: ignore[arg-type]
        return proposals.prediction.costs(choice, proposals.structures.of(choice))["packed_bytes"]

    assert predicted() > predicted(sparsity=0.5) > predicted(sparsity=0.8)
    assert predicted() > predicted(clusters=16)


def test_losses_of_kernels_add_up_between_the_measured_shares() -> None:
    curves = KernelCurve("a/kernel", 100, (0.9, 0.5)), KernelCurve("b/kernel", 100, (0.9, 0.9))
    knowledge = Knowledge(
        SensitivityTable(0.9, (0.5, 0.9), curves), (8, 16), {"a/kernel": (0.2, 0.1), "b/kernel": (0.0, 0.0)}
    )
    assert knowledge.shares(0.7) == {"a/kernel": 0.5, "b/kernel": 0.9}
    assert knowledge.loss(0.7, 0) == 0.0
    assert knowledge.loss(0.8, 16) == pytest.approx(0.4 * 0.5 + 0.1)
    assert knowledge.loss(0.0, 8) == pytest.approx(0.2)
    assert knowledge.shares(0.99) == {"a/kernel": 0.99, "b/kernel": 0.99}


def test_knowledge_survives_its_files(proposals: Proposals, tmp_path: Path) -> None:
    knowledge = proposals.prediction.knowledge
    knowledge.save(tmp_path)
    assert Knowledge.load(tmp_path) == knowledge
    assert Knowledge.load(tmp_path / "nowhere") is None


def test_an_evaluation_that_gives_no_number_is_refused() -> None:
    with pytest.raises(DataError, match="evaluate gave None"):
        measure_knowledge(small_search.trained(), lambda model: None, (16,))


def test_few_values_are_few_and_near() -> None:
    values = np.random.default_rng(0).normal(size=(30, 20)).astype("float32")
    few = on_few_values(values, 8)
    assert len(np.unique(few)) == 8
    assert few.dtype == values.dtype
    assert np.abs(few - values).mean() < 0.2
    assert on_few_values(values, 1000) is values
