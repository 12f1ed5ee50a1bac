from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest

from tools import distillation_images, distillation_sequences
from tools.bench_distillation import Experiment, lines_of, measured, merged
from tools.datasets import LabelledImages
from tools.distillation_images import Effort, Jittered, Result, apprentice, fitnets, fitnets_longer, hinton
from tools.distillation_sequences import sequences, splits


def _images(count: int = 256) -> LabelledImages:
    generator = np.random.default_rng(0)
    images, labels = generator.integers(0, 256, (count, 28, 28), "uint8"), (np.arange(count) % 10).astype("uint8")
    return LabelledImages(images, labels, images[:50], labels[:50])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "networks"),
    [(hinton, 3), (fitnets, 4), (fitnets_longer, 1), (apprentice, 4)],
    ids=["hinton", "fitnets", "fitnets_longer", "apprentice"],
)
def test_an_experiment_writes_a_card_for_each_network_and_goes_on(
    experiment: Callable[[Path, int, Effort], list[Result]],
    networks: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(distillation_images, "load", lambda dataset: _images())
    folder = tmp_path / "fitnets"
    folder.mkdir()
    results = experiment(folder, 0, Effort(1, 2, 1))
    assert len(results) == networks
    assert len(list(folder.glob("*.card.json"))) == networks
    made = {path: path.stat().st_mtime_ns for path in folder.glob("*.keras")}
    again = experiment(folder, 0, Effort(1, 2, 1))
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.keras")} == made
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


def test_the_table_has_means_ranges_and_what_was_asked() -> None:
    seeds = [[Result("teacher", 60, "a.card.json", 200)], [Result("teacher", 70, "b.card.json", 220)]]
    _, line = lines_of({"hinton": seeds})
    assert line == ("hinton", "teacher", "65.0", "60 to 70", "2", "at most 75", "67", "210.0")


def test_an_experiment_that_was_not_run_again_keeps_its_rows() -> None:
    old = merged("", lines_of({"hinton": [[Result("teacher", 60, "")]], "sequences": [[Result("teacher", 5, "")]]}))
    new = {"fitnets": [[Result("teacher", 50, "")]], "sequences": [[Result("teacher", 4, "")]]}
    head, rule, *rows = merged(old, lines_of(new)).splitlines()
    assert [head, rule] == old.splitlines()[:2]
    assert [row.split(" | ")[:3] for row in rows] == [
        ["| hinton", "teacher", "60.0"],
        ["| fitnets", "teacher", "50.0"],
        ["| sequences", "teacher", "4.0"],
    ]


def test_what_was_measured_is_read_again_and_never_taken_for_other_settings(tmp_path: Path) -> None:
    made = []

    def run(folder: Path, seed: int) -> list[Result]:
        made.append(seed)
        return [Result("teacher", 60 + seed, "a.card.json")]

    experiment = Experiment({"teacher": 80}, run)
    first = [measured(experiment, tmp_path, seed) for seed in (0, 1)]
    assert [measured(experiment, tmp_path, seed) for seed in (0, 1)] == first
    assert made == [0, 1]
    with pytest.raises(click.UsageError, match=r"was trained with .*: 80}, and this run is .*: 8}"):
        measured(Experiment({"teacher": 8}, run), tmp_path, 0)


def test_no_date_is_both_trained_and_tested_on() -> None:
    training, test = splits(0, training=3000, test=2000)
    sources = [{source for source, _ in part.texts} for part in (training, test)]
    assert [len(part) for part in sources] == [3000, 2000]
    assert not sources[0] & sources[1]
    assert splits(0, 3000, 2000)[1].texts == test.texts
    assert splits(1, 3000, 2000)[1].texts != test.texts


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:generate_targets")  # a teacher of one epoch ends few of its sentences
def test_sequences_are_measured_with_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distillation_sequences, "splits", lambda seed: splits(seed, 500, 500))
    results = sequences(tmp_path, 0, (1, 1))
    assert [one.name for one in results][1:3] == ["student before, greedy", "student before, beam 5"]
    assert all((tmp_path / one.card).exists() for one in results)
