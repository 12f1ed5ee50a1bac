import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.errors import TfCompressWarning

L = keras.layers


def kronecker(height: int, width: int) -> np.ndarray:
    """A kernel (height, width, 24, 20) that is a tensor train of rank 1 with 4 x 6 inputs and 4 x 5 outputs."""
    generator = np.random.default_rng(4)
    window, left, right = (generator.normal(size=size) for size in ((height, width), (4, 4), (6, 5)))
    return np.einsum("hw,ik,jl->hwijkl", window, left, right).reshape(height, width, 24, 20)


def model_of(layer: keras.Layer, shape: tuple[int, ...]) -> keras.Model:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input(shape), layer])
    size = getattr(layer, "kernel_size", (1, 1))
    layer.kernel.assign(kronecker(*size).reshape(layer.kernel.shape) * 0.3)
    layer.bias.assign(np.linspace(-1, 1, 20))
    return model


CASES = {
    "vector": (lambda: L.Dense(20, activation="relu", name="one"), (24,)),
    "softmax": (lambda: L.Dense(20, activation="softmax", name="one"), (24,)),
    "sequence": (lambda: L.Dense(20, activation="tanh", name="one"), (7, 24)),
    "map": (lambda: L.Dense(20, name="one"), (3, 4, 24)),
    "valid": (lambda: L.Conv2D(20, 3, activation="relu", name="one"), (9, 8, 24)),
    "strides": (lambda: L.Conv2D(20, 3, 2, padding="same", name="one"), (9, 8, 24)),
    "dilation": (lambda: L.Conv2D(20, (3, 2), dilation_rate=2, name="one"), (9, 8, 24)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_train_computes_what_the_layer_did_as_plain_layers(case: str, tmp_path: Path) -> None:
    make, shape = CASES[case]
    model = model_of(make(), shape)
    technique = tfc.LowRank(ranks=1, dense="TensorTrain", convolution="TensorTrain")
    smaller = technique.wrap(model)
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype("float32")
    np.testing.assert_allclose(smaller(x), model(x), rtol=1e-3, atol=1e-4)
    assert smaller.layers[-1].name == "one"
    plan = technique.plan(model).layers[0]
    assert tfc.profile(smaller).macs == plan.after.macs < plan.before.macs
    assert tfc.profile(smaller).parameters == plan.after.weights + 20
    assert plan.error < 1e-5
    smaller.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras")(x), smaller(x))


@pytest.mark.parametrize("case", ["vector", "valid"])
def test_a_train_becomes_an_int8_file_without_float_operators(case: str, tmp_path: Path) -> None:
    make, shape = CASES[case]
    smaller = tfc.LowRank(ranks=1, dense="TensorTrain", convolution="TensorTrain").wrap(model_of(make(), shape))
    x = np.random.default_rng(0).normal(size=(32, *shape)).astype("float32")
    card = tfc.convert(smaller, tmp_path / "m.tflite", representative=x)
    assert {tensor["type"] for tensor in card.tensors if tensor["kernel"]} == {"int8"}
    found, expected = np.asarray(tfc.predict(tmp_path / "m.tflite", x)), np.asarray(smaller(x))
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


def test_what_cannot_be_a_train_is_left_alone_and_named() -> None:
    image = keras.Input((None, None, 24))
    features = L.Conv2D(20, 3, name="open")(image)
    vector = L.Dense(23, name="prime")(L.GlobalAveragePooling2D()(features))
    model = keras.Model(image, vector)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", TfCompressWarning)
        tfc.LowRank(ranks=1, dense="TensorTrain", convolution="TensorTrain").wrap(model)
    assert [str(one.message) for one in said if one.category is TfCompressWarning] == [
        "LowRank left alone open (a tensor train needs one size, the same at every call); "
        "prime (its 23 outputs do not split into 2 axes)."
    ]
