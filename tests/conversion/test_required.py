"""A file that is not what was required is not written; metadata asked for are in the file."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tfcompress.card import Card
from tfcompress.conversion.converter import convert
from tfcompress.errors import ConversionError, PromiseError
from tfcompress.files import sha256
from tfcompress.tflite.metadata import Metadata, read_metadata, strip_metadata


def test_a_broken_promise_leaves_no_file(model: keras.Model, tmp_path: Path) -> None:
    with pytest.raises(PromiseError, match=r"x\.tflite is not what was promised: .* but it is float32"):
        convert(model, tmp_path / "x.tflite", mode="float32", require=["size_bytes <= 1e6", "io == int8"])
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_promise_is_refused_before_the_long_work(model: keras.Model, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="Nothing can be promised"):
        convert("no model at all", tmp_path / "x.tflite", require=["speed >= 2"])


def test_metadata_carry_the_card_and_the_models_hash(model: keras.Model, samples: np.ndarray, tmp_path: Path) -> None:
    model.save(tmp_path / "model.keras")
    metadata = Metadata(labels=("a", "b", "c", "d"), mean=(0.0,), std=(255.0,))
    path = tmp_path / "x.tflite"
    promises = ["arithmetic == int8", "kernel_sparsity >= 0", "fallbacks >= 0"]
    card = convert(tmp_path / "model.keras", path, representative=samples, metadata=metadata, require=promises)
    assert card == Card.load_beside(path)
    assert card.model == {"name": "x.tflite", "sha256": sha256(path)}
    said = read_metadata(path)
    assert said is not None
    assert (said.labels, said.parent) == (metadata.labels, sha256(tmp_path / "model.keras"))
    strip_metadata(path)
    assert Card.from_json(said.card).model["sha256"] == sha256(path)
