"""Layer normalization computes the same in operators that integer files have."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tfcompress.conversion.converter import convert
from tfcompress.conversion.integer_norms import CentredNormalization, with_integer_norms
from tfcompress.conversion.signature import signature_of
from tfcompress.diagnosis.diagnosis import diagnose
from tfcompress.runtime.session import predict

L = keras.layers


@pytest.mark.parametrize(
    "settings",
    [{}, {"axis": 1}, {"axis": (1, -1)}, {"axis": [-1, -2]}, {"center": False}, {"scale": False, "epsilon": 0.5}],
    ids=str,
)
def test_it_computes_what_keras_does(settings: dict[str, Any]) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(3, 2, size=(4, 5, 6)).astype("float32")
    theirs, ours = L.LayerNormalization(**settings), CentredNormalization(**settings)
    theirs.build(x.shape)
    theirs.set_weights([generator.normal(size=weight.shape) for weight in theirs.weights])
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-5)


def _block() -> keras.Model:
    """A normalization called twice, and one in a nested model."""
    x = keras.Input((6, 8), name="x")
    shared = L.LayerNormalization(name="shared")
    hidden = L.Dense(8, activation="gelu", name="hidden")(shared(x))
    inner = keras.Sequential([keras.Input((6, 8)), L.LayerNormalization(name="inner"), L.Dense(8)], name="nested")
    outputs = L.Dense(3, name="head")(shared(L.Add()([inner(hidden), x])))
    model = keras.Model(x, outputs, name="block")
    for layer in (shared, inner.get_layer("inner")):
        layer.gamma.assign(np.linspace(0.5, 2, 8))
        layer.beta.assign(np.linspace(-1, 1, 8))
    return model


def test_shared_and_nested_layers_are_replaced_in_a_copy() -> None:
    model, x = _block(), np.random.default_rng(0).normal(size=(5, 6, 8)).astype("float32")
    exported = with_integer_norms(model, signature_of(model, 1), {"x": x})
    assert isinstance(exported.get_layer("shared"), CentredNormalization)
    assert isinstance(exported.get_layer("nested").get_layer("inner"), CentredNormalization)
    assert type(model.get_layer("shared")) is L.LayerNormalization
    np.testing.assert_allclose(exported(x), model(x), atol=1e-5)


def test_what_needs_nothing_or_has_no_graph_is_left_as_it_is() -> None:
    class Hidden(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs

    class Own(L.LayerNormalization):
        pass

    plain = keras.Sequential([keras.Input((4,)), L.Dense(2)])
    own = keras.Sequential([keras.Input((4,)), Own(), L.Dense(2)])
    for model in (plain, own, Hidden()):
        assert with_integer_norms(model, signature_of(plain, 1), {"x": np.ones((2, 4), "float32")}) is model


def test_a_model_whose_class_computes_more_than_its_graph_is_left_as_it_is() -> None:
    class Doubled(keras.Model):
        def __init__(self) -> None:
            x = keras.Input((4,))
            super().__init__(x, L.Dense(2)(L.LayerNormalization()(x)))

        def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
            return 2 * super().call(inputs, training=training, mask=mask)

    model, x = Doubled(), np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    assert with_integer_norms(model, signature_of(model, 1), {"x": x}) is model


@pytest.mark.parametrize("mode", ["int8", pytest.param("int16x8", marks=pytest.mark.slow)])
def test_the_file_computes_on_integers_throughout(mode: str, tmp_path: Path) -> None:
    model, x = _block(), np.random.default_rng(0).normal(size=(200, 6, 8)).astype("float32")
    card = convert(model, tmp_path / "m.tflite", mode=mode, representative=x)
    assert card.conversion["arithmetic"] == f"{mode.removesuffix('x8')} throughout"
    outputs, expected = np.asarray(predict(tmp_path / "m.tflite", x)), np.asarray(model(x))
    assert np.square(outputs - expected).sum() < 0.02 * np.square(expected).sum()


def test_the_output_of_a_normalization_is_found_in_the_file(tmp_path: Path) -> None:
    inputs = keras.Input((8,), name="x")
    norm = L.LayerNormalization(name="norm")
    model = keras.Model(inputs, L.Dense(3, name="head")(norm(inputs)))
    norm.gamma.assign(np.full(8, 3.0))
    x = np.random.default_rng(0).normal(size=(200, 8)).astype("float32")
    convert(model, tmp_path / "m.tflite", representative=x)
    (found,) = [item.error for item in diagnose(model, tmp_path / "m.tflite", x).findings if item.error.layer == "norm"]
    assert found.own_snr_db > 20  # against the centred inputs, which point the same way: 4
