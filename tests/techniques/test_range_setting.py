"""Range setting: where ranges stand, which method is taken, and that a file has these ranges."""

from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.errors import DataError, RecipeError
from tfcompress.tflite.reading import read
from tfcompress.transforms.activation_range import FixedRange
from tfcompress.transforms.range_methods import MinMax

L = keras.layers


def _model() -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [L.Dense(16, activation="relu", name="hidden"), L.Dense(3, name="head")]
    return keras.Sequential([keras.Input((8,), name="x"), *layers], name="two_layers")


def _x() -> np.ndarray:
    """Inputs of which one in a hundred is a hundred times too large."""
    x = np.random.default_rng(0).normal(size=(200, 8)).astype("float32")
    x[::100] *= 100
    return x


def _ranges(model: keras.Model) -> dict[str, tuple[float, float]]:
    return {layer.name: (layer.minimum, layer.maximum) for layer in model.layers if isinstance(layer, FixedRange)}


def test_every_tensor_that_is_kept_gets_the_range_of_the_method() -> None:
    model, x = _model(), _x()
    found = _ranges(tfc.RangeSetting(samples=x, method="MinMax").wrap(model))
    assert list(found) == ["x_range", "hidden_range", "head_range"]
    np.testing.assert_allclose(found["x_range"], (x.min(), x.max()))
    hidden = np.asarray(model.layers[0](x))
    np.testing.assert_allclose(found["hidden_range"], (0.0, hidden.max()), rtol=1e-6)


def test_the_method_with_the_least_error_of_the_outputs_is_taken() -> None:
    plan = tfc.RangeSetting(samples=_x()).plan(_model())
    for choice in plan.choices:
        assert choice.snr_db[choice.chosen] == max(choice.snr_db.values())
        assert set(choice.snr_db) == {"MinMax", "Percentile", "LeastSquares", "Entropy"}
    assert str(plan).splitlines()[0].split() == [
        *("tensor", "chosen", "min", "max"),
        *("MinMax,", "dB", "Percentile,", "dB", "LeastSquares,", "dB", "Entropy,", "dB"),
    ]


def test_the_file_has_the_ranges_that_were_set(tmp_path: Path) -> None:
    model = tfc.RangeSetting(samples=_x(), method={"type": "Percentile", "percent": 90.0}).wrap(_model())
    tfc.convert(model, tmp_path / "m.tflite", representative=_x(), check_scale=False)
    graph = read(tmp_path / "m.tflite").graphs[0]
    scales = {tensor.quantization.scales[0] for tensor in graph.tensors if tensor.quantization and not tensor.constant}
    for minimum, maximum in _ranges(model).values():
        assert min(abs(scale / ((maximum - minimum) / 255) - 1) for scale in scales) < 0.01


def test_settings_survive_toml_and_a_file_of_samples(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=_x())
    setting = tfc.RangeSetting(samples=tmp_path / "x.npz", method=MinMax(), bits=6)
    assert tfc.Recipe.from_toml(tfc.Recipe([setting]).to_toml()).steps[0] == setting
    assert setting.reads == (tmp_path / "x.npz",)
    assert len(_ranges(setting.wrap(_model()))) == 3


def test_without_samples_that_fit_nothing_is_set() -> None:
    with pytest.raises(RecipeError, match="finds the ranges of 'two_layers' on samples, and there are none"):
        tfc.RangeSetting().wrap(_model())
    with pytest.raises(DataError, match="have the shape"):
        tfc.RangeSetting(samples=np.ones((4, 7))).wrap(_model())


def test_a_later_step_that_would_undo_the_ranges_is_refused() -> None:
    with pytest.raises(RecipeError, match="would undo the ranges"):
        tfc.Recipe([tfc.RangeSetting(), tfc.MagnitudePruning()])
    assert len(tfc.Recipe([tfc.Equalization(), tfc.AdaptiveRounding(), tfc.RangeSetting(), tfc.BiasCorrection()])) == 4


def test_ranges_that_are_there_stay() -> None:
    once = tfc.RangeSetting(samples=_x(), method="MinMax").wrap(_model())
    with pytest.raises(RecipeError, match="has no tensor that lacks a range"):
        tfc.RangeSetting(samples=_x()).wrap(once)
