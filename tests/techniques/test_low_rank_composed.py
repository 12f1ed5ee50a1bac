"""Low rank before the weight techniques, down to an int8 file."""

from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.techniques.technique import Technique

L = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")

FIRST: dict[str, Technique] = {
    "Tucker2": tfc.LowRank(ranks=4),
    "SpatialSVD": tfc.LowRank(ranks=4, convolution="SpatialSVD"),
    "SVD": tfc.LowRank(ranks=4, convolution="SVD"),
    "CP": tfc.LowRank(ranks=6, convolution="CP"),
    "TensorTrain": tfc.LowRank(ranks=3, convolution="TensorTrain", dense="TensorTrain"),
    "LowRankSparse": tfc.LowRankSparse(sparsity=0.8, ranks=2),
}
QUICK = ("Tucker2", "LowRankSparse")


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((10, 10, 8), name="image")
    features = L.Conv2D(16, 3, padding="same", use_bias=False, name="first")(image)
    features = L.ReLU()(L.BatchNormalization()(features))
    features = L.Conv2D(16, 3, 2, activation="relu", name="second")(features)
    hidden = L.Dense(24, activation="relu", name="hidden")(L.Flatten()(features))
    return keras.Model(image, L.Dense(3, name="head")(hidden))


def data() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.normal(size=(32, 10, 10, 8)).astype("float32"), generator.normal(size=(32, 3)).astype("float32")


def fit(model: keras.Model, callbacks: list[keras.callbacks.Callback]) -> None:
    model.compile(keras.optimizers.Adam(1e-3), "mse", jit_compile=False, run_eagerly=True)
    model.fit(*data(), batch_size=16, epochs=1, verbose=0, callbacks=callbacks)


@pytest.mark.parametrize(
    "first", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in FIRST]
)
def test_pruning_clustering_and_quantization_follow_it_down_to_an_int8_file(first: str, tmp_path: Path) -> None:
    model = network()
    recipe = tfc.Recipe(
        [
            FIRST[first],
            tfc.MagnitudePruning(sparsity=0.5, skip=()),
            tfc.WeightClustering(clusters=8),
            tfc.QuantizationAware(),
        ]
    )
    result = tfc.compress(model, recipe, fit, tmp_path / "run")
    card = tfc.convert(result.model, tmp_path / "m.tflite", representative=data()[0])
    kernels = [tensor for tensor in card.tensors if tensor["kernel"]]
    assert {tensor["type"] for tensor in kernels} == {"int8"}
    assert card.sparsity >= 0.45
    # Few channels share an integer codebook, and TFLite scales each of them anew: more than 8 values, far below 255.
    assert card.distinct_values <= 32
    clustered, quantized = (
        {layer["name"]: layer["distinct_values"] for layer in step.card.layers} for step in result.steps[2:]
    )
    assert quantized == clustered
    assert result.steps[-1].card.parameters == result.steps[0].card.parameters
    answers = np.asarray(tfc.predict(tmp_path / "m.tflite", data()[0]))
    expected = np.asarray(result.model(data()[0]))
    assert np.abs(answers - expected).max() < 0.1 * np.abs(expected).max() + 0.05


def test_a_step_that_undoes_zeros_is_refused_before_it_begins() -> None:
    for technique in (tfc.LowRank(), tfc.LowRankSparse()):
        with pytest.raises(tfc.TfCompressError, match="it would undo the sparsity that MagnitudePruning established"):
            tfc.Recipe([tfc.MagnitudePruning(), technique])
