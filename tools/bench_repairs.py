"""Repairs after training on Fashion-MNIST: the cliff of int8 with spread channels, and weights of four bits.

A trained depthwise network has the channels of its layers scaled at random, and read back as much: it computes the
same, and int8 falls off a cliff. Each row is an int8 file, tested on the 10,000 test images, which nothing else looks
at. Representative data and samples are training images. A seed's results are kept, so a run that was stopped goes on.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import click
import keras
import numpy as np

import tfcompress as tfc
from tfcompress.files import write_text
from tfcompress.models.scaling import scalable_channels
from tfcompress.models.surgery import copy
from tfcompress.techniques.technique import Technique
from tools import train_fashion
from tools.bench_techniques import Network, accuracy, slug, trained
from tools.datasets import FASHION_MNIST, LabelledImages, load
from tools.train_lenet5 import pixels

NETWORK = Network(
    "depthwise CNN with ReLU, Fashion-MNIST",
    FASHION_MNIST,
    partial(train_fashion.build, None),
    epochs=3,
    epochs_of_a_step=0,
)
_RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "repairs.md"
_POWERS = 8.0  # of two, over which channels are spread
_REPRESENTATIVE, _SAMPLES = 200, 128


@dataclass(frozen=True)
class Outcome:
    """One file: what was done, its accuracy, and that of the float model it was made from."""

    name: str
    accuracy: float
    float_accuracy: float


def spread(model: keras.Model, powers: float, seed: int, only: tuple[str, ...] = ()) -> keras.Model:
    """The same function with channels whose scales spread over 2^powers, evenly in the logarithm.

    Args:
        model: It is not changed.
        powers: How many powers of two lie between the smallest scale and the largest.
        seed: Of the scales.
        only: The layers whose channels are spread; by default all that can be.
    """
    spread_model = copy(model)
    found = scalable_channels(spread_model)
    drawn = np.exp2(np.random.default_rng(seed).uniform(-powers / 2, powers / 2, len(found.classes)))
    made = {id_ for link in found.links if not only or link.name in only for id_ in found.classes[link.makes].tolist()}
    scales = np.where(found.free & np.isin(np.arange(len(drawn)), list(made)), drawn, 1.0)
    for factor in found.factors:
        own = scales[found.classes[factor.ids]] ** factor.power
        factor.variable.assign(factor.variable.numpy() * own.astype("float32"))
    return spread_model


def recipes(samples: np.ndarray) -> dict[str, tuple[bool, tuple[Technique, ...]]]:
    """By the name of a row whether channels are spread, and what is done before the conversion."""
    equal, ranges = tfc.Equalization(), tfc.RangeSetting(samples=samples)
    nearest = tfc.QuantizationAware(bits=4, activations="Calibrated")
    return {
        "int8": (False, ()),
        "channels spread, int8": (True, ()),
        "channels spread, RangeSetting": (True, (ranges,)),
        "channels spread, Equalization": (True, (equal,)),
        "channels spread, Equalization, BiasCorrection": (True, (equal, tfc.BiasCorrection(samples=samples))),
        "channels spread, Equalization, BiasCorrection without data": (True, (equal, tfc.BiasCorrection())),
        "4-bit weights, to the nearest": (False, (nearest,)),
        "4-bit weights, to the nearest, BiasCorrection": (
            False,
            (tfc.BiasCorrection(bits=4, samples=samples), nearest),
        ),
        "4-bit weights, AdaptiveRounding": (False, (tfc.AdaptiveRounding(bits=4, samples=samples),)),
    }


def outcomes(folder: Path, seed: int, only: str = "") -> tuple[list[Outcome], str]:
    """The rows whose name contains `only`, and what doctor and diagnosis say of the spread model's file."""
    images = load(NETWORK.dataset)
    model = trained(NETWORK, images, seed, folder / f"{slug(NETWORK.name)}-{seed}.keras")
    score = _scorer(images)
    exact = score(lambda x: model.predict(x, batch_size=500, verbose=0))
    wide = spread(model, _POWERS, seed)
    found, said = [], ""
    for name, (is_spread, steps) in recipes(pixels(images.x_train[:_SAMPLES])).items():
        if only not in name:
            continue
        changed = wide if is_spread else model
        for step in steps:
            changed = step.strip(step.wrap(changed))
        path = folder / f"{slug(name)}-{seed}.tflite"
        representative = pixels(images.x_train[:_REPRESENTATIVE])
        tfc.convert(changed, path, representative=representative, force=True)
        found.append(Outcome(name, score(lambda x: tfc.predict(path, x)), exact))  # noqa: B023 - called at once
        if name == "channels spread, int8":
            doctor = tfc.check_representative(wide, representative)
            diagnosis = tfc.diagnose(wide, path, representative)
            said = f"check_representative(model, data)\n\n{doctor}\n\ndiagnose(model, file, data)\n\n{diagnosis}"
    return found, said


def kept_outcomes(folder: Path, seed: int, only: str = "") -> tuple[list[Outcome], str]:
    """What `outcomes` finds, read back where the folder has it from an earlier run."""
    path = folder / f"outcomes{'-' + slug(only) if only else ''}-{seed}.json"
    if path.exists():
        content = json.loads(path.read_text(encoding="utf-8"))
        return [Outcome(**row) for row in content["rows"]], content["said"]
    found, said = outcomes(folder, seed, only)
    write_text(path, json.dumps({"rows": [asdict(one) for one in found], "said": said}, indent=2) + "\n")
    return found, said


def _scorer(images: LabelledImages) -> Callable[[Callable[[np.ndarray], object]], float]:
    x, labels = pixels(images.x_test), images.y_test
    return lambda predict: accuracy(np.asarray(predict(x)), labels)


def table(found: list[list[Outcome]]) -> str:
    """A line for each row: its accuracy and the loss in points, over the seeds."""
    lines = ["| int8 file | accuracy | loss, points | lowest | highest |", "| --- | ---: | ---: | ---: | ---: |"]
    for row in zip(*found, strict=True):
        losses = [100 * (one.float_accuracy - one.accuracy) for one in row]
        mean = float(np.mean([one.accuracy for one in row]))
        lines.append(f"| {row[0].name} | {mean:.4f} | {np.mean(losses):.2f} | {min(losses):.2f} | {max(losses):.2f} |")
    exact = float(np.mean([row[0].float_accuracy for row in found]))
    return "\n".join([*lines, "", f"The float model: {exact:.4f}. Seeds: {len(found)}."])


_HEAD = f"""# Repairs after training

Made by `tools/bench_repairs`: a network with depthwise layers (22,000 parameters, ReLU), 3 epochs on Fashion-MNIST's
60,000 training images; accuracy on all 10,000 test images, computed by the int8 files. Where channels are spread, those
of every layer are scaled by factors over 2^{_POWERS:g}, evenly in the logarithm, and read back as much: the float model
computes the same. {_REPRESENTATIVE} representative images, {_SAMPLES} samples for the repairs, no labels, no training.

"""


@click.command()
@click.option("-o", "--output", default="runs/repairs", type=click.Path(path_type=Path), show_default=True)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--only", default="", help="Only rows whose name contains this.")
@click.option("--publish", is_flag=True, help="Also write docs/results/repairs.md.")
def main(output: Path, seeds: int, only: str, publish: bool) -> None:
    """Measure the repairs on the cliff of int8 and on weights of four bits."""
    output.mkdir(parents=True, exist_ok=True)
    results = [kept_outcomes(output, seed, only) for seed in range(seeds)]
    text = table([found for found, _ in results])
    click.echo(text)
    if publish:
        write_text(
            _RESULTS, f"{_HEAD}{text}\n\n## What is said of the spread model, first seed\n\n```\n{results[0][1]}\n```\n"
        )


if __name__ == "__main__":
    main()
