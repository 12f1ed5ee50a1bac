"""Bytes against signal over noise, from all int8 to all int4: MLPerf Tiny's ResNet on images it was not trained for.

Some images set ranges and decide; others, which the search does not see, judge every file that no other beats.
`tools/bench_mixed_precision -o docs/results/mixed_precision.md` makes the page.
"""

import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np

import tfcompress as tfc
from tfcompress.conversion.difference import keras_outputs
from tfcompress.conversion.signature import signature_of
from tfcompress.files import write_text

_MODEL, _IMAGES = "mlperf_tiny/ic/pretrainedResnet.h5", "signs/signs48.npz"
_SEARCHED, _JUDGED, _SEED = 200, 400, 0
_WAYS = {"integer throughout": "int8", "dynamic": "dynamic", "weights only": "float32"}
_NAMES = ("tfcompress", "litert-quantizer", "ai-edge-litert", "tensorflow", "keras")

_HEAD = """# Mixed precision: bytes against error

MLPerf Tiny's ResNet8 (`{model}`, trained on CIFAR-10), converted once to float; each layer gets int8 or int4 by
`tfc.quantize`. Made by `tools/bench_mixed_precision`. {searched} photos of hand signs set the ranges and the first 64
of them decide; {judged} others judge. The model was not trained for such images, so this is about outputs, not about
accuracy: SNR = 10 log10(sum y^2 / sum (y - y')^2) over the class probabilities y of the float model.

Only files that no other beats in bytes and in the SNR that the search sees are shown, from all int8 to all int4, so
down each table both fall; the SNR on unseen images mostly follows. The last column counts the operators that XNNPACK
leaves to LiteRT's own kernels: no latency was measured, and none should be expected to fall.
"""


@dataclass(frozen=True)
class Row:
    """One file: its layers in int4, its bytes, and the SNR in decibels where the search looked and where it did not.

    Attributes:
        same: Share of the unseen images on which file and Keras model have the same largest class.
        fallbacks: How many operators XNNPACK leaves to LiteRT's own kernels, which are slower.
    """

    int4: int
    layers: int
    bytes: int
    searched_db: float
    judged_db: float
    same: float
    fallbacks: int


def images(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Hand signs in the middle 32x32 pixels, 0 to 255: those for the search, and those that judge."""
    with np.load(folder / _IMAGES) as content:
        x = content["x"][:, 8:40, 8:40].astype(np.float32)
    order = np.random.default_rng(_SEED).permutation(len(x))
    return x[order[:_SEARCHED]], x[order[_SEARCHED : _SEARCHED + _JUDGED]]


def rows(folder: Path, activations: str) -> list[Row]:
    """The files that no other beats, from all int8 to all int4."""
    model, (searched, judged) = tfc.load(folder / _MODEL), images(folder)
    (expected,) = keras_outputs(model, signature_of(model, 1), {"image": judged})
    with tempfile.TemporaryDirectory() as work:
        every = Path(work) / "every"
        found = tfc.quantize(
            model,
            Path(work) / "x.tflite",
            precisions=["int8", "int4"],
            representative=searched,
            min_snr_db=-100,
            activations=activations,
            every=every,
        )
        measured = []
        for point in found.points:
            file = every / f"{point.bytes}.tflite"
            given = np.asarray(tfc.predict(file, judged))
            level = 10 * np.log10((expected**2).sum() / ((given - expected) ** 2).sum())
            same = (given.argmax(-1) == expected.argmax(-1)).mean()
            narrow = sum(precision == "int4" for precision in point.precisions.values())
            fallbacks = len(tfc.inspect(file).fallbacks)
            counts = narrow, len(point.precisions), point.bytes
            measured.append(Row(*counts, point.snr_db, float(level), float(same), fallbacks))
    return measured


def page(tables: dict[str, list[Row]]) -> str:
    """The page with a table for each way of computing."""
    lines = [_HEAD.format(model=Path(_MODEL).name, searched=_SEARCHED, judged=_JUDGED)]
    for name, measured in tables.items():
        lines += [
            f"## {name[0].upper()}{name[1:]}",
            "",
            "| layers in int4 | bytes | SNR, dB, search | SNR, dB, unseen | same class, unseen | not by XNNPACK |",
            "| ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        lines += [
            f"| {row.int4} of {row.layers} | {row.bytes:,} | {row.searched_db:.2f} | {row.judged_db:.2f} | "
            f"{row.same:.3f} | {row.fallbacks} |"
            for row in measured
        ]
        lines.append("")
    versions = ", ".join(f"{name} {version(name)}" for name in _NAMES)
    return "\n".join([*lines, f"Sizes are exact, and so are outputs on this host (x86-64). Versions: {versions}.", ""])


@click.command()
@click.option("-o", "--output", default="runs/mixed_precision.md", type=click.Path(path_type=Path), show_default=True)
@click.option(
    "--data",
    default=Path(__file__).resolve().parents[2] / "shared" / "data",
    type=click.Path(path_type=Path),
    help="The folder with the model and the images.  [default: ../shared/data beside the repository]",
)
def main(output: Path, data: Path) -> None:
    """Search and judge each way of computing, and write the page."""
    tables = {}
    for name, activations in _WAYS.items():
        tables[name] = rows(data, activations)
        click.echo(page({name: tables[name]}), err=True)
    write_text(output, page(tables))
    click.echo(f"{output}: written")


if __name__ == "__main__":
    main()
