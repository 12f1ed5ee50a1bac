"""Biases in the scale that the runtime takes them to have."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

import tfcompress as tfc
from tfcompress.errors import FormatError
from tfcompress.tflite.biases import with_matching_biases
from tfcompress.transforms.activation_range import FixedRange
from tools.made_tflite import written


def _converted(tmp_path: object) -> tuple[keras.Model, np.ndarray, bytes]:
    """A pooled and a dense layer with trained ranges that the representative data fills to a tenth."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((4, 4, 3)),
        FixedRange(0.0, 1.0),
        keras.layers.GlobalAveragePooling2D(),
        FixedRange(0.0, 1.0),
        keras.layers.Dense(3, "softmax", bias_initializer=keras.initializers.Constant([0.4, -0.3, 0.2])),
    ]
    model = keras.Sequential(layers)
    samples = np.random.default_rng(0).random((20, 4, 4, 3)).astype("float32") / 10
    model.export(str(tmp_path), input_signature=[tf.TensorSpec((1, 4, 4, 3))], verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[None]] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return model, samples, converter.convert()


def _largest_difference(content: bytes, model: keras.Model, samples: np.ndarray) -> float:
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    largest = 0.0
    for sample in samples:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample[None])
        interpreter.invoke()
        outputs = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        largest = max(largest, float(np.abs(outputs - np.asarray(model(sample[None]))).max()))
    return largest


def test_a_bias_that_the_converter_scaled_by_the_calibrated_range_is_put_right(tmp_path: object) -> None:
    model, samples, content = _converted(tmp_path)
    # When this fails, TensorFlow's converter was fixed, and `with_matching_biases` can go.
    assert _largest_difference(content, model, samples) > 0.03
    mended = with_matching_biases(content)
    assert len(mended) == len(content)
    assert _largest_difference(mended, model, samples) < 0.01
    assert with_matching_biases(mended) == mended


def test_equal_values_that_are_stored_once_for_two_scales_stay_as_they_are(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    ones = keras.initializers.Constant(0.1)
    model = keras.Sequential([keras.Input((8,)), *(keras.layers.Dense(4, bias_initializer=ones) for _ in range(2))])
    samples = np.random.default_rng(0).random((20, 8)).astype("float32")
    tfc.convert(model, tmp_path / "two.tflite", representative=samples)
    content = schema.ModelT.InitFromPackedBuf(bytearray((tmp_path / "two.tflite").read_bytes()), 0)
    graph = content.subgraphs[0]
    first, second = (graph.tensors[operator.inputs[2]] for operator in graph.operators if len(operator.inputs) == 3)
    second.buffer = first.buffer
    assert first.quantization.scale[0] != second.quantization.scale[0]
    shared = written(content)
    assert with_matching_biases(shared) == shared
    second.quantization.scale = [2 * scale for scale in second.quantization.scale]
    with pytest.raises(FormatError, match="two operators share bias"):
        with_matching_biases(written(content))
