"""What the demo says about its files, on made cards; the demo itself is the slow proof of the rest."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tfcompress as tfc
from tools.demo import Stage, accuracy, broken_promises, in_words, table
from tools.train_lenet5 import build

_RECIPE = Path(__file__).resolve().parents[2] / "tools" / "lenet5.toml"


def _stage(name: str, size_bytes: int, zlib_bytes: int, packed_bytes: int, sparsity: float, median: float) -> Stage:
    card = tfc.Card(
        model={"name": f"{name}.tflite", "sha256": "0" * 64},
        size_bytes=size_bytes,
        zlib_bytes=zlib_bytes,
        packed_bytes=packed_bytes,
        sparsity=sparsity,
        compression_rate=4000 / size_bytes,
        accuracy=0.99,
        latency_ms={"median": median, "p90": 2 * median},
    )
    return Stage(name, Path(f"{name}.tflite"), 0.992, card)


@pytest.fixture
def stages() -> list[Stage]:
    return [
        _stage("original, float32", 4000, 3600, 3500, 0.0, 0.4),
        _stage("original, int8", 1000, 900, 880, 0.0, 0.1),
        _stage("pruned, float32", 4000, 600, 500, 0.9, 0.4),
        _stage("pruned, int8", 1000, 200, 160, 0.9, 0.1),
    ]


def test_accuracy_is_the_share_of_right_classes():
    assert accuracy(np.array([[1, 2], [3, 1], [0, 5], [0, 1]]), np.array([1, 0, 1, 0])) == 0.75


def test_lenet5_is_the_published_one():
    assert build().count_params() == 431_080


def test_the_recipe_leaves_a_tenth_of_lenet5():
    (pruning,) = tfc.Recipe.load(_RECIPE)
    sizes = {layer.name: layer.kernel.shape for layer in build().layers if hasattr(layer, "kernel")}
    zeros = {name: pruning.layers.get(name, pruning.sparsity) * np.prod(shape) for name, shape in sizes.items()}
    assert set(pruning.layers) <= set(sizes)
    assert sum(zeros.values()) / 430_500 == pytest.approx(0.9046, abs=1e-4)


def test_the_table_has_a_row_for_each_file_and_fits_a_terminal(stages):
    lines = table(stages).splitlines()
    assert len(lines) == 5
    assert max(map(len, lines)) <= 100
    assert lines[4].split()[-9:] == ["1,000", "200", "160", "4.00", "0.9920", "0.9900", "0.900", "0.100", "0.200"]


def test_what_was_gained_is_said_in_words(stages):
    words = " ".join(in_words(stages).split())
    assert "4.0 times smaller than the float32 file, and zipped 18.0 times" in words
    assert "-0.20 points" in words
    assert "90 % zeros did not (1,000 bytes against 1,000)" in words
    assert "its zip 4.5 times smaller, and its .tfz 1.25 times smaller than that zip" in words
    assert "0.100 ms on this host, against 0.100 ms for int8 without zeros and 0.400 ms for float32" in words


def test_a_broken_promise_is_named(stages):
    assert broken_promises(stages) == []
    worse = replace(stages[-1], card=replace(stages[-1].card, accuracy=0.98, sparsity=0.5))
    assert len(broken_promises([*stages[:-1], worse])) == 2
