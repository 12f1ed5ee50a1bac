"""The page of the benchmark over keras.applications, on made results; and one family that really runs."""

import keras
import numpy as np
import pytest

from tools.bench_applications import FAMILIES, MODES, Result, built, images, measured, page


def test_the_page_shows_what_converts_and_what_does_not() -> None:
    results = [
        Result("VGG16", "float32", 1000, "float32 throughout", 0, 118.04, 1.0),
        Result("VGG16", "int8", 300, "1 operator float32, 9 operators int8", 1, 30.26, 0.984),
        Result("VGG16", "int16x8", error="it crashed."),
    ]
    text = page(results)
    assert "| VGG16 | 118.0 | - | - | 30.3 | - | failed |" in text
    assert "| VGG16 | 1.000 | - | - | 0.984 | - | failed |" in text
    assert "- VGG16, int8: 1 operators stayed float" in text
    assert "- VGG16, int16x8: it crashed." in text
    assert "Not run: MobileNet, " in text


def test_every_family_exists_and_takes_its_images() -> None:
    for family, settings in FAMILIES.items():
        assert callable(getattr(keras.applications, family))
        assert images(family, 2, 0).shape == (2, *settings["input_shape"])


@pytest.mark.slow
def test_a_family_is_integer_throughout_and_near_its_model() -> None:
    results = {result.mode: result for result in measured("MobileNet")}
    assert list(results) == list(MODES)
    assert results["float32"].snr_db > 80
    assert results["int16x8"].snr_db > results["int8"].snr_db > 10
    for mode in ("int8", "int8, int8 I/O", "int16x8"):
        assert results[mode].float_operators == 0
    assert np.ptp(built("MobileNet")(images("MobileNet", 8, 1)).numpy()) > 0.1
