"""Tensors of a file find their layers by name, else by values."""

import keras
import numpy as np

from tfcompress.diagnosis.matching import KerasTensor, keras_tensors, matched
from tfcompress.models.surgery import flatten
from tfcompress.runtime.tensors import RunTensor
from tfcompress.tflite.reading import Quantization, Tensor
from tfcompress.transforms.activation_range import FixedRange


def _in_file(name: str, values: np.ndarray, index: int = 0) -> RunTensor:
    tensor = Tensor(
        index, name, (1, *values.shape[1:]), "int8", Quantization((0.1,), (0,), None), 0, memoryview(b""), False, False
    )
    stored = np.rint(values / 0.1).astype("int8")
    return RunTensor(tensor, "CONV_2D", (stored * np.float32(0.1)), stored)


def _values(seed: int, size: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(5, size)).astype("float32")


def test_of_the_layers_that_a_name_lists_the_last_is_taken() -> None:
    x = np.abs(_values(0))
    model = {(1, 0): KerasTensor("conv", x, 0), (2, 0): KerasTensor("norm", x, 1), (3, 0): KerasTensor("relu", x, 2)}
    item = _in_file("net_1/relu_1/Relu;net_1/norm_1/add;net_1/conv_1/convolution", x)
    assert matched([item], model) == {(3, 0): item}


def test_a_name_counts_even_where_the_values_are_ruined() -> None:
    model = {(1, 0): KerasTensor("conv", _values(0), 0), (2, 0): KerasTensor("head", _values(1), 1)}
    ruined = _in_file("net/conv/convolution", np.zeros((5, 6), "float32"))
    assert list(matched([ruined], model)) == [(1, 0)]


def test_without_a_name_the_values_tell() -> None:
    model = {(1, 0): KerasTensor("conv", _values(0), 0), (2, 0): KerasTensor("head", _values(1), 1)}
    item = _in_file("StatefulPartitionedCall:0", _values(1))
    assert list(matched([item], model)) == [(2, 0)]
    assert matched([_in_file("tfl.quantize", _values(7))], model) == {}


def test_calls_of_one_layer_are_told_apart_by_their_values() -> None:
    model = {(1, 0): KerasTensor("tower", _values(0), 0), (1, 1): KerasTensor("tower", _values(1), 1)}
    items = [_in_file("net/tower_1/MatMul", _values(1)), _in_file("net/tower_1/MatMul1", _values(0))]
    assert matched(items, model) == {(1, 0): items[1], (1, 1): items[0]}


def test_a_range_stands_for_the_layer_before_it_in_a_shared_model_too() -> None:
    inner = keras.Sequential([keras.Input((3,)), keras.layers.ReLU(name="relu"), FixedRange(0.0, 1.0, name="range")])
    x = keras.Input((3,), name="x")
    model = keras.Model(x, inner(inner(x)))
    found, _ = keras_tensors(flatten(model), [np.array([[-1.0, 0.3, 2.0]], "float32")])
    assert [tensor.name for tensor in found.values()] == ["x", "relu", "relu", "relu", "relu"]
    assert [round(float(tensor.values.max()), 3) for tensor in found.values()] == [2.0, 2.0, 1.0, 1.0, 1.0]


def test_sizes_must_agree() -> None:
    model = {(1, 0): KerasTensor("conv", _values(0, 4), 0)}
    assert matched([_in_file("net/conv/convolution", _values(0, 6))], model) == {}
