"""The model families of keras.applications are factorized, trained for a step, and converted to int8."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc

FAMILIES = {
    "MobileNet": {"alpha": 0.25},
    "MobileNetV2": {"alpha": 0.35},
    "MobileNetV3Small": {},
    "EfficientNetB0": {},
    "EfficientNetV2B0": {},
    "ResNet50": {},
    "ResNet50V2": {},
    "VGG16": {},
    "InceptionV3": {"input_shape": (96, 96, 3)},
    "Xception": {"input_shape": (96, 96, 3)},
    "DenseNet121": {},
    "NASNetMobile": {},
    "ConvNeXtTiny": {},
}
QUICK = ("MobileNetV2",)


@pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")
@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in FAMILIES]
)
def test_a_family_is_factorized_trains_a_step_and_becomes_an_int8_file(
    family: str, tmp_path: Path, record_property: pytest.FixtureRequest
) -> None:
    shape = FAMILIES[family].get("input_shape", (64, 64, 3))
    settings = {"input_shape": shape, "weights": None, "classes": 10} | FAMILIES[family]
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, family)(**settings)
    smaller = tfc.LowRank(ranks={"type": "Ratio", "ratio": 0.6}).wrap(model)
    before, after = tfc.profile(model), tfc.profile(smaller)
    assert smaller.output_shape == model.output_shape
    assert after.macs < 0.95 * before.macs
    assert after.parameters < before.parameters

    x = np.random.default_rng(0).random((4, *shape)).astype("float32")
    old = smaller.get_weights()
    smaller.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False, run_eagerly=True)
    smaller.fit(x, np.arange(4) % 10, batch_size=4, verbose=0)
    assert any(not np.array_equal(one, other) for one, other in zip(old, smaller.get_weights(), strict=True))

    smaller.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    card = tfc.convert(loaded, tmp_path / "model.tflite", representative=x)
    assert np.isfinite(np.asarray(tfc.predict(tmp_path / "model.tflite", x[:1]))).all()
    row = {"family": family, "macs": after.macs / before.macs, "parameters": after.parameters / before.parameters}
    record_property("low_rank", json.dumps(row | {"int8_bytes": card.size_bytes}))
