"""`tfcompress search`: how a budget is written, and what is said where nothing meets it."""

import pickle
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result

from tfcompress.cli.main import group
from tfcompress.cli.search import _advice
from tfcompress.cli.training import Training
from tfcompress.errors import DataError, RecipeError, SearchError
from tfcompress.searching.budget import Budget
from tfcompress.searching.results import SearchResult, Trial
from tfcompress.searching.space import Choice

_DATA = """
import numpy as np
import tensorflow as tf

def load():
    x = np.random.default_rng(0).normal(size=(32, 16)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, (x[:, 0] > 0).astype("int32"))).batch(8)
    return data, data
"""


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a compiled model, samples and a data module, as the current folder of the command."""
    layers = [keras.Input((16,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.train_on_batch(np.ones((4, 16)), np.ones(4))
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "samples.npz", x=np.random.default_rng(1).normal(size=(20, 16)).astype("float32"))
    (tmp_path / "search_data.py").write_text(_DATA)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def _run(*arguments: str) -> Result:
    fixed = ["search", "model.keras", "--data", "search_data:load", "--representative", "samples.npz", "-o", "run"]
    return CliRunner().invoke(group, [*fixed, *arguments])


def test_a_budget_beyond_reach_is_an_error_that_says_how_close_it_got(workplace: Path) -> None:
    answer = _run("--budget", "macs=10", "--trials", "1")
    assert isinstance(answer.exception, SearchError)
    assert "macs" in str(answer.exception)
    assert "of at most 10" in str(answer.exception)
    assert "0 trials trained" in answer.stdout
    assert (workplace / "run" / "search.json").is_file()


@pytest.mark.parametrize("limit", ["macs", "macs=", "macs=-1", "=5", "macs=nan"])
def test_a_limit_that_is_none_is_a_wrong_call(workplace: Path, limit: str) -> None:
    assert _run("--budget", limit).exit_code == 2


def test_an_unknown_limit_is_named(workplace: Path) -> None:
    answer = _run("--budget", "latency_ms=3")
    assert isinstance(answer.exception, RecipeError)
    assert "must name devices" in str(answer.exception)


@pytest.mark.parametrize(
    "limits", [("latency_ms=2", "latency_ms.host=1"), ("latency_ms.host=1", "latency_ms=2"), ("macs=1", "macs=2")]
)
def test_a_limit_given_twice_is_refused(workplace: Path, limits: tuple[str, str]) -> None:
    answer = _run("--budget", limits[0], "--budget", limits[1])
    assert isinstance(answer.exception, RecipeError)
    assert "twice" in str(answer.exception)


def test_a_model_without_an_accuracy_is_told_what_it_lacks(workplace: Path) -> None:
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(2)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    training = Training.of(model, workplace / "model.keras", "search_data:load", 1, None)
    with pytest.raises(DataError, match=r"search_data:load must return \(training, validation\).*metrics"):
        training.accuracy(model)


def test_advice_on_a_search_whose_trials_all_failed_is_to_read_their_logs() -> None:
    failed = Trial(0, Choice(), Path("run/trials/0000"), None, "ValueError: no data", trained=True, seconds=1.0)
    assert "log.txt" in _advice(SearchResult(Path("run"), Budget({"macs": 5.0}), (failed,)))
    near = replace(failed, figures={"macs": 6.0, "accuracy": 0.5}, why="")
    assert _advice(SearchResult(Path("run"), Budget({"macs": 5.0}), (near,))).startswith("Raise the limit")


def test_a_training_reaches_other_processes_without_its_data(workplace: Path) -> None:
    model = keras.saving.load_model("model.keras")
    training = Training.of(model, Path("model.keras"), "search_data:load", 1, 1e-3)
    copied = pickle.loads(pickle.dumps(training))
    assert copied == training
    assert "datasets" not in vars(copied)
    copied.fit(model, [])
    assert 0 <= (copied.evaluate(model) or 0.0) <= 1
