"""A diagnosis names the layer that is to blame, says why, and finds each layer of the model in the file."""

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.spread import Spread
from tfcompress.conversion.converter import convert
from tfcompress.diagnosis.diagnosis import Diagnosis, Remedy, diagnose, remedy_for
from tfcompress.diagnosis.errors_by_layer import TensorError
from tfcompress.errors import DataError, FormatError
from tfcompress.techniques.quantization_aware import QuantizationAware

HEALTHY = TensorError(
    layer="conv",
    tensor="conv",
    operator="CONV_2D",
    type="int8",
    output_snr_db=45.0,
    snr_db=40.0,
    own_snr_db=40.0,
    cosine=1.0,
    clipped=0.0,
    range=(0.0, 6.0),
    used=(0.0, 6.0),
    dead_channels=0,
    spread=1.0,
    tail=1.0,
    shares={"clipping": 0.0, "rounding": 0.9, "shift": 0.0, "weights": 0.1},
)


@pytest.fixture(scope="module")
def diagnosis(spread: Spread) -> Diagnosis:
    return diagnose(spread.model, spread.path, spread.x)


def test_the_layer_with_spread_channels_is_named_first(diagnosis: Diagnosis) -> None:
    first = diagnosis.findings[0]
    assert diagnosis.guilty[0] == first.error.layer == "stem_relu"
    assert first.remedy is Remedy.EQUALIZATION
    assert first.error.spread > 20
    assert first.error.dead_channels >= 1  # the smallest channels are below half a step
    assert first.error.output_snr_db < 20


def test_each_layer_is_found_in_the_file(diagnosis: Diagnosis) -> None:
    layers = {item.error.layer for item in diagnosis.findings}
    assert layers == {"image", "stem_relu", "depthwise_relu", "pointwise_relu", "pool", "head"}
    assert {item.error.type for item in diagnosis.findings} == {"int8"}
    own = {item.error.layer: item.error.own_snr_db for item in diagnosis.findings}
    assert own["image"] > 40  # eight bits, evenly used


def test_the_parts_of_an_error_make_the_whole(diagnosis: Diagnosis) -> None:
    for item in diagnosis.findings:
        assert sum(item.error.shares.values()) == pytest.approx(1.0) or item.error.own_snr_db == 150.0
        assert 0 <= item.error.clipped <= 1
        assert item.error.snr_db <= item.error.own_snr_db + 3


def test_it_prints_a_table_and_gives_json(diagnosis: Diagnosis) -> None:
    text = str(diagnosis)
    assert "stem_relu" in text.splitlines()[3]
    assert "Equalization: its channels differ widely and share one range" in text
    facts = json.loads(diagnosis.to_json())
    assert facts["layers"][0]["layer"] == "stem_relu"
    assert facts["layers"][0]["remedy"] == "equalization"


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({}, Remedy.NONE),
        ({"output_snr_db": 20.0}, Remedy.INT16),
        ({"output_snr_db": 20.0, "type": "int16"}, Remedy.FLOAT),
        ({"output_snr_db": 20.0, "shares": {"weights": 0.6, "rounding": 0.4}}, Remedy.FLOAT),
        ({"output_snr_db": 20.0, "clipped": 0.01}, Remedy.SAMPLES),
        ({"output_snr_db": 20.0, "spread": 30.0}, Remedy.EQUALIZATION),
        ({"output_snr_db": 20.0, "tail": 9.0}, Remedy.RANGES),
        ({"output_snr_db": 20.0, "shares": {"shift": 1.0, "rounding": 0.0}}, Remedy.BIAS),
        ({"output_snr_db": 20.0, "type": "float32"}, Remedy.NONE),
        ({"output_snr_db": 20.0, "own_snr_db": 55.0, "on_grid": True, "spread": 30.0}, Remedy.TRAINING),
        ({"output_snr_db": 20.0, "own_snr_db": 30.0, "on_grid": True, "spread": 30.0}, Remedy.EQUALIZATION),
        ({"output_snr_db": 20.0, "own_snr_db": 55.0}, Remedy.INT16),
    ],
)
def test_what_helps_follows_from_the_error(changes: dict, remedy: Remedy) -> None:
    assert remedy_for(replace(HEALTHY, **changes)) is remedy


def test_a_model_trained_for_quantization_is_compared_on_its_grid(tmp_path: Path) -> None:
    hidden = keras.layers.Dense(16, activation="relu", name="hidden")
    model = keras.Sequential([keras.Input((8,), name="x"), hidden, keras.layers.Dense(4, name="head")])
    x = np.random.default_rng(0).normal(size=(200, 8)).astype("float32")
    technique = QuantizationAware()
    trained = technique.wrap(model)
    trained(x, training=True)  # the ranges
    plain = technique.strip(trained)
    convert(plain, tmp_path / "m.tflite", representative=x)
    found = diagnose(plain, tmp_path / "m.tflite", x)
    assert {item.error.layer for item in found.findings} == {"x", "hidden", "head"}
    assert all(item.error.on_grid and item.error.own_snr_db > 50 for item in found.findings)
    assert found.guilty == ()


def test_samples_that_do_not_fit_and_files_that_are_not_there_are_refused(spread: Spread, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has shape"):
        diagnose(spread.model, spread.path, np.ones((4, 9, 9, 2)))
    with pytest.raises(FormatError, match="is not a file"):
        diagnose(spread.model, tmp_path / "none.tflite", spread.x)


def test_a_file_of_another_model_is_refused(spread: Spread) -> None:
    keras.utils.set_random_seed(5)
    other = keras.Sequential([keras.Input((10, 10, 2)), keras.layers.Conv2D(1, 10, name="other")], name="another")
    with pytest.raises(DataError, match="was not made from the model 'another': its outputs"):
        diagnose(other, spread.path, -spread.x)
