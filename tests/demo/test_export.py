"""`export_demo` writes a whole folder or nothing, and refuses what no app could show."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tfcompress.card import Card
from tfcompress.demo.contract import Demo
from tfcompress.demo.export import export_demo
from tfcompress.errors import DataError, FormatError, OutputError, TfCompressError
from tfcompress.tflite.inspection import inspect
from tools.changed_tflite import (
    with_dynamic_batch,
    with_flat_input,
    with_int8_inputs_and_outputs,
    with_two_inputs,
)
from tools.golden_demo import GOLDEN, LABELS, MEAN, STD, patterns

_SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "demo.schema.json"
_FLOAT, _INT8 = (GOLDEN / "models" / f"patterns-{mode}.tflite" for mode in ("float32", "int8"))


def _export(models: Any, directory: Path, **changes: Any) -> Demo:
    settings = {"images": patterns(), "labels": LABELS, "mean": MEAN, "std": STD} | changes
    return export_demo(models, directory, **settings)


def test_the_same_files_give_the_golden_folder(tmp_path: Path) -> None:
    files = {f"patterns, {mode}": path for mode, path in (("float32", _FLOAT), ("int8", _INT8))}
    demo = _export(files, tmp_path / "demo", title="Patterns", credits="Made by tools/make_golden_demo.py")
    golden, found = (json.loads((folder / "demo.json").read_text()) for folder in (GOLDEN, tmp_path / "demo"))
    for content in (golden, found):  # without what another processor, or version of LiteRT or zlib, may change
        del content["versions"], content["models"][0]["golden"]["outputs"], content["models"][0]["golden"]["tolerance"]
        for model in content["models"]:
            del model["packed_sha256"], model["packed_bytes"]
        for image in content["images"]:
            del image["sha256"]
    assert found == golden
    names = sorted(path.relative_to(GOLDEN) for path in GOLDEN.rglob("*"))
    assert sorted(path.relative_to(tmp_path / "demo") for path in (tmp_path / "demo").rglob("*")) == names
    row = str(demo).splitlines()[3].split()
    assert row[-7:-5] == ["throughout", "6,168"]
    assert row[-4:] == ["-", "8", "of", "8"]


def test_a_card_of_the_same_bytes_gives_the_accuracy(tmp_path: Path) -> None:
    for name in ("right", "other"):
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(_INT8.read_bytes())
        card = replace(inspect(path).to_card(), accuracy=0.75)
        if name == "other":
            card = replace(card, model={"name": path.name, "sha256": "0" * 64})
        card.save_beside(path)
    models = _export([tmp_path / "right.tflite", tmp_path / "other.tflite"], tmp_path / "demo").models
    assert [(model.id, model.accuracy) for model in models] == [("right", 0.75), ("other", None)]
    assert Card.load_beside(tmp_path / "right.tflite").packed_bytes is None  # the user's folder stays as it was


def test_the_channels_of_a_scaling_stand_one_by_one(tmp_path: Path) -> None:
    demo = _export([_INT8], tmp_path / "demo", mean=[127.5], std=64)
    assert demo.models[0].input == {"shape": [1, 16, 16, 1], "type": "float32", "mean": [127.5], "std": [64.0]}
    jsonschema.validate(json.loads(demo.to_json()), json.loads(_SCHEMA.read_text()))


def test_a_published_model_with_a_dynamic_batch_is_refused(shared_data: Path, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="has a free axis"):
        _export([shared_data / "mlperf_tiny" / "ic" / "pretrainedResnet.tflite"], tmp_path / "demo")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            with_int8_inputs_and_outputs,
            "its input is int8, which not every app can feed. Convert the model with float32",
        ),
        (with_dynamic_batch, "its input ?x16x16x1 has a free axis"),
        (with_two_inputs, "has 2 inputs and 1 outputs"),
        (with_flat_input, "1 x height x width x 1 or 3. Give the Keras model such an input."),
        (lambda content: b"no flatbuffer at all", "is not a .tflite file"),
        (lambda content: content[:3000], "model.tflite"),
    ],
)
def test_what_no_app_can_run_is_refused(tmp_path: Path, change: Callable[[bytes], bytes], message: str) -> None:
    (tmp_path / "model.tflite").write_bytes(change(_INT8.read_bytes()))
    with pytest.raises(FormatError, match=re.escape(message)):
        _export([tmp_path / "model.tflite"], tmp_path / "demo")
    assert [path.name for path in tmp_path.iterdir()] == ["model.tflite"]


def test_equal_labels_get_the_numbers_of_their_classes(tmp_path: Path) -> None:
    demo = _export([_INT8], tmp_path / "demo", labels=["crane", "kite", "crane", "owl"])
    assert demo.models[0].labels == ["crane (0)", "kite", "crane (2)", "owl"]
    assert {image.label for image in demo.images} <= set(demo.models[0].labels)


@pytest.mark.parametrize(
    ("models", "changes", "message"),
    [
        ([_INT8], {"labels": ["one", "two"]}, "The classes y run from 0 to 3, and there are 2 labels"),
        ([_INT8], {"labels": [*LABELS, "more"]}, "has 4 classes, and there are 5 labels"),
        ([_INT8], {"labels": ["a", "a (0)", "a", "c"]}, "Two classes have the label 'a (0)'"),
        ([_INT8], {"labels": ["a"]}, "two labels or more"),
        ([_INT8], {"labels": "missing.txt"}, "missing.txt cannot be read as labels"),
        ([_INT8], {"mean": [1.0, 2.0, 3.0]}, "mean must be a number, or 1, one per channel of the model"),
        ([_INT8], {"std": 0}, "std must be greater than 0"),
        ([_INT8], {"std": "wide"}, "std must be a number"),
        ([_INT8], {"mean": float("nan")}, "mean must be a number"),
        ([], {}, "There is no model to show"),
        ([_INT8, _INT8], {}, "would have the same file name, patterns-int8"),
        ({"???": _INT8}, {}, "has no letter or digit"),
        ([GOLDEN / "none.tflite"], {}, "none.tflite cannot be read"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    tmp_path: Path, models: Any, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TfCompressError, match=re.escape(message)):
        _export(models, tmp_path / "demo", **changes)
    assert list(tmp_path.iterdir()) == []


def test_labels_come_from_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("\n".join(LABELS) + "\n\n", encoding="utf-8-sig")
    assert _export([_INT8], tmp_path / "demo", labels=tmp_path / "labels.txt").models[0].labels == LABELS


def test_only_an_older_demo_is_replaced(tmp_path: Path) -> None:
    demo = tmp_path / "demo"
    _export([_INT8], demo, count=1)
    with pytest.raises(OutputError, match="exists already"):
        _export([_INT8], demo)
    assert len(_export([_INT8], demo, count=2, force=True).images) == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="is no older demo"):
        _export([_INT8], tmp_path / "mine", force=True)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_a_model_whose_outputs_are_no_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="answers with NaN or infinity"):
        _export([_FLOAT], tmp_path / "demo", std=1e-38)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    # The interrupt comes when everything but demo.json is there.
    program = (
        "import signal, sys, tfcompress.demo.export as room\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in children of a background job
        "from tests.demo.test_export import _export, _INT8\n"
        "from pathlib import Path\n"
        "room._image = lambda *_: signal.raise_signal(signal.SIGINT)\n"
        "_export([_INT8], Path(sys.argv[1]))\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "demo"], cwd=root, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == -signal.SIGINT, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_error_for_labels_is_one_of_data(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        _export([_INT8], tmp_path / "demo", labels=["one", "two"])
