"""A repair tries what the diagnosis recommends and writes the best file."""

from pathlib import Path

import numpy as np
import pytest

from tests.spread import Spread
from tfcompress.card import Card
from tfcompress.conversion.converter import convert
from tfcompress.diagnosis.diagnosis import diagnose
from tfcompress.diagnosis.repairing import Predict, repair
from tfcompress.errors import ConversionError, DataError, OutputError
from tfcompress.tflite.inspection import inspect

pytestmark = pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")


@pytest.mark.slow
def test_the_file_is_mended_on_the_users_metric(spread: Spread, tmp_path: Path) -> None:
    right = np.asarray(spread.model(spread.x)).argmax(axis=-1)

    def agreement(predict: Predict) -> float:
        return float((predict(spread.x).argmax(axis=-1) == right).mean())

    mended = repair(spread.model, spread.path, spread.x, tmp_path / "mended.tflite", evaluate=agreement)
    assert mended.metric == "agreement"
    assert mended.model_score == 1.0
    assert mended.trials[0].score < mended.best.score
    assert "Equalization" in mended.best.steps
    assert inspect(tmp_path / "mended.tflite").arithmetic == "int8 throughout"
    assert Card.load_beside(tmp_path / "mended.tflite") == mended.card
    assert diagnose(spread.model, tmp_path / "mended.tflite", spread.x).output_snr_db > mended.before.output_snr_db + 6
    assert "as it was" in str(mended)
    assert "written" in str(mended)


@pytest.mark.slow
def test_a_float_file_has_nothing_to_repair(spread: Spread, tmp_path: Path) -> None:
    convert(spread.model, tmp_path / "float.tflite", mode="float32")
    with pytest.raises(ConversionError, match="the repairs are for int8 and int16x8 files"):
        repair(spread.model, tmp_path / "float.tflite", spread.x, tmp_path / "mended.tflite")


def test_a_file_is_not_overwritten_and_a_metric_must_be_a_number(spread: Spread, tmp_path: Path) -> None:
    (tmp_path / "there.tflite").write_bytes(b"x")
    with pytest.raises(OutputError):
        repair(spread.model, spread.path, spread.x, tmp_path / "there.tflite")
    with pytest.raises(DataError, match="The metric gave nan"):
        repair(spread.model, spread.path, spread.x, tmp_path / "new.tflite", evaluate=lambda predict: float("nan"))
