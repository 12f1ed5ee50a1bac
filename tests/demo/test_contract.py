"""The golden demo folder is what docs/demo_contract.md and its schema say, and LiteRT answers what stands in it."""

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from tfcompress.demo.contract import Demo, DemoImage, DemoModel, Golden
from tfcompress.demo.preprocessing import model_input
from tfcompress.files import sha256
from tfcompress.packing.unpacking import unpack
from tfcompress.runtime.session import predict
from tools.golden_demo import GOLDEN, LABELS, patterns

_DOCS = Path(__file__).resolve().parents[2] / "docs"
_MODELS = ("patterns-float32", "patterns-int8")


def _schema() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((_DOCS / "demo.schema.json").read_text(encoding="utf-8"))
    return content


def _demo() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((GOLDEN / "demo.json").read_text(encoding="utf-8"))
    return content


def _model(identity: str) -> dict[str, Any]:
    return next(model for model in _demo()["models"] if model["id"] == identity)


def test_the_schema_is_one_and_knows_every_key() -> None:
    schema = _schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == {item.name for item in fields(Demo)} - {"path"} | {"schema"}
    definitions = schema["$defs"]
    assert list(definitions["model"]["properties"]) == [item.name for item in fields(DemoModel)]
    assert list(definitions["image"]["properties"]) == [item.name for item in fields(DemoImage)]
    golden = definitions["model"]["properties"]["golden"]["properties"]
    assert list(golden) == [item.name for item in fields(Golden)]


def test_the_document_explains_every_key() -> None:
    text = (_DOCS / "demo_contract.md").read_text(encoding="utf-8")
    keys = {item.name for kind in (Demo, DemoModel, DemoImage, Golden) for item in fields(kind)} - {"path"}
    assert [key for key in sorted(keys) if f"`{key}`" not in text and f"golden.{key}" not in text] == []


def test_the_golden_demo_is_valid() -> None:
    jsonschema.validate(_demo(), _schema())
    assert [model["id"] for model in _demo()["models"]] == list(_MODELS)
    assert [model["golden"]["tolerance"] == 0 for model in _demo()["models"]] == [False, True]
    assert {model["output"]["scores"] for model in _demo()["models"]} == {"logits"}


def test_every_file_has_the_hash_and_size_that_is_promised(tmp_path: Path) -> None:
    for model in _demo()["models"]:
        for kind, size in (("", "size_bytes"), ("packed_", "packed_bytes")):
            path = GOLDEN / model[f"{kind}file"]
            assert (sha256(path), path.stat().st_size) == (model[f"{kind}sha256"], model[size])
        unpack(GOLDEN / model["packed_file"], tmp_path / "model.tflite", force=True)
        assert sha256(tmp_path / "model.tflite") == model["sha256"]
    for image in _demo()["images"]:
        assert sha256(GOLDEN / image["file"]) == image["sha256"]


@pytest.mark.parametrize("identity", _MODELS)
def test_litert_answers_what_stands_in_it(identity: str) -> None:
    model = _model(identity)
    images, classes = patterns()
    shape = model["input"]["shape"][1:]
    inputs = [model_input(image, shape, model["input"]["mean"], model["input"]["std"]) for image in images]
    hashes = [hashlib.sha256(one.astype("<f4").tobytes()).hexdigest() for one in inputs]
    assert hashes == model["golden"]["inputs_sha256"]
    golden = np.array(model["golden"]["outputs"])
    np.testing.assert_array_equal(golden.astype(np.float32), golden)  # each is a float32 in full
    found = predict(GOLDEN / model["file"], np.stack(inputs))
    np.testing.assert_allclose(found, golden, rtol=0, atol=model["golden"]["tolerance"])
    assert [LABELS[at] for at in found.argmax(axis=1)] == [LABELS[at] for at in classes]
