"""The README does what it says: its blocks run, on a tiny model, in the order of the page."""

import os
import re
import shlex
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from tfcompress.cli.main import group
from tfcompress.recipe import TECHNIQUES

_ROOT = Path(__file__).resolve().parents[1]
_README = (_ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", _README, re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with what the README's reader has: a trained model, its data, and the page's own files."""
    generator = np.random.default_rng(0)
    x = generator.random((300, 28, 28, 1), dtype="float32")
    y = generator.integers(0, 10, 300)
    np.savez(tmp_path / "digits.npz", x=x, y=y)
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Conv2D(16, 5, strides=4)])
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(10))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "lenet5.keras")
    (tmp_path / "recipe.toml").write_text(_blocks("toml")[0])
    (tmp_path / "mydata.py").write_text(_blocks("python")[1])
    monkeypatch.chdir(tmp_path)
    # Other tests have a `mydata` of their own, and a module is imported only once in a process.
    sys.modules.pop("mydata", None)
    yield tmp_path
    sys.modules.pop("mydata", None)


def test_the_python_example_runs(folder, capsys):
    exec(compile(_blocks("python")[0], "README.md", "exec"), {})
    size_bytes, sparsity = capsys.readouterr().out.split()[:2]
    assert int(size_bytes) == (folder / "phone.tflite").stat().st_size
    assert float(sparsity) == pytest.approx(0.8, abs=0.01)


def test_the_example_of_a_student_runs(folder):
    names = {}
    for block in (0, 2):
        exec(compile(_blocks("python")[block], "README.md", "exec"), names)
    student = keras.saving.load_model("student.keras")
    assert student.count_params() < names["teacher"].count_params()
    assert np.isfinite(student.predict(names["data"]["x"], verbose=0)).all()


def test_the_commands_run(folder):
    lines = [line for line in _blocks("bash")[1].splitlines() if line]
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "tfcompress"
        answer = CliRunner().invoke(group, arguments, catch_exceptions=False)
        assert answer.exit_code == 0, f"{line}\n{answer.output}"
        assert answer.stdout
    assert (folder / "shell.tflite.card.json").is_file()


@pytest.mark.parametrize("command", re.findall(r"^(tools/\S+)", _blocks("bash")[0], re.MULTILINE))
def test_the_first_two_commands_exist(command):
    assert os.access(_ROOT / command, os.X_OK)


def test_every_technique_has_its_row():
    assert set(re.findall(r"^\| `(\w+)` \|", _README, re.MULTILINE)) == set(TECHNIQUES)


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", (_ROOT / page).read_text(encoding="utf-8")):
        assert (_ROOT / target).exists(), f"{page} links to {target}"
