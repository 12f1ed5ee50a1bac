"""A kernel in the paper's format, against numbers worked by hand."""

import numpy as np
import pytest

from tools.reproduce.stored import stored


def _kernel(*entries: tuple[int, float]) -> np.ndarray:
    kernel = np.zeros((8, 40), "float32")
    for position, value in entries:
        kernel.flat[position] = value
    return kernel


def test_fillers_are_counted_as_pairs():
    # Distances 1 and 300: in 2 bits 75 pairs for the second one, in 9 bits one. 2 * (2 + 9) = 22 bits is the least:
    # 8 bits take 3 * (2 + 8) = 30.
    one = stored("ip1", _kernel((0, 1.0), (300, -1.0)))
    assert (one.kept, one.clusters, one.pairs, one.weight_bits, one.index_bits) == (2, 2, 2, 2, 9)
    assert one.shared_bytes == 22 / 8 + 2 * 4


def test_a_dense_kernel_takes_the_narrowest_index():
    one = stored("ip1", _kernel(*((position, 1.0 + position % 3) for position in range(0, 300, 2))))
    assert (one.kept, one.index_bits, one.weight_bits, one.pairs) == (150, 2, 2, 150)
    # Every distance but the first is 2: a code of one bit a word for the distances, 1 to 2 bits for the three values.
    assert one.coded_index_bits == pytest.approx(1, abs=0.1)
    assert 1 <= one.coded_weight_bits <= 2


def test_minus_zero_is_zero():
    assert stored("ip1", _kernel((5, -0.0), (6, 1.0))).kept == 1


def test_a_kernel_without_shared_values_is_refused():
    with pytest.raises(ValueError, match="ip1: zero is not the most frequent"):
        stored("ip1", np.ones((4, 4), "float32"))
