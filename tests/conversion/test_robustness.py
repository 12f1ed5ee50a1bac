"""Free shapes, states, control flow, variables and strings: converted, or refused with operator and layer."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.conversion.conftest import Converted
from tfcompress.child import Ending
from tfcompress.conversion.converter import convert
from tfcompress.conversion.difference import keras_outputs
from tfcompress.conversion.failures import conversion_error
from tfcompress.conversion.modes import MODES
from tfcompress.conversion.shapes import with_shapes
from tfcompress.conversion.signature import signature_of
from tfcompress.errors import ConversionError
from tfcompress.runtime.session import predict

L = keras.layers
# What TensorFlow 2.21's converter writes for `keras.ops.fft` in a layer named "spectrum".
_COMPLAINT = (
    'loc(callsite(fused["FFT:", "sequential_1_1/spectrum_1/FFT@__inference_serve_279"] at callsite(fused["Call:", '
    "\"Call@__inference_signature_wrapper_serve_298\"]))): error: 'tf.FFT' op is neither a custom op nor a flex op\n"
    "Some ops are not supported by the native TFLite runtime\nTF Select ops: Complex, FFT\nDetails:\n"
)


@keras.saving.register_keras_serializable("tests")
class Spectrum(keras.layers.Layer):
    """Real part of a Fourier transform, for which LiteRT has no operator."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return keras.ops.fft((inputs, keras.ops.zeros_like(inputs)))[0]


@keras.saving.register_keras_serializable("tests")
class Loop(keras.layers.Layer):
    """Three times one half more, in a loop; then a branch."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        _, grown = keras.ops.while_loop(
            lambda count, _: count < 3,
            lambda count, values: (count + 1, values * 1.5),
            (keras.ops.convert_to_tensor(0), inputs),
        )
        return keras.ops.cond(keras.ops.sum(grown) > 0, lambda: grown * 2.0, lambda: grown - 1.0)


def _of_any_length() -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [L.Conv1D(4, 3, activation="relu", name="conv"), L.GlobalAveragePooling1D(), L.Dense(2)]
    return keras.Sequential([keras.Input((None, 3), name="sound"), *layers], name="listener")


def test_an_operator_without_a_kernel_is_named_with_its_layer() -> None:
    model = keras.Sequential([keras.Input((8,)), Spectrum(name="spectrum"), L.Dense(2, name="head")])
    ending = Ending(
        result=None, failure={"stage": "convert", "kind": "ConverterError", "message": "no"}, output=_COMPLAINT
    )
    message = str(conversion_error(model, MODES["float32"], ending, 900.0))
    assert "there is no LiteRT operator for Complex, FFT (layer 'spectrum')" in message
    assert "take them out of the model" in message


@pytest.mark.slow
def test_the_converter_still_complains_as_it_did(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((8,)), Spectrum(name="spectrum"), L.Dense(2, name="head")])
    with pytest.raises(ConversionError, match=r"no LiteRT operator for .*FFT \(layer 'spectrum'\)"):
        convert(model, tmp_path / "m.tflite", mode="float32")


@pytest.mark.slow
def test_loops_and_branches_are_converted(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), Loop(name="loop"), L.Dense(2)])
    card = convert(model, tmp_path / "m.tflite", mode="float32")
    assert {"WHILE", "IF"} <= {item["name"] for item in card.operators}
    x = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    expected = np.concatenate([np.asarray(model(row[None])) for row in x])
    np.testing.assert_allclose(predict(tmp_path / "m.tflite", x), expected, atol=1e-4)


@keras.saving.register_keras_serializable("tests")
class Counting(keras.layers.Layer):
    """Multiplies by how often it was called."""

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        self.calls.assign_add(1.0)
        return inputs * self.calls


def test_what_a_model_remembers_is_as_it_was_before_each_sample_and_afterwards() -> None:
    inputs = keras.Input(batch_shape=(1, 5, 3))
    keras.utils.set_random_seed(0)
    gru = L.GRU(4, stateful=True, name="memory")
    model = keras.Model(inputs, Counting(name="counting")(gru(inputs)))
    before = [state.numpy() for state in (model.get_layer("counting").calls, *gru.states)]
    x = np.repeat(np.random.default_rng(0).normal(size=(1, 5, 3)), 4, axis=0).astype("float32")
    (outputs,) = keras_outputs(model, signature_of(model, 1), {"input": x})
    assert all(np.array_equal(outputs[0], row) for row in outputs)
    for old, new in zip(before, (model.get_layer("counting").calls, *gru.states), strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.slow
def test_loops_of_an_integer_file_are_named_as_float(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), Loop(name="loop"), L.Dense(2)])
    x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    card = convert(model, tmp_path / "m.tflite", representative=x)
    assert {item["name"] for item in card.conversion["float_operators"]} == {"WHILE", "IF"}
    (note,) = [note for note in card.notes if "stayed float" in note]
    assert "loop_1/while" in note


@pytest.mark.slow
def test_what_an_integer_file_remembers_is_forgotten_before_each_sample(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input(batch_shape=(1, 5, 3))
    model = keras.Model(inputs, Counting(name="counting")(L.Dense(4)(inputs)))
    x = np.random.default_rng(0).normal(size=(40, 5, 3)).astype("float32")
    convert(model, tmp_path / "m.tflite", representative=x)
    first, *others = np.asarray(predict(tmp_path / "m.tflite", np.repeat(x[:1], 3, axis=0)))
    for other in others:
        np.testing.assert_array_equal(first, other)


@pytest.mark.slow
@pytest.mark.parametrize("stateful", [False, True])
def test_recurrent_layers_and_variables_are_converted(stateful: bool, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input(batch_shape=(1, 5, 3))
    model = keras.Model(inputs, Counting()(L.GRU(4, stateful=stateful)(inputs)))
    card = convert(model, tmp_path / "m.tflite", mode="float32")
    assert card.conversion["difference"]["max"] < 1e-5


def test_strings_are_refused_with_the_layer_that_reads_them() -> None:
    words = L.TextVectorization(10, output_sequence_length=4, vocabulary=["a", "b"], name="words")
    text = keras.Input((), dtype="string", name="text")
    model = keras.Model(text, L.Flatten()(L.Embedding(10, 3)(words(text))))
    with pytest.raises(ConversionError, match=r"'text' takes strings, which layer 'words' \(TextVectorization\) reads"):
        signature_of(model, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "operator"),
    [
        (L.IntegerLookup(vocabulary=[3, 5], name="numbers"), "LookupTableFindV2"),
        (L.Hashing(12, name="numbers"), "StringToHashBucketFast"),
    ],
)
def test_tables_are_refused_with_operator_and_layer(layer: keras.Layer, operator: str, tmp_path: Path) -> None:
    number = keras.Input((1,), dtype="int64", name="number")
    model = keras.Model(number, L.Flatten()(L.Embedding(12, 3)(layer(number))))
    with pytest.raises(ConversionError, match=rf"{operator} \(layer 'numbers'\).*compute them in the program"):
        convert(model, tmp_path / "m.tflite", mode="float32")


def test_free_heights_and_widths_get_sizes() -> None:
    photo = keras.Input((None, None, 3), name="photo")
    model = keras.Model(photo, L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(L.UpSampling2D(2)(photo))))
    with pytest.raises(ConversionError, match="axes 1 and 2 are free"):
        signature_of(model, 1)
    fixed = with_shapes(model, {"photo": (6, 5, 3)})
    assert signature_of(fixed, 1).inputs[0].shape == (6, 5, 3)
    x = np.random.default_rng(0).normal(size=(2, 6, 5, 3)).astype("float32")
    np.testing.assert_allclose(np.asarray(fixed(x)), np.asarray(model(x)), atol=1e-6)


def test_free_axes_are_refused_until_they_have_sizes() -> None:
    with pytest.raises(ConversionError, match=r"'sound' has shape .* axis 1 is free.*shapes=\{'sound': ...\}"):
        signature_of(_of_any_length(), 1)
    fixed = with_shapes(_of_any_length(), {"sound": (16, 3)})
    assert signature_of(fixed, 1).inputs[0].shape == (16, 3)
    x = np.random.default_rng(0).normal(size=(2, 16, 3)).astype("float32")
    np.testing.assert_allclose(np.asarray(fixed(x)), np.asarray(_of_any_length()(x)), atol=1e-6)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"sond": (16, 3)}, "has no input 'sond'. Did you mean 'sound'?"),
        ({"sound": (16, 4)}, r"takes \(None, None, 3\).*was to get \(16, 4\)"),
        ({"sound": (16,)}, r"was to get \(16,\)"),
        ({"sound": (2, 3)}, "does not take these shapes"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        with_shapes(_of_any_length(), shapes)


def test_a_dense_kernel_has_a_scale_for_each_of_its_outputs(converted: Callable[..., Converted]) -> None:
    (head,) = (item for item in converted("int8").card.tensors if item["kernel"] and len(item["shape"]) == 2)
    assert head["shape"] == [4, 3]
    assert head["quantization"]["scales"] == 4


@pytest.mark.slow
def test_a_model_with_free_axes_is_converted_at_the_sizes_given(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 20, 3)).astype("float32")
    card = convert(_of_any_length(), tmp_path / "m.tflite", representative=x, shapes={"sound": (20, 3)})
    assert card.inputs[0]["shape"] == [1, 20, 3]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_conversions_leave_the_memory_of_the_process_as_it_was(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    layers = [L.Conv2D(4, 3, activation="relu"), L.Flatten(), L.Dense(3)]
    model = keras.Sequential([keras.Input((8, 8, 2)), *layers])
    x = np.random.default_rng(0).random((40, 8, 8, 2)).astype("float32")
    sizes = []
    for _ in range(105):
        convert(model, tmp_path / "m.tflite", representative=x, force=True)
        sizes.append(_resident_bytes())
    assert sizes[-1] - sizes[4] < 50e6  # the first few fill caches


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096
