"""Which operators XNNPACK takes, on files where that is known."""

import json
from pathlib import Path

import jsonschema
import pytest

from tests import tflite_files
from tfcompress.errors import PromiseError
from tfcompress.runtime.inspection import inspect
from tfcompress.tflite.promises import check_promises, promises_of

_SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "card.schema.json"


def test_xnnpack_takes_a_dense_layer(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(tflite_files.affine())
    facts = inspect(tmp_path / "x.tflite")
    assert [item.backend for item in facts.operators] == ["xnnpack"]
    assert facts.fallbacks == ()
    assert "XNNPACK takes 1 of 1 operators" in str(facts)
    check_promises(promises_of(["fallbacks == 0"]), facts)
    jsonschema.validate(json.loads(facts.to_card().to_json()), json.loads(_SCHEMA.read_text(encoding="utf-8")))


def test_a_lookup_falls_back_to_litert(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(tflite_files.lookup())
    facts = inspect(tmp_path / "x.tflite")
    assert {item.name for item in facts.fallbacks} == {"GATHER"}
    assert "LiteRT's own kernels: GATHER" in str(facts)
    with pytest.raises(PromiseError, match="fallbacks == 0, but it is 1: GATHER"):
        check_promises(promises_of(["fallbacks == 0"]), facts)


def test_operators_keep_their_places_beside_those_of_a_delegate(shared_data: Path) -> None:
    facts = inspect(shared_data / "mlperf_tiny" / "ic" / "pretrainedResnet_quant.tflite")
    assert all(item.backend in ("xnnpack", "builtin") for item in facts.operators)
    assert {item.backend for item in facts.operators if item.name == "CONV_2D"} == {"xnnpack"}


@pytest.mark.parametrize("name", ["keyword_scrambled_8bit", "person_detect", "person_detect_vela"])
def test_a_hostile_file_is_told_from_its_bytes(shared_data: Path, name: str) -> None:
    facts = inspect(shared_data / "tflite_hostile" / f"{name}.tflite")
    assert facts.operators
    if name != "keyword_scrambled_8bit":  # this one loads and dies when it runs
        assert facts.load_error
        assert "LiteRT does not load it" in str(facts)


def test_nobody_is_asked_where_that_is_not_wanted(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(tflite_files.affine())
    facts = inspect(tmp_path / "x.tflite", xnnpack=False)
    assert [item.backend for item in facts.operators] == [None]
