from dataclasses import replace
from pathlib import Path

from tfcompress.searching.budget import Budget
from tfcompress.searching.results import SearchResult, Trial
from tfcompress.searching.space import Choice

_BUDGET = Budget({"packed_bytes": 100.0}, accuracy=0.5)


def _trial(number: int, accuracy: float | None, size: float = 0.0, why: str = "", trained: bool = True) -> Trial:
    figures = None if accuracy is None else {"accuracy": accuracy, "packed_bytes": size}
    return Trial(number, Choice(sparsity=number / 10), Path("trials") / str(number), figures, why, trained, 1.0)


def test_the_front_is_what_meets_the_budget_and_is_not_dominated() -> None:
    trials = (_trial(0, 0.9, 90), _trial(1, 0.8, 95), _trial(2, 0.7, 50), _trial(3, 0.99, 101), _trial(4, 0.4, 10))
    result = SearchResult(Path(), _BUDGET, trials)
    assert [trial.number for trial in result.front] == [0, 2]
    assert result.shortfall == ""
    rows = [line.split() for line in str(result).splitlines()[-2:]]
    assert rows == [
        ["0", "0.9000", "90", "1", "1", "0", "-", "no"],
        ["2", "0.7000", "50", "1", "1", "0.2", "-", "no"],
    ]


def test_a_budget_beyond_reach_says_how_close_it_got() -> None:
    result = SearchResult(
        Path(), _BUDGET, (_trial(0, 0.9, 150), _trial(1, 0.9, 120), _trial(2, None, why="it crashed"))
    )
    assert result.front == ()
    assert result.shortfall == "No recipe met the budget. The nearest is trial 1: packed_bytes 120 of at most 100."
    assert str(result).splitlines() == [
        "3 trials trained, 1 of them failed; 0 were refused without training",
        "trial 2 failed: it crashed",
        result.shortfall,
    ]


def test_a_search_in_which_nothing_was_trained_says_why() -> None:
    far, near = (_trial(i, None, why=f"macs {9 - i} of at most 5", trained=False) for i in range(2))
    again = _trial(2, None, why="it was tried before", trained=False)
    result = SearchResult(Path(), _BUDGET, (replace(far, excess=0.8), replace(near, excess=0.6), again))
    assert result.nearest is None
    assert result.shortfall.endswith("no trial was finished. The nearest was: macs 8 of at most 5.")
