"""Files that TensorFlow's converter writes without complaint and nobody should get."""

from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.errors import ConversionError


def _samples() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(20, 8)).astype("float32")


def test_an_operator_that_litert_has_not_in_16_bits_is_named(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    entries = keras.Input((8,))
    model = keras.Model(entries, keras.layers.GroupNormalization(4, name="norm")(keras.layers.Dense(8)(entries)))
    with pytest.raises(ConversionError, match=r"^Mode int16x8: .* at SQUARED_DIFFERENCE \(.*norm.*\).* Choose"):
        tfc.convert(model, tmp_path / "m.tflite", mode="int16x8", representative=_samples())
    assert list(tmp_path.iterdir()) == []


def test_a_bias_that_two_layers_would_read_in_the_scale_of_one_is_refused(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    features = entries = keras.Input((8,))
    for name in ("first", "second"):
        features = keras.layers.ReLU(6.0)(keras.layers.Dense(8, name=name)(features) + 3.0)
    with pytest.raises(ConversionError, match=r"two operators share bias .* in two scales\. Choose another mode"):
        tfc.convert(keras.Model(entries, features), tmp_path / "m.tflite", mode="int16x8", representative=_samples())
    assert list(tmp_path.iterdir()) == []
