import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.teaching.output_kinds import OutputKind, class_logits, make_kind, output_kinds, plain_values
from tfcompress.techniques.technique import Technique

L = keras.layers
LOGITS, SOFTMAX, SIGMOID = OutputKind.LOGITS, OutputKind.SOFTMAX, OutputKind.SIGMOID


@pytest.mark.parametrize(
    ("layers", "kind"),
    [
        ([L.Dense(3)], LOGITS),
        ([L.Dense(3, activation="softmax")], SOFTMAX),
        ([L.Dense(3), L.Softmax()], SOFTMAX),
        ([L.Dense(3), L.Activation("softmax")], SOFTMAX),
        ([L.Dense(3), keras.ops.softmax], SOFTMAX),
        ([L.Dense(3, activation="sigmoid")], SIGMOID),
        ([L.Dense(3), keras.ops.sigmoid], SIGMOID),
        ([L.Dense(4, activation="softmax"), L.Reshape((2, 2))], SOFTMAX),
        ([L.Dense(4, activation="softmax"), L.Activation("linear"), L.Dropout(0.5)], SOFTMAX),
        ([L.Dense(4, activation="softmax"), L.Dense(2)], LOGITS),
        ([L.Dense(4), L.Activation("relu")], LOGITS),
        ([keras.Sequential([keras.Input((4,)), L.Dense(3), L.Softmax()])], SOFTMAX),
    ],
)
def test_the_layer_at_the_end_says_what_an_output_holds(layers: list, kind: OutputKind) -> None:
    tensor = inputs = keras.Input((4,))
    for layer in layers:
        tensor = layer(tensor)
    assert output_kinds(keras.Model(inputs, tensor)) == [kind]


@pytest.mark.parametrize("technique", [tfc.MagnitudePruning(), tfc.QuantizationAware()])
def test_it_says_so_inside_wrappers_and_before_ranges(technique: Technique) -> None:
    model = keras.Sequential([keras.Input((4,)), L.Dense(3, activation="softmax")])
    assert output_kinds(technique.wrap(model)) == [SOFTMAX]


def test_each_of_several_outputs_has_a_kind() -> None:
    inputs = keras.Input((4,))
    outputs = {"b": L.Dense(2)(inputs), "a": L.Dense(2, activation="sigmoid")(inputs)}
    model = keras.Model(inputs, outputs)
    flat = [tuple(path)[-1] for path, _ in keras.tree.flatten_with_path(model.output)]
    assert dict(zip(flat, output_kinds(model), strict=True)) == {"a": SIGMOID, "b": LOGITS}


def test_the_logits_behind_probabilities_have_the_same_distribution_at_each_temperature() -> None:
    logits = np.random.default_rng(0).normal(size=(5, 4)) * 3
    recovered = class_logits(keras.ops.softmax(logits), SOFTMAX)
    for temperature in (1.0, 20.0):
        expected = keras.ops.softmax(logits / temperature)
        np.testing.assert_allclose(keras.ops.softmax(recovered / temperature), expected, rtol=1e-6)


def test_probabilities_that_vanished_give_finite_logits() -> None:
    assert np.isfinite(class_logits(np.array([[1.0, 0.0]], "float32"), SOFTMAX)).all()
    assert np.isfinite(class_logits(np.array([[1.0, 0.0]], "float32"), SIGMOID)).all()


def test_the_values_behind_probabilities_are_logits() -> None:
    logits = np.array([[1.0, -2.0, 4.0]])
    np.testing.assert_allclose(plain_values(keras.ops.sigmoid(logits), SIGMOID), logits, rtol=1e-5)
    np.testing.assert_allclose(plain_values(keras.ops.softmax(logits), SOFTMAX), logits - 1.0, rtol=1e-5)
    assert plain_values(logits, LOGITS) is logits


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(tfc.TfCompressError, match=r"outputs is 'logit'\. Did you mean 'logits'"):
        make_kind("outputs", "logit")
