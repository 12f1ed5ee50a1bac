from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tfcompress as tfc
from tools import distillation_images
from tools.bench_distillation import table
from tools.datasets import LabelledImages
from tools.distillation_images import Effort, Jittered, Result, apprentice, fitnets, hinton


def _images(count: int = 256) -> LabelledImages:
    generator = np.random.default_rng(0)
    images, labels = generator.integers(0, 256, (count, 28, 28), "uint8"), (np.arange(count) % 10).astype("uint8")
    return LabelledImages(images, labels, images[:50], labels[:50])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "networks"), [(hinton, 3), (fitnets, 4), (apprentice, 4)], ids=["hinton", "fitnets", "apprentice"]
)
def test_an_experiment_writes_a_card_for_each_network_and_goes_on(
    experiment: Callable[[Path, int, Effort], list[Result]],
    networks: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(distillation_images, "load", lambda dataset: _images())
    results = experiment(tmp_path, 0, Effort(1, 1, 1))
    assert len(results) == networks
    assert len(list(tmp_path.glob("*.card.json"))) == networks
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.keras")}
    again = experiment(tmp_path, 0, Effort(1, 1, 1))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.keras")} == made
    assert [one.errors for one in again[:-2]] == [one.errors for one in results[:-2]]


def test_jitter_moves_each_image_by_up_to_two_pixels() -> None:
    images = np.zeros((4, 28, 28), "uint8")
    images[:, 14, 14] = 255
    moved, labels = Jittered(images, np.arange(4), batch=4, seed=0)[0]
    assert sorted(labels) == [0, 1, 2, 3]
    places = np.argwhere(moved[..., 0] == 1)
    assert len(places) == 4
    assert np.abs(places[:, 1:] - 14).max() <= 2
    assert len({tuple(place) for place in places[:, 1:].tolist()}) > 1


def test_the_table_has_means_and_ranges() -> None:
    card = tfc.Card(model={"name": "m", "sha256": "0"}, size_bytes=1, accuracy=0.98)
    text = table({"hinton": [[Result("teacher", 60, card)], [Result("teacher", 70, card)]]})
    assert "65.0" in text
    assert "60 to 70" in text
    assert "200.0" in text
