"""Trains LeNet-5 on MNIST: a plain Keras script, as anybody writes it; nothing in it knows tfcompress.

Run: python -m tools.train_lenet5 lenet5.keras
"""

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers

from tools.datasets import MNIST, load

EPOCHS = 3
BATCH_SIZE = 128
LEARNING_RATE = 2e-3


def pixels(images: np.ndarray) -> np.ndarray:
    """What the model takes: float32 (samples, 28, 28, 1), in [0, 1]."""
    return images[..., np.newaxis].astype("float32") / 255


def build() -> keras.Model:
    """LeNet-5 as Caffe ships it: 431,080 parameters; answers with logits."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(20, 5, name="conv1"),
            layers.MaxPooling2D(name="pool1"),
            layers.Conv2D(50, 5, name="conv2"),
            layers.MaxPooling2D(name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(500, activation="relu", name="fc1"),
            layers.Dense(10, name="fc2"),
        ],
        name="lenet5",
    )


def build_normed() -> keras.Model:
    """The same with batch normalization behind both convolutions and the first dense layer."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(20, 5, use_bias=False, name="conv1"),
            layers.BatchNormalization(name="conv1_norm"),
            layers.ReLU(name="conv1_relu"),
            layers.MaxPooling2D(name="pool1"),
            layers.Conv2D(50, 5, use_bias=False, name="conv2"),
            layers.BatchNormalization(name="conv2_norm"),
            layers.ReLU(name="conv2_relu"),
            layers.MaxPooling2D(name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(500, use_bias=False, name="fc1"),
            layers.BatchNormalization(name="fc1_norm"),
            layers.ReLU(name="fc1_relu"),
            layers.Dense(10, name="fc2"),
        ],
        name="lenet5_normed",
    )


def compile_for(model: keras.Model, steps: int, learning_rate: float) -> None:
    """Adam, its rate falling along a cosine to zero over `steps`."""
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,  # on a CPU, XLA mostly takes longer for convolutions
    )


def train(x_train: np.ndarray, y_train: np.ndarray, *, verbose: int | str = "auto") -> keras.Model:
    """A trained LeNet-5; the same on every run of one machine."""
    keras.utils.set_random_seed(0)
    model = build()
    compile_for(model, EPOCHS * -(-len(x_train) // BATCH_SIZE), LEARNING_RATE)
    model.fit(pixels(x_train), y_train, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=verbose)
    return model


def main(path: Path) -> None:
    """Trains, says the accuracy on the test images, and saves."""
    images = load(MNIST)
    model = train(images.x_train, images.y_train)
    _, accuracy = model.evaluate(pixels(images.x_test), images.y_test, batch_size=500, verbose=0)
    print(f"test accuracy {accuracy:.4f}")
    model.save(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
