"""docs/results/deep_compression.md, made from the cards of a finished run, which are kept beside it.

Run: python -m tools.reproduce.results runs/deep_compression
"""

import shutil
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfcompress.card import Card, card_path
from tfcompress.files import write_text
from tools.reproduce.lenets import EXPERIMENTS, Experiment, Pruning, Training
from tools.reproduce.paper import PAPER, PaperNetwork

_RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
PAGE = _RESULTS / "deep_compression.md"
CARDS = _RESULTS / "deep_compression"
SEEDS = (0, 1, 2)
KINDS = ("reference", "compressed")

Layer = Mapping[str, Any]


def page(folder: Path) -> str:
    """The whole page for the cards of a folder; a network that is not there yet is left out."""
    parts = [_HEAD]
    for experiment, paper in zip(EXPERIMENTS, PAPER, strict=True):
        if all(path.exists() for path in _paths(experiment, folder)):
            references, cards = (_cards(experiment, kind, folder) for kind in KINDS)
            parts += [f"## {paper.name}", _summary(paper, references, cards), _by_seed(references, cards)]
            parts += [_by_layer(paper, [card.layers for card in cards]), _how(experiment)]
    return "\n\n".join([*parts, _TAIL]) + "\n"


def _paths(experiment: Experiment, folder: Path) -> list[Path]:
    """Where the cards of a network lie."""
    return [card_path(folder / f"{experiment.slug}-{seed}-{kind}.tflite") for kind in KINDS for seed in SEEDS]


def _cards(experiment: Experiment, kind: str, folder: Path) -> list[Card]:
    paths = [path for path in _paths(experiment, folder) if kind in path.name]
    return [Card.from_json(path.read_text(encoding="utf-8")) for path in paths]


_HEAD = """# Deep Compression's LeNet rows, decoded and tested

Made by `tools/reproduce/deep_compression` on full MNIST, then `python -m tools.reproduce.results`; the cards are in
`deep_compression/`. The paper is Han, Mao, Dally, arXiv:1510.00149; its bytes are its own account of what it stores.

- **Error** is that of the `.tflite` decoded from the `.tfz` alone, on the 10,000 test images, each file tested once.
  Settings were chosen on 5,000 of the training images; then all 60,000 were trained on. One exception: the last cut of
  LeNet-300-100 was validated only after its test.
- Training is ours, not the paper's: with images shifted by up to a pixel the dense networks begin at another error,
  which stands beside each.
- **Bytes** are those of the whole `.tfz`: kernels, positions, codebooks, models, biases, the graph, names, header. The
  **rate** holds them against 4 bytes for each parameter of the network.
- One wrong image is 0.01 points. By the choice of test images alone an error of 1.5 % has a standard deviation of 0.12
  points, one of 0.8 % of 0.09 points: smaller differences mean nothing."""

_TAIL = """## What the columns mean

**P** counts parameters: all of them over those that are not zero, biases all kept. **P+Q** stores, for each kept
weight, an index into the codebook and the distance to the one before, both in whole bits (the width of a distance is
the one that takes the fewest bytes; where it is too short, a filler is stored), float32 codebooks and float32 biases.
**P+Q+H** codes both rows by Huffman, and counts the lengths of the codes' words. **Beyond** is what the `.tfz` takes.
The first three leave out the graph, names and header, as the paper does; the total of beyond leaves out nothing."""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    aligned = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, aligned, *rows))


def _mean(values: Sequence[float]) -> float:
    return statistics.mean(values)


def _error(card: Card) -> float:
    return 100 - 100 * (card.accuracy or 0)


def _biases(card: Card) -> int:
    return (card.parameters or 0) - sum(layer["weights"] for layer in card.layers)


def _rates(card: Card) -> dict[str, float]:
    """Parameters over what is left of them after each stage, by the stage's name."""
    dense, biases = 4 * (card.parameters or 0), _biases(card)

    def total(key: str) -> float:
        return sum(layer[key] for layer in card.layers)

    return {
        "P": (card.parameters or 0) / (total("kept") + biases),
        "P+Q": dense / (total("shared_bytes") + 4 * biases),
        "P+Q+H": dense / (total("coded_bytes") + 4 * biases),
        "beyond": dense / (card.packed_bytes or 1),
    }


def _summary(paper: PaperNetwork, references: Sequence[Card], cards: Sequence[Card]) -> str:
    rates = {stage: _mean([_rates(card)[stage] for card in cards]) for stage in ("P", "P+Q", "P+Q+H", "beyond")}
    ours = [f"{_mean(list(map(_error, references))):.2f} %", f"{_mean(list(map(_error, cards))):.2f} %"]
    size = _mean([card.packed_bytes or 0 for card in cards])
    theirs = [f"{paper.reference_error:.2f} %", f"{paper.error:.2f} %", f"{paper.size_bytes:,}"]
    return _table(
        ["", "error before", "error", "bytes", "P", "P+Q", "P+Q+H", "beyond"],
        [
            ["the paper", *theirs, f"{paper.pruned:.0f}x", f"{paper.shared:.0f}x", f"{paper.coded:.0f}x", "-"],
            [
                f"tfcompress, mean of {len(cards)} seeds",
                *ours,
                f"{size:,.0f}",
                *(f"{rate:.1f}x" for rate in rates.values()),
            ],
        ],
    )


def _by_seed(references: Sequence[Card], cards: Sequence[Card]) -> str:
    rows = [
        [
            str(seed),
            f"{_error(reference):.2f} %",
            f"{_error(card):.2f} %",
            f"{card.size_bytes:,}",
            f"{card.zlib_bytes:,}",
            f"{card.packed_bytes:,}",
            f"{_rates(card)['beyond']:.1f}x",
        ]
        for seed, reference, card in zip(SEEDS, references, cards, strict=True)
    ]
    return _table(["seed", "error before", "error", ".tflite bytes", "zlib bytes", ".tfz bytes", "rate"], rows)


def _by_layer(paper: PaperNetwork, seeds: Sequence[Sequence[Layer]]) -> str:
    head = ["layer", "weights", "kept", "centroids", "weight bits P+Q / +H", "index bits P+Q / +H"]
    head += ["share P+Q", "share P+Q+H", "share beyond", "bits a weight beyond"]
    rows = []
    for theirs, *ours in zip(paper.layers, *seeds, strict=True):

        def mean(of: Callable[[Layer], float], ours: Sequence[Layer] = ours) -> float:
            return _mean([of(one) for one in ours])

        rows.append(
            [
                f"{theirs.name}, the paper",
                f"{theirs.weights:,}",
                f"{theirs.kept:.0%}",
                "-",
                f"{theirs.weight_bits:g} / {theirs.coded_weight_bits:g}",
                f"{theirs.index_bits:g} / {theirs.coded_index_bits:g}",
                f"{theirs.shared_rate:.2%}",
                f"{theirs.coded_rate:.2%}",
                "-",
                "-",
            ]
        )
        rows.append(
            [
                f"{ours[0]['name']}, tfcompress",
                f"{ours[0]['weights']:,}",
                f"{mean(lambda one: one['kept'] / one['weights']):.1%}",
                f"{mean(lambda one: one['clusters']):.1f}",
                f"{mean(lambda one: one['weight_bits']):.3g} / {mean(lambda one: one['coded_weight_bits']):.1f}",
                f"{mean(lambda one: one['index_bits']):.3g} / {mean(lambda one: one['coded_index_bits']):.1f}",
                f"{mean(lambda one: one['shared_bytes'] / one['weights'] / 4):.2%}",
                f"{mean(lambda one: one['coded_bytes'] / one['weights'] / 4):.2%}",
                f"{mean(lambda one: one['packed_bytes'] / one['weights'] / 4):.2%}",
                f"{mean(lambda one: 8 * one['packed_bytes'] / one['weights']):.3f}",
            ]
        )
    return _table(head, rows)


def _how(experiment: Experiment) -> str:
    lines = [
        "Stages, each AdamW along a cosine to zero in batches of 256:",
        "",
        f"- dense: {_training(experiment.dense)}",
    ]
    for step in experiment.steps:
        if isinstance(step, Pruning):
            what = f"{step.kept:g} of the weights stay ({type(step.allocation).__name__})"
            settings = step.kept_of
        else:
            what, settings = f"{step.clusters} values a kernel, zero among them", step.clusters_of
        but = ", ".join(f"{name} {value:g}" for name, value in settings.items())
        lines.append(f"- {step.name}: {what}{f'; {but}' if but else ''}; {_training(step.training)}")
    return "\n".join([*lines, "- biases rounded to multiples of 1/32"])


def _training(training: Training) -> str:
    on = "images, each batch moved by at most one pixel"
    if training.features:
        on = (
            f"outputs of {training.features} for each image as it is and moved in four directions, what is before rests"
        )
    return f"{training.epochs} epochs from a rate of {training.learning_rate:g} on {on}"


def main(folder: Path) -> None:
    """Keeps the cards of a finished run and writes the page."""
    CARDS.mkdir(parents=True, exist_ok=True)
    for path in (path for experiment in EXPERIMENTS for path in _paths(experiment, folder)):
        if path.exists():
            shutil.copy(path, CARDS)
    write_text(PAGE, page(CARDS))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
