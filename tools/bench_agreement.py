"""Whether the int8 file answers as the quantization-aware model does: the Fashion-MNIST CNN and keras.applications.

Every network is trained on Fashion-MNIST, trained on under `QuantizationAware`, stripped and converted; the plain model
and the file then see the same test images. Runs that were stopped go on where they were.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import keras
import numpy as np

import tfcompress as tfc
from tfcompress.files import write_text
from tfcompress.progress import task
from tfcompress.table import aligned, cell
from tfcompress.tflite.reading import read
from tools import train_fashion
from tools.bench_techniques import accuracy, slug
from tools.datasets import FASHION_MNIST, LabelledImages, load
from tools.train_lenet5 import compile_for, pixels

_REPRESENTATIVE = 200
_TESTED = 1000
_MOMENTUM = 0.9
"""Of the families' batch norm: with their own 0.99 and 0.999 a few hundred steps hardly move the statistics."""


@dataclass(frozen=True)
class Network:
    """How it is built and fed, and how many steps of `batch` images it trains: first, and aware of quantization."""

    build: Callable[[], keras.Model]
    images: Callable[[np.ndarray], np.ndarray]
    batch: int
    steps: int
    aware_steps: int


@dataclass(frozen=True)
class Agreement:
    """Of one network: accuracies on the test images, and how far the file is from the plain quantized model.

    Attributes:
        agreement: Share of images for which both have the same top class.
        difference: Mean absolute difference of the outputs, in steps of the file's int8 output.
    """

    network: str
    float_accuracy: float
    aware_accuracy: float
    file_accuracy: float
    agreement: float
    difference: float
    arithmetic: str


def padded(images: np.ndarray) -> np.ndarray:
    """28x28 grey to 32x32 with three equal channels, float32 in [0, 255]: what the families take at their smallest."""
    grey = np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., np.newaxis]
    return np.repeat(grey, 3, axis=-1).astype("float32")


def enlarged(images: np.ndarray) -> np.ndarray:
    """The same at 96x96, for the families that take no smaller input."""
    return padded(images).repeat(3, axis=1).repeat(3, axis=2)


def _family(name: str, side: int = 32, batch: int = 32, **settings: Any) -> Network:
    def build() -> keras.Model:
        body = getattr(keras.applications, name)(
            include_top=False, weights=None, input_shape=(side, side, 3), pooling="avg", **settings
        )
        for layer in body.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = _MOMENTUM
        return keras.Model(body.input, keras.layers.Dense(10, name="logits")(body.output), name=name.lower())

    steps = 300 if batch == 32 else 200
    return Network(build, padded if side == 32 else enlarged, batch, steps, aware_steps=steps // 2)


NETWORKS = {
    "Fashion-MNIST CNN": Network(train_fashion.build, pixels, batch=128, steps=4 * 469, aware_steps=2 * 469),
    "MobileNet 0.25": _family("MobileNet", alpha=0.25),
    "MobileNetV2 0.35": _family("MobileNetV2", alpha=0.35),
    "MobileNetV3Small": _family("MobileNetV3Small"),
    "MobileNetV3Large": _family("MobileNetV3Large"),
    "EfficientNetB0": _family("EfficientNetB0"),
    "EfficientNetV2B0": _family("EfficientNetV2B0"),
    "ResNet50": _family("ResNet50", batch=8),
    "ResNet50V2": _family("ResNet50V2", batch=8),
    "DenseNet121": _family("DenseNet121", batch=8),
    "NASNetMobile": _family("NASNetMobile", batch=8),
    "VGG16": _family("VGG16", batch=8),
    "ConvNeXtTiny": _family("ConvNeXtTiny", batch=8),
    "Xception": _family("Xception", side=96, batch=8),
    "InceptionV3": _family("InceptionV3", side=96, batch=8),
    "InceptionResNetV2": _family("InceptionResNetV2", side=96, batch=8),
}


def measure(name: str, images: LabelledImages, folder: Path) -> Agreement:
    """Trains, converts and compares one network."""
    network = NETWORKS[name]
    keras.utils.set_random_seed(0)
    model = network.build()
    with task(f"training {name}"):
        _fit(model, network, images, network.steps, 1e-3)
    x_test, y_test = network.images(images.x_test[:_TESTED]), images.y_test[:_TESTED]
    float_accuracy = accuracy(_outputs(model, x_test), y_test)
    quantization = tfc.QuantizationAware()
    wrapped = quantization.wrap(model)
    with task(f"training {name} aware of quantization"):
        _fit(wrapped, network, images, network.aware_steps, 2e-4)
    plain = quantization.strip(wrapped)
    path = folder / f"{slug(name)}.tflite"
    card = tfc.convert(plain, path, representative=network.images(images.x_train[:_REPRESENTATIVE]), force=True)
    expected, outputs = _outputs(plain, x_test), np.asarray(tfc.predict(path, x_test))
    return Agreement(
        name,
        float_accuracy,
        accuracy(expected, y_test),
        accuracy(outputs, y_test),
        float((outputs.argmax(-1) == expected.argmax(-1)).mean()),
        float(np.abs(outputs - expected).mean() / _output_step(path)),
        card.conversion["arithmetic"],
    )


def _fit(model: keras.Model, network: Network, images: LabelledImages, steps: int, learning_rate: float) -> None:
    """`steps` batches, drawn in a fixed random order."""
    order = np.random.default_rng(0).integers(0, len(images.x_train), steps * network.batch)
    compile_for(model, steps, learning_rate)
    for part in np.array_split(order, -(-len(order) // 20_000)):
        x, y = network.images(images.x_train[part]), images.y_train[part]
        model.fit(x, y, batch_size=network.batch, shuffle=False, verbose=0)


def _outputs(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(x, batch_size=50, verbose=0))


def _output_step(path: Path) -> float:
    """The scale of the int8 tensor that is turned into the float output at the file's end."""
    graph = read(path).graphs[0]
    last = graph.operators[-1]
    quantization = graph.tensors[last.inputs[0]].quantization
    if last.name != "DEQUANTIZE" or quantization is None:
        raise SystemExit(f"{path}: its last operator is {last.name}, DEQUANTIZE was expected.")
    return quantization.scales[0]


def table(results: list[Agreement]) -> str:
    """A line for each network."""
    heading: tuple[str, ...] = (
        "network",
        "float acc.",
        "aware acc.",
        "file acc.",
        "same top-1",
        "mean difference, steps",
        "arithmetic",
    )
    lines = [heading]
    lines += [
        (
            one.network,
            *(cell(value, ".3f") for value in (one.float_accuracy, one.aware_accuracy, one.file_accuracy)),
            cell(one.agreement, ".4f"),
            cell(one.difference, ".3f"),
            one.arithmetic,
        )
        for one in results
    ]
    return aligned(lines)


@click.command()
@click.option("-o", "--output", default="runs/agreement", type=click.Path(path_type=Path), show_default=True)
@click.option("--only", default="", help="Networks whose name contains this.")
def main(output: Path, only: str) -> None:
    """Compare quantization-aware models with their int8 files over 1,000 test images."""
    output.mkdir(parents=True, exist_ok=True)
    images = load(FASHION_MNIST)
    results = []
    for name in NETWORKS:
        if only.lower() not in name.lower():
            continue
        kept = output / f"{slug(name)}.json"
        if not kept.exists():
            write_text(kept, json.dumps(asdict(measure(name, images, output)), indent=1) + "\n")
        results.append(Agreement(**json.loads(kept.read_text(encoding="utf-8"))))
        click.echo(table(results[-1:]), err=True)
    text = table(results)
    write_text(output / "table.txt", text + "\n")
    click.echo(text)


if __name__ == "__main__":
    main()
