"""`tfcompress describe` and the promises of `inspect`, called as a user calls them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests import tflite_files
from tfcompress.cli.main import group
from tfcompress.errors import ConversionError, DataError, PromiseError
from tfcompress.files import sha256
from tfcompress.tflite.metadata import Metadata, read_metadata


def _invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "affine.tflite"
    path.write_bytes(tflite_files.affine())
    return path


def test_what_was_given_stands_in_the_file_and_can_be_stripped(path: Path, tmp_path: Path) -> None:
    original = path.read_bytes()
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    (tmp_path / "recipe.toml").write_text("[[step]]\n")
    given = ["--labels", tmp_path / "labels.txt", "--mean", "1,2", "--std", "3,4", "--name", "N", "--license", "MIT"]
    given += ["--recipe", tmp_path / "recipe.toml", "--parent", tmp_path / "labels.txt"]
    result = _invoke("describe", path, *given)
    assert result.exit_code == 0, result.output
    assert read_metadata(path) == Metadata(
        name="N",
        license="MIT",
        labels=("a", "b", "c"),
        mean=(1.0, 2.0),
        std=(3.0, 4.0),
        recipe="[[step]]\n",
        parent=sha256(tmp_path / "labels.txt"),
    )
    stripped = _invoke("describe", path, "--strip", "--json", "-o", tmp_path / "bare.tflite")
    assert json.loads(stripped.stdout) == {"size_bytes": len(original), "metadata": None}
    assert (tmp_path / "bare.tflite").read_bytes() == original


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--mean", "one"], "'one' is no number"),
        (["--labels", "nowhere.txt"], "nowhere.txt cannot be read"),
        (["--mean", "1"], "as many means"),
    ],
)
def test_what_cannot_be_read_is_one_error(path: Path, given: list[str], message: str) -> None:
    result = _invoke("describe", path, *given)
    assert isinstance(result.exception, DataError)
    assert message in str(result.exception)


def test_inspect_holds_a_file_against_promises(path: Path) -> None:
    kept = _invoke("inspect", path, "--require", "arithmetic == float32", "--require", "fallbacks == 0")
    assert kept.exit_code == 0
    assert "XNNPACK takes 1 of 1 operators" in kept.output
    assert isinstance(_invoke("inspect", path, "--require", "io == int8").exception, PromiseError)
    assert isinstance(_invoke("inspect", path, "--require", "nothing").exception, ConversionError)
