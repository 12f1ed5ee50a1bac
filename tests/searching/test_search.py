"""The search as a whole, on a model that trains in a second."""

import json
from pathlib import Path

import numpy as np
import pytest

import tfcompress as tfc
from tests.searching import small_search
from tfcompress.errors import DataError, DeviceError, RecipeError, SearchError


def test_a_budget_that_no_graph_meets_trains_nothing(tmp_path: Path) -> None:
    model = small_search.trained()
    found = small_search.searched(tmp_path, model, budget={"macs": 100})
    assert not any(trial.trained for trial in found.trials)
    assert found.front == ()
    assert "of at most 100" in found.shortfall
    assert not (tmp_path / "trials").exists()
    with pytest.raises(SearchError, match="begun with another budget"):
        small_search.searched(tmp_path, model, budget={"macs": 101})


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"executor": "clouds"}, SearchError, "no executor 'clouds'"),
        ({"workers": 0}, SearchError, "workers must be a whole number from 1"),
        ({"budget": {}}, RecipeError, "limits no cost"),
        ({"representative": None}, DataError, "Mode int8 takes the ranges of activations from representative data"),
        ({"representative": np.zeros((5, 3))}, DataError, "representative data"),
        ({"budget": {"latency_ms": {"cortex-a99": 1}}}, DeviceError, "no device 'cortex-a99'"),
        ({"fit": (number for number in ())}, SearchError, "cannot be handed to other processes"),
    ],
)
def test_what_cannot_begin_is_refused(tmp_path: Path, settings: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        small_search.searched(tmp_path, small_search.trained(), **settings)


def test_other_searches_in_one_database_stand_beside_each_other(tmp_path: Path) -> None:
    storage, model = f"sqlite:///{tmp_path / 'studies.db'}", small_search.trained()
    for number in (100, 101):
        found = small_search.searched(tmp_path / str(number), model, budget={"macs": number}, storage=storage)
        assert f"of at most {number}" in found.trials[0].why


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_search_meets_its_budget_alike_however_many_workers_run(tmp_path: Path) -> None:
    model = small_search.trained()
    one = small_search.searched(tmp_path / "one", model, trials=3, batch=3)
    two = small_search.searched(tmp_path / "two", model, trials=3, batch=3, workers=2)
    assert [trial.figures for trial in one.trials] == [trial.figures for trial in two.trials]
    assert one.front
    for trial in one.front:
        card = tfc.Card.load_beside(trial.directory / "model.tflite")
        assert card.packed_bytes is not None
        assert card.packed_bytes <= 3500
        assert card.accuracy == (trial.figures or {})["accuracy"]
        assert tfc.Recipe.load(trial.directory / "recipe.toml")
    again = small_search.searched(tmp_path / "one", model, trials=3, batch=3)
    assert again.trials == one.trials
    found = json.loads(tfc.report(tmp_path / "one").render("json"))["runs"][0]
    assert [stage["name"] for stage in found["stages"] if stage["ships"]].count("original") == 1
    assert len([stage for stage in found["stages"] if stage["ships"]]) == 4
