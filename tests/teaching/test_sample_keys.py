import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tfcompress as tfc
from tfcompress.teaching.sample_keys import sample_keys


@given(st.integers(0, 2**16), st.integers(1, 9), st.sampled_from(["float32", "int32", "uint8"]))
@settings(max_examples=50, deadline=None)
def test_keys_differ_wherever_samples_do(seed: int, size: int, dtype: str) -> None:
    generator = np.random.default_rng(seed)
    # Values that differ in few and high bits only, as those of binary images do.
    samples = generator.choice(np.array([0, 1, 2, 128], dtype), size=(60, size))
    if dtype == "float32":
        samples *= generator.choice(np.array([-1, 1], dtype), size=samples.shape)
    keys = sample_keys([samples])
    rows = {row.tobytes(): key for row, key in zip(samples, keys, strict=True)}
    assert len(set(rows.values())) == len(rows)


def test_keys_depend_on_all_inputs_and_their_places() -> None:
    one, other = np.array([[1.0], [2.0]], "float32"), np.array([[2.0], [1.0]], "float32")
    keys = sample_keys([one, other])
    assert keys[0] != keys[1]


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_lengths_and_splits_of_samples_are_a_part_of_their_keys(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(0, 5), min_size=2, max_size=2, unique=True))
    dtype = data.draw(st.sampled_from(["float32", "int32", "int64"]))
    short, long = (np.zeros((1, length), dtype) for length in lengths)
    assert sample_keys([short]) != sample_keys([long])
    assert sample_keys([short, long]) != sample_keys([long, short])
    value = np.ones((1, 3), dtype)
    assert sample_keys([np.concatenate([value, short], axis=1)]) != sample_keys([np.concatenate([value, long], axis=1)])


def test_keys_do_not_depend_on_the_width_of_a_type_and_see_all_its_values() -> None:
    small, large = np.array([[5, -1]]), np.array([[5 + 2**32, -1]])
    for dtype in ("int8", "int32", "int64"):
        assert sample_keys([small.astype(dtype)]) == sample_keys([small])
    assert sample_keys([large]) != sample_keys([small])
    assert sample_keys([np.array([[0.5]], "float16")]) == sample_keys([np.array([[0.5]], "float64")])
    assert sample_keys([np.array([["5"]])]) == sample_keys([np.array([[b"5"]], object)]) != sample_keys([small[:, :1]])
    with pytest.raises(tfc.TfCompressError, match="the type complex64, by which samples cannot be known again"):
        sample_keys([np.ones((2, 1), "complex64")])
