"""A tiny classification that trains in a second, for searches in tests: what `fit` and `evaluate` are made of."""

from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np

import tfcompress as tfc


def samples(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points on three noisy blobs in 16 dimensions, and their blob."""
    centres = np.random.default_rng(99).normal(size=(3, 16))
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, count)
    return (centres[labels] + generator.normal(0, 0.7, (count, 16))).astype("float32"), labels


def fit(model: keras.Model, callbacks: list[Any]) -> None:
    x, y = samples(1, 256)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=64, epochs=1, callbacks=callbacks, verbose=0)


def evaluate(model: keras.Model) -> float:
    x, y = samples(2, 200)
    return float((model.predict_on_batch(x).argmax(axis=-1) == y).mean())


@cache
def trained() -> keras.Model:
    """A dense network with about 2,000 weights, the same one for all who ask."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input((16,)), keras.layers.Dense(48, activation="relu", name="first")]
    layers += [keras.layers.Dense(24, activation="relu", name="second"), keras.layers.Dense(3, name="head")]
    model = keras.Sequential(layers, name="blobs")
    for _ in range(5):
        fit(model, [])
    return model


SPACE = tfc.SearchSpace(channels=(1.0, 0.5), sparsity=(0.0, 0.5, 0.8), clusters=(0, 16), trained_ranges=(False,))


def searched(folder: Path, model: keras.Model, **settings: Any) -> tfc.SearchResult:
    """A search of a few trials."""
    defaults: dict[str, Any] = {"budget": {"packed_bytes": 3500}, "trials": 2, "batch": 2, "space": SPACE}
    defaults |= {"representative": samples(1, 100)[0], "fit": fit, "evaluate": evaluate}
    return tfc.search(model, directory=folder, **(defaults | settings))
