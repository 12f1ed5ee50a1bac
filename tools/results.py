"""The README's table of results, made from the demo's cards, which are kept in docs/results/demo.

Run: python -m tools.results runs/demo    after tools/demo; it copies the cards and rewrites the table.
"""

import shutil
import sys
from pathlib import Path

from tfcompress.card import Card
from tfcompress.files import write_text
from tfcompress.table import cell

_ROOT = Path(__file__).resolve().parents[1]
README = _ROOT / "README.md"
CARDS = _ROOT / "docs" / "results" / "demo"
_BEGIN, _END = "<!-- results: begin -->\n", "<!-- results: end -->"
# The order of the demo's stages.
_FILES = ("original-float32", "original-int8", "pruned-float32", "pruned-int8")


def table(folder: Path) -> str:
    """The rows of a README for the cards of a folder, with the conditions under them."""
    cards = [_read(folder / f"lenet5-{name}.tflite.card.json") for name in _FILES]
    lines = [
        "| file | bytes | zlib bytes | tfz bytes | compression rate | accuracy | zeros | median ms | p90 ms |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, card in zip(_FILES, cards, strict=True):
        latency = card.latency_ms or {}
        cells = (
            name.replace("-", ", "),
            f"{card.size_bytes:,}",
            f"{card.zlib_bytes:,}",
            cell(card.packed_bytes),
            f"{card.compression_rate:.2f}",
            f"{card.accuracy:.4f}",
            f"{card.sparsity:.3f}",
            f"{latency['median']:.3f}",
            f"{latency['p90']:.3f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", _conditions(cards[0])]) + "\n"


def _read(path: Path) -> Card:
    return Card.from_json(path.read_text(encoding="utf-8"))


def _conditions(card: Card) -> str:
    measurement = card.measurements[0]
    versions = measurement["versions"] | card.versions
    named = ", ".join(f"{package} {number}" for package, number in sorted(versions.items()))
    latency = f"Latency: {measurement['runs']} runs on {measurement['cpu']}, threads: {measurement['threads']}."
    return " ".join([latency, *(f"{note}." for note in card.notes), f"Versions: {named}."])


def with_table(readme: str, rows: str) -> str:
    """The README with these rows between its two marks.

    Example:
        >>> with_table("a\\n<!-- results: begin -->\\nold\\n<!-- results: end -->\\nb", "new\\n")
        'a\\n<!-- results: begin -->\\nnew\\n<!-- results: end -->\\nb'
    """
    before, _, rest = readme.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{rows}{_END}{after}"


def table_of(readme: str) -> str:
    """The rows between a page's two marks.

    Example:
        >>> table_of("a\\n<!-- results: begin -->\\nold\\n<!-- results: end -->\\nb")
        'old\\n'
    """
    return readme.partition(_BEGIN)[2].partition(_END)[0]


def main(folder: Path) -> None:
    """Keeps the cards of a finished demo and puts their table into the README."""
    CARDS.mkdir(parents=True, exist_ok=True)
    for name in _FILES:
        shutil.copy(folder / f"lenet5-{name}.tflite.card.json", CARDS)
    write_text(README, with_table(README.read_text(encoding="utf-8"), table(CARDS)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
