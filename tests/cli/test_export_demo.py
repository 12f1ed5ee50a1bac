"""`tfcompress export-demo`: names, labels and scalings as a command line has them."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tfcompress.cli.main import group
from tfcompress.errors import DataError, FormatError
from tools.golden_demo import GOLDEN, LABELS, patterns

_FLOAT, _INT8 = (GOLDEN / "models" / f"patterns-{mode}.tflite" for mode in ("float32", "int8"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    x, y = patterns(4)
    np.savez(tmp_path / "images.npz", x=x, y=y)
    return tmp_path / "images.npz"


def _invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, ["export-demo", *map(str, arguments)])


def _settings(images: Path, labels: str = ",".join(LABELS)) -> list[str]:
    return ["--images", str(images), "--labels", labels, "--mean", "127.5", "--std", "64"]


def test_named_files_become_models_in_their_order(images: Path, tmp_path: Path) -> None:
    answer = _invoke(f"first model={_FLOAT}", _INT8, *_settings(images), "-o", tmp_path / "demo", "--title", "Four")
    assert answer.exit_code == 0, answer.output
    assert f"{tmp_path / 'demo'}: Four" in answer.stdout
    content = json.loads((tmp_path / "demo" / "demo.json").read_text())
    assert [model["name"] for model in content["models"]] == ["first model", "patterns-int8"]
    assert content["models"][0]["input"]["mean"] == [127.5]
    assert [image["label"] for image in content["images"]] == LABELS


def test_json_is_the_content_of_demo_json(images: Path, tmp_path: Path) -> None:
    answer = _invoke(_INT8, *_settings(images), "-o", tmp_path / "demo", "--json", "--count", "1")
    assert json.loads(answer.stdout) == json.loads((tmp_path / "demo" / "demo.json").read_text())


def test_labels_may_be_a_file(images: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    answer = _invoke(_INT8, *_settings(images, str(tmp_path / "labels.txt")), "-o", tmp_path / "demo")
    assert answer.exit_code == 0, answer.output


def test_errors_name_what_is_wrong(images: Path, tmp_path: Path) -> None:
    answer = _invoke(tmp_path / "none.tflite", *_settings(images), "-o", tmp_path / "demo")
    assert isinstance(answer.exception, FormatError)
    assert "none.tflite" in str(answer.exception)
    answer = _invoke(_INT8, *_settings(images, "a,b"), "-o", tmp_path / "demo")
    assert isinstance(answer.exception, DataError)
    assert not (tmp_path / "demo").exists()


def test_the_readmes_call_is_understood(tmp_path: Path) -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    (call,) = [line for line in readme.splitlines() if line.startswith("tfcompress export-demo ")]
    x, y = patterns(20)
    np.savez(tmp_path / "digits.npz", x=x, y=y)
    arguments = [str(tmp_path / item) if item in ("digits.npz", "app") else item for item in shlex.split(call)[2:]]
    answer = _invoke(*arguments)
    assert isinstance(answer.exception, FormatError), answer.output  # all is as it should be but for the models
    assert "lenet5.tflite cannot be read" in str(answer.exception)


@pytest.mark.parametrize(
    "wrong", [["--mean", "dark"], ["--std", "1,,2"], ["--count", "0"], [f"patterns-int8={_FLOAT}"]]
)
def test_wrong_calls_end_with_exit_code_2(images: Path, tmp_path: Path, wrong: list[str]) -> None:
    assert _invoke(_INT8, *_settings(images), "-o", tmp_path / "demo", *wrong).exit_code == 2
