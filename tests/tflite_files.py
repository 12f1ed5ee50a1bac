"""Small `.tflite` files whose every number is known, made once by TensorFlow's converter without Keras."""

import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np


@cache
def affine(batch: int = 1) -> bytes:
    """Computes y = x W + b for x of shape (batch, 2): W = [[1, 0, -2], [0, 3, 0]], b = [1, 2, 3]."""
    import tensorflow as tf

    kernel, bias = tf.constant([[1.0, 0.0, -2.0], [0.0, 3.0, 0.0]]), tf.constant([1.0, 2.0, 3.0])
    return _converted(lambda x: tf.matmul(x, kernel) + bias, [tf.TensorSpec((batch, 2), tf.float32, "x")])


@cache
def affine_int8() -> bytes:
    """The same at batch 1 with int8 inside and outside, calibrated on [-1, 1]."""
    import tensorflow as tf

    kernel, bias = tf.constant([[1.0, 0.0, -2.0], [0.0, 3.0, 0.0]]), tf.constant([1.0, 2.0, 3.0])
    corners = [[np.array([[a, b]], np.float32)] for a in (-1.0, 1.0) for b in (-1.0, 1.0)]
    return _converted(
        lambda x: tf.matmul(x, kernel) + bias, [tf.TensorSpec((1, 2), tf.float32, "x")], lambda: iter(corners)
    )


@cache
def two_inputs() -> bytes:
    """Computes `difference` left - right and `product` left * right of vectors of shape (1, 3), with a signature."""
    import tensorflow as tf

    specs = [tf.TensorSpec((1, 3), tf.float32, name) for name in ("left", "right")]
    compute = tf.function(lambda left, right: {"difference": left - right, "product": left * right}, specs)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow 2.21 announces the end of tf.lite
        tf.saved_model.save(tf.Module(), folder, signatures=compute)
        content: bytes = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    return content


@cache
def free_batch() -> bytes:
    """Computes the sum over the last axis for x of shape (any, any, 2)."""
    import tensorflow as tf

    return _converted(lambda x: tf.reduce_sum(x, axis=-1), [tf.TensorSpec((None, None, 2), tf.float32, "x")])


@cache
def lookup() -> bytes:
    """Takes row x of [[10, 11], [20, 21], [30, 31]] for x of shape (1,), int32."""
    import tensorflow as tf

    rows = tf.constant([[10.0, 11.0], [20.0, 21.0], [30.0, 31.0]])
    return _converted(lambda x: tf.gather(rows, x), [tf.TensorSpec((1,), tf.int32, "x")])


@cache
def running_total() -> bytes:
    """Adds x of shape (1, 2) to what it remembers, at first zeros, and gives that."""
    import tensorflow as tf

    module = tf.Module()
    module.total = tf.Variable(tf.zeros((1, 2)))
    specs = [tf.TensorSpec((1, 2), tf.float32, "x")]
    module.add = tf.function(lambda x: {"total": module.total.assign_add(x)}, specs)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow 2.21 announces the end of tf.lite
        tf.saved_model.save(module, folder, signatures=module.add)
        content: bytes = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    return content


def _converted(function: Callable[..., Any], specs: Sequence[Any], corners: Callable[[], Any] | None = None) -> bytes:
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow 2.21 announces the end of tf.lite
        concrete = tf.function(function, input_signature=list(specs)).get_concrete_function()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        if corners:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = corners
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        content: bytes = converter.convert()
    return content
