"""Low rank plus sparse: exact sums are found, limits are kept, every rank is reached."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcompress.transforms.bilateral_projection import low_rank_plus_sparse


def sum_of_both(rows: int, columns: int, rank: int, nonzeros: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    low = generator.normal(size=(rows, rank)) @ generator.normal(size=(rank, columns))
    sparse = np.zeros((rows, columns))
    sparse.flat[generator.choice(rows * columns, nonzeros, replace=False)] = 10 * generator.choice([-1, 1], nonzeros)
    return low + sparse, sparse


@pytest.mark.parametrize(("rows", "columns", "rank", "nonzeros"), [(40, 30, 3, 25), (20, 60, 2, 40)])
def test_both_parts_of_an_exact_sum_are_found(rows: int, columns: int, rank: int, nonzeros: int) -> None:
    matrix, sparse = sum_of_both(rows, columns, rank, nonzeros)
    found = low_rank_plus_sparse(matrix, rank, nonzeros)
    assert found.error < 1e-3
    np.testing.assert_array_equal(found.sparse != 0, sparse != 0)
    np.testing.assert_allclose(found.left @ found.right + found.sparse, matrix, atol=0.05)


def test_without_a_sparse_part_it_is_the_best_of_its_rank() -> None:
    matrix = np.random.default_rng(1).normal(size=(30, 20)) @ np.diag(0.7 ** np.arange(20))
    values = np.linalg.svd(matrix, compute_uv=False)
    found = low_rank_plus_sparse(matrix, 6, 0)
    assert not found.sparse.any()
    assert found.error == pytest.approx(np.sqrt((values[6:] ** 2).sum() / (values**2).sum()), rel=0.01)


def test_it_keeps_its_limits_and_beats_either_part_alone() -> None:
    matrix, _ = sum_of_both(30, 30, 8, 60)
    both = low_rank_plus_sparse(matrix, 4, 30)
    assert np.count_nonzero(both.sparse) == 30
    assert both.left.shape == (30, 4)
    assert both.error < low_rank_plus_sparse(matrix, 4, 0).error


def test_rows_of_importance_are_fitted_better() -> None:
    matrix = np.random.default_rng(2).normal(size=(20, 20))
    importance = np.where(np.arange(20) < 5, 10.0, 0.1)

    def error_of_the_first(importance: np.ndarray | None) -> float:
        found = low_rank_plus_sparse(matrix, 5, 10, importance)
        return float(np.linalg.norm((matrix - found.left @ found.right - found.sparse)[:5]))

    assert error_of_the_first(importance) < 0.5 * error_of_the_first(None)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 24), st.integers(2, 24), st.floats(0, 0.5), st.data())
def test_every_rank_is_reached(rows: int, columns: int, share: float, data: st.DataObject) -> None:
    rank, seed = data.draw(st.integers(1, min(rows, columns))), data.draw(st.integers(0, 99))
    matrix = np.random.default_rng(seed).normal(size=(rows, columns))
    matrix[:, : data.draw(st.integers(0, columns // 2))] = 0  # dead channels
    nonzeros = int(share * matrix.size)
    found = low_rank_plus_sparse(matrix, rank, nonzeros)
    assert (found.left.shape, found.right.shape) == ((rows, rank), (rank, columns))
    assert np.count_nonzero(found.sparse) <= nonzeros
    rest = np.linalg.norm(matrix - found.left @ found.right - found.sparse) / (np.linalg.norm(matrix) or 1)
    assert found.error == pytest.approx(rest, abs=1e-9)
