"""The tables of the groups, against matrices and against trying."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcompress.errors import RecipeError
from tfcompress.layers.symmetry import P4, P4M, Group, bank_indices, is_symmetric, named_group

both = pytest.mark.parametrize("group", [P4, P4M], ids=["p4", "p4m"])


def matrix(element: int) -> np.ndarray:
    """What an element does to coordinates (x to the right, y up)."""
    quarter, reflection = np.array([[0, -1], [1, 0]]), np.array([[-1, 0], [0, 1]])
    return np.linalg.matrix_power(quarter, element % 4) @ np.linalg.matrix_power(reflection, element // 4)


@both
def test_products_and_inverses_are_those_of_matrices(group: Group) -> None:
    for left in range(group.order):
        assert np.array_equal(matrix(left) @ matrix(group.inverse(left)), np.eye(2))
        for right in range(group.order):
            assert np.array_equal(matrix(group.product(left, right)), matrix(left) @ matrix(right))


@both
def test_acting_moves_each_pixel_as_the_matrix_says(group: Group) -> None:
    image = np.arange(9).reshape(3, 3)
    for element in range(group.order):
        acted = group.act(element, image)
        for row in range(3):
            for column in range(3):
                # The pixel now here was at g^-1 of this place.
                x, y = matrix(group.inverse(element)) @ (column - 1, 1 - row)
                assert acted[row, column] == image[1 - y, x + 1]


@both
def test_acting_on_features_twice_is_acting_by_the_product(group: Group) -> None:
    features = np.random.default_rng(0).normal(size=(2, 3, 4, 3 * group.order))
    for left, right in [(1, 2), (3, 3), (group.order - 1, 1), (1, group.order - 1)]:
        twice = group.act_on_features(left, group.act_on_features(right, features))
        np.testing.assert_array_equal(twice, group.act_on_features(group.product(left, right), features))


@both
def test_each_copy_of_a_filter_has_each_of_its_entries_once(group: Group) -> None:
    for orientations in (1, group.order):
        indices = bank_indices(group.name, 3, orientations)
        assert indices.shape == (9 * orientations, group.order)
        assert all(sorted(copy) == list(range(9 * orientations)) for copy in indices.T)
        assert len({tuple(copy) for copy in indices.T}) == group.order


@given(
    size=st.integers(1, 30),
    window=st.integers(1, 6),
    stride=st.integers(1, 5),
    padding=st.sampled_from(["valid", "same"]),
)
def test_symmetric_places_are_those_that_a_reflection_maps_to_each_other(
    size: int, window: int, stride: int, padding: str
) -> None:
    if padding == "valid" and size < window:
        return
    places = -(-size // stride) if padding == "same" else (size - window) // stride + 1
    # TensorFlow's rule for the first pixel of the first window.
    before = max((places - 1) * stride + window - size, 0) // 2 if padding == "same" else 0
    first = [place * stride - before for place in range(places)]
    reflected = sorted(size - (start + window) for start in first)
    assert is_symmetric(size, window, stride, padding) == (reflected == first)


def test_an_unknown_group_is_told_from_the_known_ones() -> None:
    with pytest.raises(RecipeError, match=r"'p5'.*'p4'"):
        named_group("p5")
