"""Makes the golden demo folder in tests/demo/golden, on which the apps are tested: python -m tools.make_golden_demo

Two tiny models, float32 and int8, tell four patterns apart; small enough for the repository.
"""

import keras
import numpy as np
from keras import layers

import tfcompress as tfc
from tfcompress.demo.preprocessing import model_input
from tfcompress.work_folders import work_folder
from tools.golden_demo import GOLDEN, LABELS, MEAN, STD, patterns

_SHAPE = (16, 16, 1)
_SAMPLES, _EPOCHS = 480, 8
_REPRESENTATIVE = 100


def trained() -> tuple[keras.Model, np.ndarray]:
    """The model, which answers with logits, and its training inputs."""
    keras.utils.set_random_seed(0)
    images, classes = patterns(_SAMPLES, seed=0)
    inputs = np.stack([model_input(image, _SHAPE, [MEAN], [STD]) for image in images])
    model = keras.Sequential(
        [
            keras.Input(_SHAPE),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.DepthwiseConv2D(3, padding="same", activation="relu"),
            layers.Conv2D(12, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(len(LABELS)),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(5e-3), loss, metrics=["accuracy"])
    model.fit(inputs, classes, batch_size=32, epochs=_EPOCHS, verbose=2)
    return model, inputs


def main() -> None:
    """Trains, converts and exports."""
    model, inputs = trained()
    with work_folder() as folder:
        files = {f"patterns, {mode}": folder / f"{mode}.tflite" for mode in ("float32", "int8")}
        for mode, path in zip(("float32", "int8"), files.values(), strict=True):
            tfc.convert(model, path, mode=mode, representative=inputs[:_REPRESENTATIVE])
        demo = tfc.export_demo(
            files,
            GOLDEN,
            images=patterns(),
            labels=LABELS,
            mean=MEAN,
            std=STD,
            title="Patterns",
            credits="Made by tools/make_golden_demo.py",
            force=True,
        )
    print(demo)


if __name__ == "__main__":
    main()
