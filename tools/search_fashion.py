"""A network for searches on Fashion-MNIST, its training and evaluation: functions that other processes import."""

from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

import tfcompress as tfc
from tfcompress.files import replacing
from tools.datasets import FASHION_MNIST, LabelledImages, load
from tools.train_lenet5 import compile_for, pixels

VALIDATION = 5000  # the last images of the training set, which no training sees
EPOCHS, EPOCHS_OF_A_STEP = 10, 3
_BATCH = 128


@cache
def images() -> LabelledImages:
    """The data set, read once in a process."""
    return load(FASHION_MNIST)


def build() -> keras.Model:
    """LeNet-300-100: 266,610 parameters in dense layers; answers with logits."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Flatten(name="flatten"),
            layers.Dense(300, activation="relu", name="fc1"),
            layers.Dense(100, activation="relu", name="fc2"),
            layers.Dense(10, name="fc3"),
        ],
        name="lenet300",
    )


def fit(model: keras.Model, callbacks: list[Any]) -> None:
    """Three epochs of Adam, its rate falling to zero."""
    train(model, EPOCHS_OF_A_STEP, 1e-3, callbacks)


def train(model: keras.Model, epochs: int, learning_rate: float, callbacks: list[Any]) -> None:
    """Trains on all but the images that are kept for validation."""
    found = images()
    x, y = pixels(found.x_train[:-VALIDATION]), found.y_train[:-VALIDATION]
    compile_for(model, epochs * -(-len(x) // _BATCH), learning_rate)
    model.fit(x, y, _BATCH, epochs, callbacks=callbacks, verbose=0)


def evaluate(model: keras.Model) -> float:
    """Accuracy on the images for validation."""
    found = images()
    logits = model.predict(pixels(found.x_train[-VALIDATION:]), batch_size=500, verbose=0)
    return accuracy(logits, found.y_train[-VALIDATION:])


def evaluate_file(path: Path) -> float:
    """Accuracy of a written file on the images for validation."""
    found = images()
    return accuracy(np.asarray(tfc.predict(path, pixels(found.x_train[-VALIDATION:]))), found.y_train[-VALIDATION:])


def on_test_data(path: Path) -> float:
    """Accuracy of a written file on the 10,000 test images, which nothing else looks at."""
    found = images()
    return accuracy(np.asarray(tfc.predict(path, pixels(found.x_test))), found.y_test)


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """The share of samples whose largest logit is the right class."""
    return float((logits.argmax(axis=-1) == labels).mean())


def trained(path: Path) -> keras.Model:
    """The float network, trained once and kept."""
    if not path.exists():
        keras.utils.set_random_seed(0)
        model = build()
        train(model, EPOCHS, 2e-3, [])
        with replacing(path) as temporary:
            model.save(temporary)
    return tfc.load(path)
