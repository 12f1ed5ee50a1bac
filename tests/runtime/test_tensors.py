"""The tensors inside a file, on samples."""

from pathlib import Path

import numpy as np
import pytest

from tests.spread import Spread
from tfcompress.errors import DataError, FormatError
from tfcompress.runtime.session import predict
from tfcompress.runtime.tensors import run_tensors


def test_the_last_tensor_is_what_the_file_answers(spread: Spread) -> None:
    found = run_tensors(spread.path, spread.x[:5])
    assert [item.operator for item in found][:3] == ["", "QUANTIZE", "CONV_2D"]
    low, high = found[-2].range or (0.0, 0.0)
    # Delegates may round a tie the other way.
    np.testing.assert_allclose(found[-1].values, predict(spread.path, spread.x[:5]), atol=2.5 * (high - low) / 255)
    assert all(len(item.values) == 5 for item in found)


def test_stored_values_lie_in_the_range_that_is_told(spread: Spread) -> None:
    for item in run_tensors(spread.path, spread.x[:3]):
        if item.range is not None:
            assert item.range[0] - 1e-6 <= item.values.min() <= item.values.max() <= item.range[1] + 1e-6
            assert item.stored.dtype == np.int8
        else:
            assert item.tensor.type == "float32"


def test_what_is_no_file_or_does_not_fit_is_refused(spread: Spread, tmp_path: Path) -> None:
    (tmp_path / "no.tflite").write_bytes(b"TFL3")
    with pytest.raises(FormatError):
        run_tensors(tmp_path / "no.tflite", spread.x)
    with pytest.raises(DataError, match="these samples do not fit it"):
        run_tensors(spread.path, np.ones((2, 3, 3, 2), np.float32))
