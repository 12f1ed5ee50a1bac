"""TFLite's sparse encoding is kept where it pays, and the card says what was measured."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tests import tflite_files
from tfcompress.conversion.converter import convert
from tfcompress.conversion.sparse import better_of, untried
from tfcompress.errors import ConversionError
from tfcompress.tflite.inspection import inspect


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    path = tmp_path / "dense.tflite"
    path.write_bytes(tflite_files.affine_int8())
    return path


def test_a_smaller_file_is_kept(dense: Path, tmp_path: Path) -> None:
    smaller = tflite_files.affine()
    assert len(smaller) < dense.stat().st_size
    content, note = better_of(dense, lambda: smaller, tmp_path)
    assert content == smaller
    assert note.startswith("Kernels are stored in TFLite's sparse encoding, which makes the file smaller: ")
    assert f"{len(smaller):,} bytes (" in note


def test_a_file_that_does_not_run_is_not_kept(dense: Path, tmp_path: Path) -> None:
    content, note = better_of(dense, lambda: b"no file at all", tmp_path)
    assert content == dense.read_bytes()
    assert "LiteRT does not run TFLite's sparse encoding" in note
    assert str(tmp_path) not in note


def test_a_converter_that_fails_leaves_the_dense_file(dense: Path, tmp_path: Path) -> None:
    def fail() -> bytes:
        raise ConversionError("it crashed.")

    content, note = better_of(dense, fail, tmp_path)
    assert content == dense.read_bytes()
    assert note == "Kernels are stored dense: TFLite's sparse encoding failed (it crashed.)"


def test_many_zeros_without_a_try_are_told() -> None:
    assert untried(0.49) == []
    (note,) = untried(0.8)
    assert note.startswith("80% of the kernels are zeros")
    assert "sparse=True" in note


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["float32", "int8"])
def test_many_zeros_are_encoded_and_few_are_not(tmp_path: Path, mode: str) -> None:
    samples = np.random.default_rng(0).random((60, 128), np.float32)
    for share, wanted in ((0.95, True), (0.1, False)):
        keras.utils.set_random_seed(0)
        layers = [keras.Input((128,)), keras.layers.Dense(256, activation="relu"), keras.layers.Dense(16)]
        model = keras.Sequential(layers)
        for layer in model.layers:
            values = layer.kernel.numpy()
            values[np.random.default_rng(1).random(values.shape) < share] = 0
            layer.kernel.assign(values)
        plain = convert(model, tmp_path / f"plain{share}.tflite", mode=mode, representative=samples)
        assert [note for note in plain.notes if "was not tried" in note] == (untried(plain.sparsity) if wanted else [])
        path = tmp_path / f"{share}.tflite"
        card = convert(model, path, mode=mode, representative=samples, sparse=True)
        (note,) = [note for note in card.notes if "sparse encoding" in note]
        if wanted and "LiteRT does not run" in note:
            assert mode == "int8"  # LiteRT 2.3; a later one may
            assert "failed to delegate FULLY_CONNECTED" in note
            assert path.stat().st_size == plain.size_bytes
        elif wanted:
            assert "which makes the file smaller" in note
            assert path.stat().st_size < plain.size_bytes
            assert inspect(path).sparsity == pytest.approx(plain.sparsity)
        elif "faster" not in note:  # a timing is not asserted
            assert "would neither save nor speed" in note
            assert path.stat().st_size == plain.size_bytes
