import numpy as np

from tfcompress.techniques.keeping import keeping
from tfcompress.techniques.technique import Property
from tfcompress.transforms.codebook import Codebook, IntegerCodebook
from tfcompress.transforms.magnitude_mask import MagnitudeMask

NOTHING = frozenset[Property]()
GENERATOR = np.random.default_rng(0)
NORMAL = GENERATOR.normal(size=(3, 3, 6, 6)).astype("float32")


def _integers(shape: tuple[int, ...], values: tuple[int, ...], scales: np.ndarray) -> np.ndarray:
    """Integers drawn from `values`, which hold 127, times a scale for each last channel."""
    drawn = GENERATOR.choice(values, shape)
    drawn.reshape(-1, shape[-1])[0] = 127
    return (drawn * scales).astype("float32")


def test_trained_weights_need_no_keeping() -> None:
    assert keeping(NORMAL, (3,), NOTHING) == []


def test_zeros_are_kept_by_a_mask_unless_the_technique_prunes() -> None:
    pruned = np.where(np.abs(NORMAL) < 1, 0, NORMAL)
    (mask,) = keeping(pruned, (3,), NOTHING)
    assert isinstance(mask, MagnitudeMask)
    assert keeping(pruned, (3,), frozenset({Property.SPARSITY})) == []


def test_few_integers_times_scales_are_kept_as_integers_also_where_their_products_are_few_floats() -> None:
    # 8 integers times 6 scales are at most 48 floats in 324 entries, few enough to pass for a codebook of floats.
    kernel = _integers((3, 3, 6, 6), (-127, -60, -20, -3, 4, 30, 80, 127), np.linspace(0.01, 0.02, 6))
    (codebook,) = keeping(kernel, (3,), NOTHING)
    assert isinstance(codebook, IntegerCodebook)
    assert codebook.clusters == 8 + 3


def test_integers_of_a_small_kernel_are_kept_where_two_entries_share_each() -> None:
    kernel = _integers((6, 3), (-127, -50, -4, 127), np.array([0.01, 0.02, 0.03]))
    assert [type(item) for item in keeping(kernel, (1,), NOTHING)] == [IntegerCodebook]


def test_few_floats_of_a_whole_kernel_or_of_each_channel_are_kept_as_floats() -> None:
    values = np.array([-1.0, -0.31, 0.27, 0.77], "float32")
    (whole,) = keeping(GENERATOR.choice(values, (8, 9)), (1,), NOTHING)
    assert type(whole) is Codebook
    assert not whole.per_channel
    assert whole.clusters == 4 + 1
    own = np.stack([GENERATOR.choice(GENERATOR.normal(size=4), 300) for _ in range(20)], axis=1).astype("float32")
    (channels,) = keeping(own, (1,), NOTHING)
    assert type(channels) is Codebook
    assert channels.per_channel


def test_a_technique_that_clusters_anew_keeps_no_codebook() -> None:
    kernel = _integers((3, 3, 6, 6), (-127, -60, 30, 127), np.linspace(0.01, 0.02, 6))
    assert keeping(kernel, (3,), frozenset({Property.CLUSTERS})) == []
