"""Files with mixed precision: what was asked for is in the bytes, and the table never gives less for more."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import keras
import numpy as np
import pytest

from tests.conversion.conftest import Converted
from tfcompress.card import Card
from tfcompress.conversion.precisions import Layer, Scheme, options_for, recipe_for
from tfcompress.conversion.quantize import Quantized, quantize
from tfcompress.errors import ConversionError, DataError, MissingPackageError
from tfcompress.runtime.session import predict
from tfcompress.tflite.inspection import inspect

_SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "card.schema.json"


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dense layers of 128 inputs, as a float file."""
    from tfcompress.conversion.converter import convert

    keras.utils.set_random_seed(0)
    layers = [keras.Input((128,)), keras.layers.Dense(128, activation="relu"), keras.layers.Dense(128)]
    path = tmp_path_factory.mktemp("dense") / "dense.tflite"
    convert(keras.Sequential(layers), path, mode="float32")
    return path


_DENSE_SAMPLES = np.random.default_rng(0).random((50, 128), np.float32)


def _assert_monotone(found: Quantized) -> None:
    sizes, levels = [point.bytes for point in found.points], [point.snr_db for point in found.points]
    assert sizes == sorted(set(sizes), reverse=True)
    assert levels == sorted(set(levels), reverse=True)


def test_the_smallest_file_is_what_its_card_says(
    converted: Callable[..., Converted], samples: np.ndarray, tmp_path: Path
) -> None:
    float_file, path = converted("float32").path, tmp_path / "x.tflite"
    found = quantize(float_file, path, representative=samples, min_snr_db=-100, every=tmp_path / "every")
    _assert_monotone(found)
    assert found.card == Card.load_beside(path)
    assert found.card.size_bytes == path.stat().st_size == found.chosen.bytes
    files = {point.bytes: tmp_path / "every" / f"{point.bytes}.tflite" for point in found.points}
    assert {size: file.stat().st_size for size, file in files.items()} == {size: size for size in files}
    assert path.read_bytes() == files[min(files)].read_bytes()
    jsonschema.validate(json.loads(found.card.to_json()), json.loads(_SCHEMA.read_text(encoding="utf-8")))
    facts = inspect(path)
    assert facts.arithmetic == "int8 throughout"
    assert {port["type"] for port in (*facts.inputs, *facts.outputs)} == {"float32"}
    kernels = {kernel.shape: kernel.type for kernel in facts.kernels}
    assert kernels[1, 3, 3, 3] == "int8"  # LiteRT has no int4 depthwise convolution
    assert "int4" in kernels.values()
    scales = [kernel.quantization["scales"] for kernel in facts.kernels if kernel.quantization]
    assert sorted(scales) == [3, 3, 4]  # one for each channel
    outputs, expected = predict(path, samples), predict(float_file, samples)
    assert isinstance(outputs, np.ndarray)
    measured = 10 * np.log10((expected**2).sum() / ((outputs - expected) ** 2).sum())
    assert found.card.conversion["snr_db"] == pytest.approx(measured, abs=0.05)
    assert str(found).count("*") == 1


def test_a_tensor_is_kept_in_int16_by_what_makes_and_what_reads_it(
    converted: Callable[..., Converted], samples: np.ndarray, tmp_path: Path
) -> None:
    float_file, path = converted("float32").path, tmp_path / "x.tflite"
    first, second, *_ = [item.output_name for item in inspect(float_file).operators]
    found = quantize(float_file, path, precisions=["int8"], representative=samples, kept={first: "int16"})
    kinds = {item.output_name: item.arithmetic for item in inspect(path).operators}
    assert (kinds[first], kinds[second]) == ("int16", "int16")
    assert "int8" in kinds.values()
    assert found.chosen.precisions[first] == "int16"
    assert found.card.conversion["kept"] == {first: "int16"}
    assert found.card.parameters == converted("float32").card.parameters
    jsonschema.validate(json.loads(found.card.to_json()), json.loads(_SCHEMA.read_text(encoding="utf-8")))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "types", "arithmetic"),
    [
        ({"activations": "dynamic"}, {"int4"}, "hybrid throughout"),
        ({"activations": "dynamic", "block": 32}, {"int4"}, "hybrid throughout"),
        ({"activations": "float32"}, {"int4"}, "float32 throughout"),
        ({"activations": "int8", "io": "int8"}, {"int4"}, "int8 throughout"),
        ({"activations": "int16"}, {"int4"}, "int16 throughout"),
        ({"activations": "int8", "method": "mse"}, {"int4"}, "int8 throughout"),
        ({"activations": "int8", "method": "octav"}, {"int4"}, "int8 throughout"),
    ],
)
def test_int4_weights_in_every_way_of_computing(
    dense: Path, tmp_path: Path, settings: dict, types: set[str], arithmetic: str
) -> None:
    path = tmp_path / "x.tflite"
    found = quantize(dense, path, precisions=["int4"], representative=_DENSE_SAMPLES, **settings)
    facts = inspect(path)
    assert {kernel.type for kernel in facts.kernels} == types
    assert facts.arithmetic == arithmetic
    assert facts.size_bytes < dense.stat().st_size / 5
    assert found.chosen.snr_db > 12  # int4 by channels: about 7 levels a side


@pytest.mark.slow
def test_blocks_and_fitted_scales_are_better_than_channels(dense: Path, tmp_path: Path) -> None:
    levels = {}
    for name, settings in {"nearest": {}, "octav": {"method": "octav"}, "block": {"block": 32}}.items():
        found = quantize(
            dense,
            tmp_path / f"{name}.tflite",
            precisions=["int4"],
            activations="dynamic",
            representative=_DENSE_SAMPLES,
            **settings,
        )
        levels[name] = found.chosen.snr_db
    assert levels["octav"] > levels["nearest"]
    assert levels["block"] > levels["nearest"]


@pytest.mark.slow
def test_an_error_budget_raises_layers_to_int16_or_float(dense: Path, tmp_path: Path) -> None:
    choices = ["float32", "int16", "int8", "int4"]
    path = tmp_path / "x.tflite"
    found = quantize(dense, path, precisions=choices, representative=_DENSE_SAMPLES, min_snr_db=38)
    _assert_monotone(found)
    assert found.points[0].snr_db > 100  # all layers float
    assert found.chosen.snr_db >= 38
    assert {kernel.type for kernel in inspect(path).kernels} <= {"float32", "int8", "int4"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precisions": ["int8", "int4"]}, "a budget decides"),
        ({"precisions": ["int3"], "max_bytes": 1}, "no precision 'int3'"),
        ({"precisions": "int8"}, r"a list such as \['int8', 'int4'\]"),
        ({"activations": "uint8", "max_bytes": 1}, "no activations 'uint8'"),
        ({"method": "adaround", "max_bytes": 1}, "no method 'adaround'"),
        ({"block": 32, "max_bytes": 1}, "dynamic activations only"),
        ({"block": 7, "max_bytes": 1}, "A block has 32, 64"),
        ({"io": "int16", "max_bytes": 1}, "io is float32 or int8"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_the_long_work(tmp_path: Path, settings: dict, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        quantize("nothing.tflite", tmp_path / "x.tflite", **settings)


def test_integer_activations_need_samples(converted: Callable[..., Converted], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="take their ranges from representative data"):
        quantize(converted("float32").path, tmp_path / "x.tflite", precisions=["int8"])


def test_a_file_that_is_quantized_already_is_refused(converted: Callable[..., Converted], tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="has int8 kernels already"):
        quantize(converted("int8").path, tmp_path / "x.tflite", precisions=["int8"])


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "litert_quantizer", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'tfcompress\[quantizer\]'"):
        quantize("nothing.tflite", tmp_path / "x.tflite", precisions=["int8"])


def test_operators_get_what_their_kernels_know() -> None:
    wanted, dynamic = ["int4", "float32", "int8", "int16"], Scheme(activations="dynamic", block=64)
    assert options_for(Layer("x", "CONV_2D", "x;", 9), wanted, Scheme()) == ("float32", "int16", "int8", "int4")
    assert options_for(Layer("x", "TRANSPOSE_CONV", "x;", 9), wanted, dynamic) == ("float32", "int8")
    assert options_for(Layer("x", "FULLY_CONNECTED", "x;", 100), wanted, dynamic) == ("float32", "int8")
    assert options_for(Layer("x", "FULLY_CONNECTED", "x;", 128), wanted, dynamic) == ("float32", "int8", "int4")


def test_a_recipe_names_each_layer_after_what_holds_for_all() -> None:
    layer = Layer("a.b", "TRANSPOSE_CONV", "a.b;", 3)
    whole, first, last, own = recipe_for({"a.b": "float32"}, [layer], Scheme())
    assert (whole["regex"], whole["operation"]) == (".*", "*")
    assert [item["operation"] for item in (first, last)] == ["INPUT", "OUTPUT"]
    assert own["regex"] == r"^a\.b;$"
    assert (own["operation"], own["algorithm_key"]) == ("CONV_2D_TRANSPOSE", "no_quantize")
