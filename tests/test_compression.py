import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tests import zoo
from tfcompress.card import Card
from tfcompress.errors import ModelError, RecipeError
from tfcompress.techniques.kernels import kernels_of

TWICE = tfc.Recipe([tfc.MagnitudePruning(sparsity=0.5), tfc.MagnitudePruning(sparsity=0.75)])


def _fit(model: keras.Model, callbacks: list[keras.callbacks.Callback]) -> None:
    model.compile("adam", "mse", run_eagerly=True)
    model.fit(zoo.samples(model), zoo.targets(model), callbacks=callbacks, verbose=0)


def _zeros(model: keras.Model) -> float:
    kernels = [kernel.variable.numpy().ravel() for kernel in kernels_of(model)]
    return float((np.concatenate(kernels) == 0).mean())


def test_each_step_leaves_its_model_and_card(tmp_path: Path) -> None:
    result = tfc.compress(zoo.make("dense"), TWICE, _fit, tmp_path, evaluate=lambda model: 0.25)
    assert [step.name for step in result.steps] == ["1-MagnitudePruning", "2-MagnitudePruning"]
    assert _zeros(result.model) == pytest.approx(0.75, abs=0.01)
    assert tfc.Recipe.load(tmp_path / "recipe.toml") == TWICE
    for step, share in zip(result.steps, (0.5, 0.75), strict=True):
        card = Card.load_beside(step.directory / "model.keras")
        assert card.sparsity == pytest.approx(share, abs=0.01)
        assert (card.parameters, card.macs, card.accuracy) == (115, 104, 0.25)
        assert _zeros(tfc.load(step.directory / "model.keras")) == card.sparsity
    assert "2-MagnitudePruning" in str(result)


def test_finished_steps_are_kept_until_something_changes(tmp_path: Path) -> None:
    fitted = []

    def fit(model: keras.Model, callbacks: list[keras.callbacks.Callback]) -> None:
        fitted.append(model)
        _fit(model, callbacks)

    def resumed(**settings: object) -> list[bool]:
        model = settings.pop("model", zoo.make("dense"))
        recipe = settings.pop("recipe", TWICE)
        return [step.resumed for step in tfc.compress(model, recipe, fit, tmp_path, **settings).steps]

    assert resumed() == [False, False]
    assert resumed() == [True, True]
    assert len(fitted) == 2
    longer = tfc.Recipe([TWICE.steps[0], tfc.MagnitudePruning(sparsity=0.8)])
    assert resumed(recipe=longer) == [True, False]
    assert resumed(recipe=longer, seed=1) == [False, False]
    assert resumed(recipe=longer, seed=1, data="other") == [False, False]
    changed = zoo.make("dense")
    changed.get_layer("head").bias.assign([1.0, 2.0, 3.0])
    assert resumed(recipe=longer, seed=1, data="other", model=changed) == [False, False]
    # A shorter recipe takes its folder back: what it did not make is not left lying there.
    assert resumed(recipe=tfc.Recipe([TWICE.steps[0]])) == [False]
    assert [path.name for path in tmp_path.glob("step-*")] == ["step-1-MagnitudePruning"]


def test_the_model_as_it_came_is_kept_to_hold_the_steps_against(tmp_path: Path) -> None:
    pruning = tfc.Recipe([tfc.MagnitudePruning(sparsity=0.5)])
    tfc.compress(zoo.make("dense"), pruning, _fit, tmp_path / "run", evaluate=lambda model: 1 - _zeros(model))
    before, after = (
        Card.load_beside(tmp_path / "run" / name / "model.keras") for name in ("original", "step-1-MagnitudePruning")
    )
    assert (before.accuracy, before.sparsity, before.parameters) == (1.0, 0.0, 115)
    assert after.accuracy == pytest.approx(0.5, abs=0.01)
    tfc.compress(zoo.make("dense"), pruning, _fit, tmp_path / "bare", baseline=False)
    assert not (tmp_path / "bare" / "original").exists()


def test_a_damaged_step_is_made_again(tmp_path: Path) -> None:
    first = tfc.compress(zoo.make("dense"), TWICE, _fit, tmp_path)
    model_file = first.steps[1].directory / "model.keras"
    model_file.write_bytes(model_file.read_bytes()[:-20])
    again = tfc.compress(zoo.make("dense"), TWICE, _fit, tmp_path)
    assert [step.resumed for step in again.steps] == [True, False]


def test_a_failed_fit_leaves_nothing_half_written(tmp_path: Path) -> None:
    def fit(model: keras.Model, callbacks: list[keras.callbacks.Callback]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tfc.compress(zoo.make("dense"), TWICE, fit, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["original", "recipe.toml"]


def test_training_that_ends_in_nan_is_refused(tmp_path: Path) -> None:
    def fit(model: keras.Model, callbacks: list[keras.callbacks.Callback]) -> None:
        model.trainable_weights[0].assign(np.full(model.trainable_weights[0].shape, np.nan))

    with pytest.raises(ModelError, match="hidden"):
        tfc.compress(zoo.make("dense"), TWICE, fit, tmp_path)


def test_a_recipe_that_trains_needs_a_fit(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="MagnitudePruning needs training"):
        tfc.compress(zoo.make("dense"), TWICE, None, tmp_path)


RUN = """
import sys, time
import tensorflow as tf
import keras
import tfcompress as tfc
from tests import zoo

tf.config.experimental.enable_op_determinism()

class Slow(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        print("epoch", flush=True)
        time.sleep(float(sys.argv[2]))

def fit(model, callbacks):
    model.compile("adam", "mse")
    x, y = zoo.samples(model, 64), zoo.targets(model, 64)
    model.fit(x, y, batch_size=8, epochs=3, callbacks=[*callbacks, Slow()], verbose=0)

recipe = tfc.Recipe([tfc.MagnitudePruning(sparsity=share) for share in (0.25, 0.5)])
result = tfc.compress(zoo.make("conv_batch_norm_relu"), recipe, fit, sys.argv[1])
print("done", [step.resumed for step in result.steps], flush=True)
"""


def _start(folder: Path, seconds: float) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[1]
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env=os.environ,
    )


def test_a_killed_run_goes_on_and_ends_in_the_same_weights(tmp_path: Path) -> None:
    whole = _start(tmp_path / "whole", 0)
    killed = _start(tmp_path / "killed", 0.4)
    assert killed.stdout is not None
    for _ in range(5):  # into the second epoch of the second step
        assert killed.stdout.readline() == "epoch\n"
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert whole.communicate(timeout=120)[0].endswith("done [False, False]\n")

    resumed = _start(tmp_path / "killed", 0)
    assert resumed.communicate(timeout=120)[0].endswith("done [True, False]\n")
    final = "step-2-MagnitudePruning/model.keras"
    one, other = (tfc.load(tmp_path / name / final) for name in ("whole", "killed"))
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))
    states = [
        json.loads((tmp_path / name / "step-2-MagnitudePruning/step.json").read_text()) for name in ("whole", "killed")
    ]
    assert states[0]["key"] == states[1]["key"]
