"""The benchmark of repairs: its table, that spread channels compute the same, and, slowly, what it promises."""

import json
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tools.bench_repairs import NETWORK, Outcome, kept_outcomes, outcomes, spread, table
from tools.bench_techniques import slug, trained
from tools.datasets import load
from tools.train_lenet5 import pixels


def test_the_table_has_the_loss_in_points_over_the_seeds() -> None:
    found = [[Outcome("int8", 0.88, 0.90)], [Outcome("int8", 0.86, 0.90)]]
    lines = table(found).splitlines()
    assert lines[2] == "| int8 | 0.8700 | 3.00 | 2.00 | 4.00 |"
    assert lines[-1] == "The float model: 0.9000. Seeds: 2."


def test_a_seed_that_was_measured_is_read_back(tmp_path: Path) -> None:
    found = [Outcome("int8", 0.88, 0.90)]
    kept = tmp_path / "outcomes-3.json"
    kept.write_text(json.dumps({"rows": [asdict(one) for one in found], "said": "doubtful"}), encoding="utf-8")
    assert kept_outcomes(tmp_path, 3) == (found, "doubtful")


def test_spread_channels_compute_the_same() -> None:
    keras.utils.set_random_seed(0)
    model = NETWORK.build()
    x = np.random.default_rng(0).random((4, 28, 28, 1), np.float32)
    wide = spread(model, 8.0, seed=0)
    np.testing.assert_allclose(np.asarray(wide(x)), np.asarray(model(x)), rtol=1e-4, atol=1e-5)
    factors = wide.get_layer("stem_norm").gamma.numpy()
    assert factors.max() / factors.min() > 16


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")
def test_the_cliff_is_there_and_equalization_brings_the_accuracy_back(tmp_path: Path) -> None:
    found, said = outcomes(tmp_path, seed=0, only="channels spread")
    losses = {one.name: 100 * (one.float_accuracy - one.accuracy) for one in found}
    assert losses["channels spread, int8"] >= 10
    assert losses["channels spread, Equalization, BiasCorrection"] <= 1
    assert losses["channels spread, Equalization, BiasCorrection without data"] <= 1
    assert "Equalization" in said
    images = load(NETWORK.dataset)
    model = trained(NETWORK, images, 0, tmp_path / f"{slug(NETWORK.name)}-0.keras")
    wide, samples = spread(model, 8.0, 0), pixels(images.x_train[:200])
    path = tmp_path / f"{slug('channels spread, int8')}-0.tflite"
    mended = tfc.repair(wide, path, samples, tmp_path / "mended.tflite")
    assert "Equalization" in mended.best.steps
    assert mended.best.score > mended.trials[0].score + 10


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_doctor_and_diagnosis_name_the_layers_that_were_spread(tmp_path: Path) -> None:
    images = load(NETWORK.dataset)
    model = trained(NETWORK, images, 0, tmp_path / "model.keras")
    samples, path = pixels(images.x_train[:200]), tmp_path / "m.tflite"
    wide = spread(model, 10.0, 0, only=("pointwise1", "pointwise3"))
    tfc.convert(wide, path, representative=samples)
    guilty = {"pointwise1_relu", "pointwise3_relu"}
    assert set(tfc.check_representative(wide, samples).guilty[:2]) == guilty
    assert set(tfc.diagnose(wide, path, samples).guilty[:2]) == guilty


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")
def test_adaptive_rounding_brings_half_of_what_four_bits_lose_back(tmp_path: Path) -> None:
    found, _ = outcomes(tmp_path, seed=0, only="4-bit weights")
    losses = {one.name: one.float_accuracy - one.accuracy for one in found}
    assert losses["4-bit weights, to the nearest"] > 0.01
    assert losses["4-bit weights, AdaptiveRounding"] <= 0.5 * losses["4-bit weights, to the nearest"]
