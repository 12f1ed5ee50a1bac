"""The verbs on `.tfz` files: pack, unpack and inspect, and the card beside the original."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests import tflite_files
from tfcompress.card import Card, card_path
from tfcompress.cli.main import group
from tfcompress.errors import FormatError, OutputError


def _invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, [str(item) for item in arguments])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(tflite_files.affine_int8())
    return path


def test_pack_and_unpack_give_the_same_bytes(path: Path, tmp_path: Path) -> None:
    answer = _invoke("pack", path, "-o", tmp_path / "model.tfz")
    assert answer.exit_code == 0, answer.output
    assert f"packed {(tmp_path / 'model.tfz').stat().st_size:,}" in answer.stdout
    answer = _invoke("unpack", tmp_path / "model.tfz", "-o", tmp_path / "again.tflite", "--json")
    assert json.loads(answer.stdout)["size_bytes"] == path.stat().st_size
    assert (tmp_path / "again.tflite").read_bytes() == path.read_bytes()


def test_inspect_tells_of_a_tfz_what_pack_told_and_what_the_tflite_holds(path: Path, tmp_path: Path) -> None:
    packed = json.loads(_invoke("pack", path, "-o", tmp_path / "model.tfz", "--json").stdout)
    answer = _invoke("inspect", tmp_path / "model.tfz")
    assert "int8 throughout" in answer.stdout
    assert "order-0" in answer.stdout
    content = json.loads(_invoke("inspect", tmp_path / "model.tfz", "--json").stdout)
    assert {key: content[key] for key in packed} == packed
    assert content["sparsity"] == 0.5


def test_pack_writes_the_card_beside_the_original(path: Path, tmp_path: Path) -> None:
    assert _invoke("pack", path, "-o", tmp_path / "model.tfz", "--no-card").exit_code == 0
    assert not card_path(path).exists()
    assert _invoke("pack", path, "-o", tmp_path / "model.tfz", "--force").exit_code == 0
    card = Card.load_beside(path)
    assert card.packed_bytes == (tmp_path / "model.tfz").stat().st_size
    assert card.sparsity == 0.5


def test_an_older_card_keeps_its_facts(path: Path, tmp_path: Path) -> None:
    assert _invoke("measure", path, "--runs", "30").exit_code == 0
    measured = Card.load_beside(path)
    assert _invoke("pack", path, "-o", tmp_path / "model.tfz").exit_code == 0
    assert Card.load_beside(path).latency_ms == measured.latency_ms
    assert _invoke("measure", path, "--runs", "30").exit_code == 0
    assert Card.load_beside(path).packed_bytes == (tmp_path / "model.tfz").stat().st_size


def test_existing_files_are_kept(path: Path, tmp_path: Path) -> None:
    (tmp_path / "model.tfz").write_text("mine")
    assert isinstance(_invoke("pack", path, "-o", tmp_path / "model.tfz").exception, OutputError)
    assert (tmp_path / "model.tfz").read_text() == "mine"
    assert _invoke("pack", path, "-o", tmp_path / "model.tfz", "--force").exit_code == 0
    assert isinstance(_invoke("unpack", tmp_path / "model.tfz", "-o", path).exception, OutputError)


@pytest.mark.parametrize("verb", ["pack", "unpack"])
def test_a_missing_file_is_an_error_with_its_name(verb: str, tmp_path: Path) -> None:
    answer = _invoke(verb, tmp_path / "none", "-o", tmp_path / "out")
    assert isinstance(answer.exception, FormatError)
    assert str(tmp_path / "none") in str(answer.exception)
    assert not (tmp_path / "out").exists()


def test_a_tflite_is_no_tfz(path: Path, tmp_path: Path) -> None:
    answer = _invoke("unpack", path, "-o", tmp_path / "out.tflite")
    assert isinstance(answer.exception, FormatError)
    assert "is not a .tfz file" in str(answer.exception)
