import pytest

from tfcompress.card import Card
from tfcompress.errors import RecipeError
from tfcompress.searching.budget import Budget

_BUDGET = Budget.of({"packed_bytes": 100, "latency_ms": {"cortex-a55": 2.0}, "accuracy": 0.8})


def test_the_worst_figure_says_how_far_a_result_is() -> None:
    figures = {"packed_bytes": 110.0, "latency_ms on cortex-a55": 3.0, "accuracy": 0.6}
    assert _BUDGET.excess(figures) == 0.5
    assert _BUDGET.misses(figures) == [
        "packed_bytes 110 of at most 100",
        "latency_ms on cortex-a55 3 of at most 2",
        "accuracy 0.6000 of at least 0.8",
    ]
    assert _BUDGET.excess({"packed_bytes": 100.0, "accuracy": 0.8}) == 0.0
    assert _BUDGET.devices == ("cortex-a55",)


def test_figures_come_from_a_card() -> None:
    measurement = {"device": "cortex-a55", "latency_ms": {"median": 1.5, "p90": 1.5}}
    card = Card({"name": "m", "sha256": ""}, 10, packed_bytes=9, accuracy=0.9, measurements=[measurement])
    figures = _BUDGET.figures(card)
    assert figures == {"packed_bytes": 9.0, "latency_ms on cortex-a55": 1.5, "accuracy": 0.9}
    assert _BUDGET.objectives(figures) == pytest.approx((0.1, 9.0, 1.5))


@pytest.mark.parametrize("accuracy", [None, float("nan")])
def test_a_card_without_a_figure_is_no_result(accuracy: float | None) -> None:
    with pytest.raises(RecipeError, match="no accuracy"):
        Budget.of({"size_bytes": 5}).figures(Card({"name": "m", "sha256": ""}, 10, accuracy=accuracy))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({}, "limits no cost"),
        ({"accuracy": 0.9}, "limits no cost"),
        ({"packed_byte": 3}, "Did you mean 'packed_bytes'"),
        ({"macs": 0}, "positive number"),
        ({"macs": float("nan")}, "positive number"),
        ({"macs": True}, "positive number"),
        ({"latency_ms": 2.0}, "must name devices"),
        ({"macs": 1, "accuracy": 90}, r"share in \(0, 1\]"),
    ],
)
def test_a_budget_that_says_nothing_is_refused(limits: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Budget.of(limits)
