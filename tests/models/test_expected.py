"""What batch norms let one expect, against what random numbers with their statistics show."""

import keras
import numpy as np
import pytest

from tfcompress.models.expected import clipped_mean, expected_means

L = keras.layers


@pytest.mark.parametrize("most", [np.inf, 6.0, 1.0])
def test_the_clipped_mean_is_that_of_many_draws(most: float) -> None:
    mean, deviation = np.array([-2.0, 0.0, 0.5, 5.0]), np.array([1.0, 0.1, 3.0, 2.0])
    draws = np.random.default_rng(0).normal(mean, deviation, (400_000, 4))
    np.testing.assert_allclose(clipped_mean(mean, deviation, most), np.clip(draws, 0, most).mean(axis=0), atol=0.01)


def _model(rectifier: keras.layers.Layer) -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [L.BatchNormalization(name="norm"), rectifier, L.GlobalAveragePooling2D(), L.Dense(2, name="head")]
    model = keras.Sequential([keras.Input((16, 16, 3)), *layers])
    model.get_layer("norm").set_weights(
        [np.array(item) for item in [[2.0, 0.5, 4.0], [1.0, -1.0, 3.0], [0.2, 0.0, -1.0], [4.0, 1.0, 0.25]]]
    )
    return model


@pytest.mark.parametrize("rectifier", [L.ReLU(), L.ReLU(6.0), L.Activation("relu6")], ids=["relu", "relu6", "as_name"])
def test_the_mean_that_reaches_a_layer_is_the_one_expected(rectifier: keras.layers.Layer) -> None:
    model = _model(rectifier)
    x = np.random.default_rng(0).normal([0.2, 0.0, -1.0], [2.0, 1.0, 0.5], (400, 16, 16, 3)).astype("float32")
    before = keras.Model(model.inputs, model.get_layer("head").input)
    seen = np.asarray(before.predict(x, verbose=0)).mean(axis=0)
    np.testing.assert_allclose(expected_means(model)[id(model.get_layer("head"))], seen, atol=0.02)


def test_layers_that_read_something_else_are_not_told_of() -> None:
    layers = [L.Conv2D(3, 1, name="first"), L.BatchNormalization(), L.Activation("tanh"), L.Conv2D(2, 1, name="second")]
    model = keras.Sequential([keras.Input((4, 4, 2)), *layers])
    assert not {id(model.get_layer(name)) for name in ("first", "second")} & set(expected_means(model))
