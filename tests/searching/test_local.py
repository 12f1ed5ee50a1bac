"""Trials in processes of this machine: what fails, crashes or hangs is an outcome, and the next trial runs."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import keras
import pytest

from tests.searching import small_search
from tfcompress.searching.jobs import Job, Outcome, kept_outcome
from tfcompress.searching.local import Worker
from tfcompress.searching.trial import Work

_RECIPE = '[[step]]\ntechnique = "MagnitudePruning"\nsparsity = 0.5\n'


def _fit(model: keras.Model, callbacks: list[Any]) -> None:
    """Does what the file `order` beside the model says."""
    match Path(os.environ["SEARCH_ORDER"]).read_text():
        case "raise":
            raise ValueError("the data is\ngone")
        case "crash":
            os.kill(os.getpid(), 9)
        case "hang":
            time.sleep(600)
        case "diverge":
            model.trainable_weights[0].assign(model.trainable_weights[0] * float("nan"))


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    small_search.trained().save(tmp_path / "original.keras")
    work = Work(_fit, small_search.evaluate, None, small_search.samples(1, 50)[0])
    (tmp_path / "work.pickle").write_bytes(cloudpickle.dumps(work))
    monkeypatch.setenv("SEARCH_ORDER", str(tmp_path / "order"))
    return Job(0, _RECIPE, str(tmp_path / "original.keras"), "float32", {"zlib_bytes": 1e6}, 0, "")


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    running = Worker(tmp_path / "work.pickle", time_limit=300, threads=1)
    yield running
    running.stop()


def _ordered(worker: Worker, job: Job, folder: Path, order: str) -> Outcome:
    (folder / "order").write_text(order)
    return worker.run(job, folder / order)


def test_what_goes_wrong_in_a_trial_is_its_outcome(worker: Worker, job: Job, tmp_path: Path) -> None:
    failed = _ordered(worker, job, tmp_path, "raise")
    assert (failed.figures, failed.why) == (None, "ValueError: the data is")
    assert "ModelError" in _ordered(worker, job, tmp_path, "diverge").why
    crashed = _ordered(worker, job, tmp_path, "crash")
    assert (crashed.figures, crashed.why) == (None, "Its process was ended by SIGKILL. Its log.txt says more.")


def test_what_a_new_process_cannot_import_stands_in_the_log(tmp_path: Path) -> None:
    (tmp_path / "work.pickle").write_bytes(b"cmodule_that_is_nowhere\nfit\n.")
    worker = Worker(tmp_path / "work.pickle", time_limit=300, threads=1)
    outcome = worker.run(Job(0, "", "original.keras", "float32", {}, 0, ""), tmp_path / "trial")
    worker.stop()
    assert outcome.why == "Its process ended with exit code 1. Its log.txt says more."
    assert "module_that_is_nowhere" in (tmp_path / "trial" / "log.txt").read_text()


@pytest.mark.slow
def test_a_trial_that_hangs_is_stopped_and_the_next_one_runs(worker: Worker, job: Job, tmp_path: Path) -> None:
    worker._time_limit = 30
    assert _ordered(worker, job, tmp_path, "hang").why == "It was stopped at its time limit of 30 s."
    worker._time_limit = 300
    fine = _ordered(worker, job, tmp_path, "train")
    assert fine.figures is not None
    assert fine.figures["zlib_bytes"] > 0
    assert (tmp_path / "train" / "model.tflite.card.json").is_file()
    assert kept_outcome(job, tmp_path / "train") == fine, "what was finished need not run again"
    assert kept_outcome(replace(job, seed=1), tmp_path / "train") is None
    assert kept_outcome(job, tmp_path / "hang") is None
