"""Every family of keras.applications in every mode of conversion, and how far each file is from its Keras model.

The smallest member of each family, at its smallest size, with random weights: nothing is downloaded. Batch norms take
the statistics of the images, without which the signal would die out on the way. A family's results are kept, so a run
that was stopped goes on. `tools/bench_applications -o docs/results/applications` makes the page.
"""

import json
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import keras
import numpy as np

import tfcompress as tfc
from tfcompress.conversion.difference import keras_outputs
from tfcompress.conversion.signature import signature_of
from tfcompress.errors import TfCompressError
from tfcompress.files import write_text
from tfcompress.models.surgery import layers_of

_CLASSES, _REPRESENTATIVE, _TESTED = 10, 32, 64
_NAMES = ("tfcompress", "tensorflow", "keras", "ai-edge-litert")

FAMILIES: dict[str, dict[str, Any]] = {
    "MobileNet": {"alpha": 0.25, "input_shape": (32, 32, 3)},
    "MobileNetV2": {"alpha": 0.35, "input_shape": (32, 32, 3)},
    "MobileNetV3Small": {"input_shape": (32, 32, 3)},
    "VGG16": {"input_shape": (32, 32, 3)},
    "VGG19": {"input_shape": (32, 32, 3)},
    "ResNet50": {"input_shape": (32, 32, 3)},
    "ResNet50V2": {"input_shape": (32, 32, 3)},
    "Xception": {"input_shape": (71, 71, 3)},
    "InceptionV3": {"input_shape": (75, 75, 3)},
    "EfficientNetB0": {"input_shape": (32, 32, 3)},
    "EfficientNetV2B0": {"input_shape": (32, 32, 3)},
    "ConvNeXtTiny": {"input_shape": (32, 32, 3)},
    "DenseNet121": {"input_shape": (32, 32, 3)},
    "NASNetMobile": {"input_shape": (32, 32, 3)},
    "InceptionResNetV2": {"input_shape": (75, 75, 3)},
}
_RAW_PIXELS = ("EfficientNet", "MobileNetV3", "ConvNeXt")  # these bring pixels of 0 to 255 to their own scale

MODES: dict[str, dict[str, str]] = {
    "float32": {"mode": "float32"},
    "float16": {"mode": "float16"},
    "dynamic": {"mode": "dynamic"},
    "int8": {"mode": "int8"},
    "int8, int8 I/O": {"mode": "int8", "io": "int8"},
    "int16x8": {"mode": "int16x8"},
}


@dataclass(frozen=True)
class Result:
    """One file: its bytes, what it computes in, its SNR in decibels and share of same classes; or why there is none.

    `float_kinds` names the operators that an integer file left in float.
    """

    family: str
    mode: str
    bytes: int = 0
    arithmetic: str = ""
    float_operators: int = 0
    snr_db: float = 0.0
    same: float = 0.0
    error: str = ""
    float_kinds: str = ""


def images(family: str, count: int, seed: int) -> np.ndarray:
    """Smooth random pictures with some noise, in the scale that the family takes."""
    generator = np.random.default_rng(seed)
    height, width, _ = FAMILIES[family]["input_shape"]
    coarse = generator.random((count, 5, 5, 3))
    rows, columns = np.arange(height) * 5 // height, np.arange(width) * 5 // width
    pixels = 255 * np.clip(coarse[:, rows][:, :, columns] + generator.normal(0, 0.05, (count, height, width, 3)), 0, 1)
    raw = family.startswith(_RAW_PIXELS)
    return (pixels if raw else pixels / 127.5 - 1).astype(np.float32)


def built(family: str) -> keras.Model:
    """The family's smallest model for 10 classes, its logits spread by batch norms that have seen images."""
    keras.utils.set_random_seed(0)
    settings = FAMILIES[family] | {"weights": None, "classes": _CLASSES, "classifier_activation": None}
    model: keras.Model = getattr(keras.applications, family)(**settings)
    norms = [layer for layer in layers_of(model) if isinstance(layer, keras.layers.BatchNormalization)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # so that one batch sets the statistics
    model(images(family, _REPRESENTATIVE, 0), training=True)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
    return model


def measured(family: str) -> list[Result]:
    """The family's file in each mode, held against the Keras model on images that set no ranges."""
    model, tested = built(family), images(family, _TESTED, 1)
    (expected,) = keras_outputs(model, signature_of(model, 1), {"image": tested})
    results = list[Result]()
    with tempfile.TemporaryDirectory() as folder:
        for name, settings in MODES.items():
            path = Path(folder) / f"{len(results)}.tflite"
            try:
                card = tfc.convert(
                    model,
                    path,
                    mode=settings["mode"],
                    io=settings.get("io", "float32"),
                    representative=images(family, _REPRESENTATIVE, 0),
                    check_scale=False,
                )
            except TfCompressError as error:
                results.append(Result(family, name, error=str(error)))
                continue
            given = np.asarray(tfc.predict(path, tested))
            noise = ((given - expected) ** 2).sum() / ((expected - expected.mean(0)) ** 2).sum()
            results.append(
                Result(
                    family,
                    name,
                    card.size_bytes,
                    card.conversion["arithmetic"],
                    len(card.conversion["float_operators"]),
                    float(-10 * np.log10(max(noise, 1e-15))),
                    float((given.argmax(-1) == expected.argmax(-1)).mean()),
                    float_kinds=", ".join(sorted({item["name"] for item in card.conversion["float_operators"]})),
                )
            )
    return results


def page(results: list[Result]) -> str:
    """A table of signal over noise, one of same classes, and what is not as asked for."""
    families = list(dict.fromkeys(result.family for result in results))
    found = {(result.family, result.mode): result for result in results}
    lines = [_HEAD.format(classes=_CLASSES, tested=_TESTED, representative=_REPRESENTATIVE)]
    for title, cell in (("SNR of the logits, dB", _snr), ("Same largest class", _same), ("Bytes of the file", _bytes)):
        lines += [f"## {title}", "", f"| family | {' | '.join(MODES)} |", f"| --- |{' ---: |' * len(MODES)}"]
        lines += [f"| {name} | {' | '.join(cell(found.get((name, mode))) for mode in MODES)} |" for name in families]
        lines.append("")
    strange = [_strange(result) for result in results if _strange(result)]
    lines += [
        "## What is not as asked for",
        "",
        *(strange or ["Nothing: every integer file is integer throughout."]),
        "",
    ]
    missing = [name for name in FAMILIES if name not in families]
    if missing:
        lines += [f"Not run: {', '.join(missing)}.", ""]
    versions = ", ".join(f"{name} {version(name)}" for name in _NAMES)
    return "\n".join([*lines, f"Versions: {versions}; x86-64.", ""])


_HEAD = """# keras.applications in every mode

The smallest member of each family at its smallest input size, {classes} classes, random weights (nothing is
downloaded), batch norms set by {representative} made images, which also set the ranges; {tested} others judge. Made by
`tools/bench_applications`. With random weights this says whether a family converts, in which arithmetic, and how much
noise that adds: SNR = 10 log10(sum (y - mean y)^2 / sum (y - y')^2) over the logits y of the Keras model. It says
nothing about accuracy: a trained network separates its classes more widely than a random one.
"""


def _snr(result: Result | None) -> str:
    return "-" if result is None else "failed" if result.error else f"{min(result.snr_db, 120):.1f}"


def _same(result: Result | None) -> str:
    return "-" if result is None else "failed" if result.error else f"{result.same:.3f}"


def _bytes(result: Result | None) -> str:
    return "-" if result is None else "failed" if result.error else f"{result.bytes:,}"


def _strange(result: Result) -> str:
    if result.error:
        return f"- {result.family}, {result.mode}: {result.error}"
    if result.float_operators:
        return (
            f"- {result.family}, {result.mode}: {result.float_operators} operators stayed float "
            f"({result.float_kinds}; {result.arithmetic})."
        )
    return ""


@click.command()
@click.option("-o", "--output", default="runs/applications", type=click.Path(path_type=Path), show_default=True)
@click.option("--only", default="", help="Families whose name contains this.")
def main(output: Path, only: str) -> None:
    """Convert the families, and write a page of all that have results."""
    results = []
    for family in FAMILIES:
        kept = output / f"{family}.json"
        if not kept.exists() and only.lower() in family.lower():
            text = json.dumps([asdict(result) for result in measured(family)], indent=1)
            write_text(kept, text + "\n")
        if kept.exists():
            results += [Result(**item) for item in json.loads(kept.read_text(encoding="utf-8"))]
    write_text(output.with_suffix(".md"), page(results))
    click.echo(page(results))


if __name__ == "__main__":
    main()
