"""Makes the golden demo folder in tests/demo/golden, on which the demo apps are tested: python -m tools.make_golden_demo

Two tiny models, float32 and int8, tell four patterns apart. The images have another size than the models want, and colours,
so that cropping, resampling and greying count. Small enough for the repository; the tests find out when it goes stale.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers

import tfcompress as tfc
from tfcompress.demo.preprocessing import model_input
from tfcompress.work_folders import work_folder

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "demo" / "golden"
LABELS = ["rows", "columns", "diagonal", "dots"]
_SHAPE, _MEAN, _STD = (16, 16, 1), [127.5], [64.0]
_SAMPLES, _EPOCHS = 480, 8


def patterns(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Coloured, noisy patterns: uint8 (count, 24, 30, 3), and their classes in turn."""
    generator = np.random.default_rng(seed)
    classes = np.arange(count) % len(LABELS)
    down, across = np.mgrid[0:24, 0:30]
    images = np.empty((count, 24, 30, 3), np.uint8)
    for at, kind in enumerate(classes):
        phase = generator.integers(0, 6)
        waves = [down, across, down + across, np.maximum(down // 3 % 2, across // 3 % 2) * 3]
        bright = (waves[kind] + (phase if kind < 3 else 0)) % 6 < 3
        colour, ground = generator.integers(140, 250, 3), generator.integers(0, 110, 3)
        noisy = np.where(bright[..., np.newaxis], colour, ground) + generator.normal(0, 12, (24, 30, 3))
        images[at] = np.clip(noisy, 0, 255)
    return images, classes


def trained() -> tuple[keras.Model, np.ndarray]:
    """The model and its training inputs."""
    keras.utils.set_random_seed(0)
    images, classes = patterns(_SAMPLES, seed=0)
    inputs = np.stack([model_input(image, _SHAPE, _MEAN, _STD) for image in images])
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
            tfc.convert(model, path, mode=mode, representative=inputs[:100])
        demo = tfc.export_demo(
            files,
            GOLDEN,
            images=patterns(8, seed=1),
            labels=LABELS,
            mean=_MEAN,
            std=_STD,
            title="Patterns",
            credits="Made by tools/make_golden_demo.py",
            force=True,
        )
    print(demo)


if __name__ == "__main__":
    main()
