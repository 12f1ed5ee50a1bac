"""What the benchmark of the search compares; the training itself is too long for a test."""

from pathlib import Path

from tfcompress.searching.budget import Budget
from tfcompress.searching.space import Choice, SearchSpace
from tools.bench_search import Row, best, random_choices, single_techniques

_BUDGET = Budget({"packed_bytes": 100.0}, accuracy=0.8)


def _row(accuracy: float, size: float) -> Row:
    return Row("search", Choice(), Path(), accuracy, size)


def test_the_best_is_the_most_accurate_within_the_budget_else_the_nearest() -> None:
    within, better, beyond = _row(0.85, 100), _row(0.9, 90), _row(0.99, 101)
    assert best([within, beyond, better], _BUDGET) is better
    assert best([_row(0.9, 200), beyond], _BUDGET) is beyond


def test_random_choices_differ_and_come_back_alike() -> None:
    chosen = random_choices(SearchSpace(), 20)
    assert len(set(chosen)) == 20
    assert chosen == random_choices(SearchSpace(), 20)
    small = SearchSpace(channels=(1.0,), sparsity=(0.0, 0.5), clusters=(0,), trained_ranges=(False,))
    assert len(random_choices(small, 20)) == 2


def test_a_single_technique_is_alone() -> None:
    for choices in single_techniques(SearchSpace()).values():
        for choice in choices:
            changed = [name for name, value in vars(choice).items() if value != getattr(Choice(), name)]
            assert len(changed) <= 1
