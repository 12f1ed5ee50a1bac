"""Layers that stay costly are kept in int16 or float, by their cause, and only where that gains something."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.diagnosis.test_diagnosis import HEALTHY
from tests.spread import Spread
from tfcompress.card import Card
from tfcompress.conversion.converter import convert
from tfcompress.diagnosis.diagnosis import Diagnosis, Finding, diagnose, remedy_for
from tfcompress.diagnosis.repairing import repair
from tfcompress.diagnosis.trials import Trials
from tfcompress.diagnosis.widening import told, widen, wider
from tfcompress.runtime.session import predict
from tfcompress.tflite.inspection import inspect

L = keras.layers


def _diagnosis(**causes: str) -> Diagnosis:
    """Of layers that cost much, each by the cause that is given; "" for one that costs nothing."""
    findings = []
    for layer, cause in causes.items():
        shares = {"rounding": 0.0, "weights": 0.0, "clipping": 0.0, "shift": 0.0} | ({cause: 1.0} if cause else {})
        error = replace(HEALTHY, layer=layer, output_snr_db=10.0 if cause else 60.0, shares=shares)
        findings.append(Finding(error, remedy_for(error)))
    return Diagnosis("m.tflite", 8, 10.0, tuple(findings), ())


def test_the_cause_decides_between_int16_and_float() -> None:
    assert wider(_diagnosis(stem="rounding", head="weights", pool=""), {}) == {"stem": "int16", "head": "float32"}


def test_what_int16_did_not_mend_becomes_float_and_the_rest_stays() -> None:
    before = {"stem": "int16", "mid": "int16"}
    assert wider(_diagnosis(stem="rounding", mid=""), before) == {"stem": "float32", "mid": "int16"}


def test_a_step_of_many_layers_names_four() -> None:
    assert told(dict.fromkeys("abcdef", "int16")) == "int16 for a, b, c, d and 2 more"


def test_a_score_must_rise_for_a_file_to_be_taken(tmp_path: Path) -> None:
    files = [tmp_path / f"{size}.tflite" for size in (3, 1, 2)]
    for file in files:
        file.write_bytes(b"x" * int(file.stem))
    scores = iter([1.0, 1.0, 2.0])
    trials = Trials(lambda predict: next(scores), files[0])
    assert not trials.attempt(("a",), files[1])
    assert trials.attempt(("b",), files[2])
    assert (trials.best.steps, trials.best.bytes, trials.file) == (("b",), 2, files[2])


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Spread:
    """A model whose inputs have units of their own, from 1 to 4,096, which no equalization reaches; its int8 file."""
    path = tmp_path_factory.mktemp("units") / "units.tflite"
    keras.utils.set_random_seed(0)
    scales = np.exp2(np.arange(0.0, 13.0)).astype("float32")
    hidden = L.Dense(16, activation="relu", name="hidden")
    model = keras.Sequential([keras.Input((len(scales),), name="x"), hidden, L.Dense(3, name="head")], name="units")
    hidden.kernel.assign(hidden.kernel.numpy() / scales[:, None])
    x = np.random.default_rng(0).normal(size=(120, len(scales))).astype("float32") * scales
    convert(model, path, representative=x, check_scale=False)
    return Spread(model, x, path)


def test_what_cannot_be_mixed_is_said(units: Spread, tmp_path: Path) -> None:
    trials = Trials(lambda predict: 0.0, units.path)
    after, said = widen(units.model, (), trials, {"x": units.x}, {"mode": "int8", "io": "uint8", "batch": 1}, tmp_path)
    assert "no uint8 inputs and outputs" in said
    assert after.guilty
    assert len(trials.done) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")
def test_costly_layers_are_kept_in_more_bits_and_the_file_says_so(units: Spread, tmp_path: Path) -> None:
    path = tmp_path / "mended.tflite"
    mended = repair(units.model, units.path, units.x, path)
    assert mended.best.steps[-1] == "int16 for head; float for x, hidden"  # a float operator reads the input as it is
    assert mended.best.score > max(trial.score for trial in mended.trials if " for " not in str(trial.steps)) + 10
    assert mended.after.output_snr_db > mended.before.output_snr_db + 10
    assert mended.best.bytes == path.stat().st_size
    assert f"{mended.best.bytes:,}" in str(mended)
    facts = inspect(path)
    assert "int16" in {item.arithmetic for item in facts.operators}
    assert [port["type"] for port in (*facts.inputs, *facts.outputs)] == ["float32", "float32"]
    assert mended.card == Card.load_beside(path)
    assert mended.card.conversion["kept"]
    assert mended.card.compression_rate == pytest.approx(4 * units.model.count_params() / mended.best.bytes)
    exact = np.asarray(units.model(units.x))
    before, after = (np.square(predict(file, units.x) - exact).sum() for file in (units.path, path))
    assert after < before / 10


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")
def test_more_bits_are_not_taken_where_the_metric_gains_nothing(units: Spread, tmp_path: Path) -> None:
    path = tmp_path / "mended.tflite"
    mended = repair(units.model, units.path, units.x, path, evaluate=lambda predict: 1.0)
    assert mended.best.steps == ()
    assert path.read_bytes() == units.path.read_bytes()
    assert mended.after.guilty == diagnose(units.model, units.path, units.x).guilty
    assert "quantization-aware training" in str(mended)
