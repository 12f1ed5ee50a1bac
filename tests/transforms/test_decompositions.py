import sys

import numpy as np
import pytest
from tensorly.decomposition import partial_tucker

from tfcompress.errors import MissingPackageError
from tfcompress.transforms.decompositions import cp, relative_error, singular_values, truncated, tucker2, unfolding


def test_the_truncated_product_is_the_best_of_its_rank() -> None:
    matrix = np.random.default_rng(0).normal(size=(7, 5))
    left, right = truncated(matrix, 2)
    values = np.linalg.svd(matrix, compute_uv=False)
    assert np.linalg.norm(matrix - left @ right) == pytest.approx(np.linalg.norm(values[2:]))
    np.testing.assert_allclose(np.linalg.norm(left, axis=0), np.linalg.norm(right, axis=1))


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (1, 5), (5, 5)])
def test_singular_values_are_those_of_an_svd(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(1).normal(size=shape).astype("float32")
    expected = np.linalg.svd(matrix.astype("float64"), compute_uv=False)
    np.testing.assert_allclose(singular_values(matrix), expected, atol=1e-6)


def composed(kernel: np.ndarray, inner: int, outer: int) -> np.ndarray:
    before, core, after = tucker2(kernel, inner, outer)
    return np.einsum("hwab,sa,tb->hwst", core, before, after)


def test_tucker_finds_the_exact_ranks_of_a_kernel() -> None:
    generator = np.random.default_rng(2)
    core = generator.normal(size=(3, 3, 2, 4))
    kernel = np.einsum("hwab,sa,tb->hwst", core, generator.normal(size=(8, 2)), generator.normal(size=(9, 4)))
    assert relative_error(kernel, composed(kernel, 2, 4)) < 1e-10
    assert relative_error(kernel, composed(kernel, 2, 3)) > 1e-2


def test_tucker_is_as_near_as_tensorly_gets() -> None:
    kernel = np.random.default_rng(3).normal(size=(3, 3, 12, 10))
    (core, (before, after)), _ = partial_tucker(kernel, rank=[4, 5], modes=[2, 3], n_iter_max=200, tol=1e-9)
    theirs = relative_error(kernel, np.einsum("hwab,sa,tb->hwst", core, before, after))
    assert relative_error(kernel, composed(kernel, 4, 5)) == pytest.approx(theirs, rel=0.01)


def test_tucker_with_full_ranks_is_exact() -> None:
    kernel = np.random.default_rng(4).normal(size=(3, 1, 5, 6))
    assert relative_error(kernel, composed(kernel, 5, 6)) < 1e-10


def test_cp_finds_the_terms_of_a_kernel_and_shares_their_norm() -> None:
    generator = np.random.default_rng(5)
    parts = [generator.normal(size=(size, 2)) for size in (3, 3, 6, 5)]
    kernel = np.einsum("hr,wr,sr,tr->hwst", *parts)
    found = cp(kernel, 2)
    assert relative_error(kernel, np.einsum("hr,wr,sr,tr->hwst", *found)) < 0.01
    norms = [np.linalg.norm(part, axis=0) for part in found]
    np.testing.assert_allclose(norms[1:], [norms[0]] * 3)


def test_an_unfolding_has_its_axis_as_rows() -> None:
    kernel = np.arange(24).reshape(1, 2, 3, 4)
    assert unfolding(kernel, 3).shape == (4, 6)
    np.testing.assert_array_equal(unfolding(kernel, 2)[1], [4, 5, 6, 7, 16, 17, 18, 19])


def test_without_tensorly_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorly", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'tfcompress\[lowrank\]'"):
        cp(np.ones((1, 1, 2, 2)), 1)
