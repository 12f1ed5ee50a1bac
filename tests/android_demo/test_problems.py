"""What the page says when something is wrong: once for each thing that an app must refuse by name."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import tflite_files
from tests.android_demo.phone import Origin, Phone, launched
from tfcompress.files import sha256
from tfcompress.packing.packing import pack
from tools.golden_demo import GOLDEN

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_FLOAT, _INT8 = "patterns-float32", "patterns-int8"
_WHOLE = (GOLDEN / "models" / f"{_INT8}.tflite").read_bytes()


class _Altered:
    """The assets of the APK in a folder where they can be changed."""

    def __init__(self, assets: Path, folder: Path) -> None:
        self.assets, self._www = folder / "assets", folder / "assets" / "www"
        shutil.copytree(assets / "www", self._www, ignore=shutil.ignore_patterns("wasm"))
        (self._www / "wasm").symlink_to(assets / "www" / "wasm")
        self.demo_file = self._www / "demo" / "demo.json"
        self.packed = self._www / "demo" / "models" / f"{_INT8}.tfz"

    def change_model(self, **changes: Any) -> None:
        """Other values in the second model's part of demo.json."""
        demo = json.loads(self.demo_file.read_text(encoding="utf-8"))
        demo["models"][1] |= changes
        self.demo_file.write_text(json.dumps(demo), encoding="utf-8")

    def replace_model(self, content: bytes) -> None:
        """Another file as second model, packed and with its own hash: demo.json is not the one to blame."""
        path = self.assets / "model.tflite"
        path.write_bytes(content)
        pack(path, self.packed, force=True, card=False, compare=False)
        self.change_model(sha256=sha256(path))


@pytest.fixture
def altered(assets: Path, tmp_path: Path) -> _Altered:
    return _Altered(assets, tmp_path)


def _shown(browser: "Browser", classes: Path, altered: _Altered, key: str) -> str:
    """What the page says once the second model is chosen; the first one goes on working."""
    with Origin(classes, altered.assets, altered.assets.parent / "storage") as origin, Phone(browser, origin) as phone:
        phone.outputs(_FLOAT, "image 0")
        phone.choose_model(_INT8)
        said = phone.problem(key)
        card = phone.page.locator(f'[data-model="{_INT8}"] .failure')
        assert card.inner_text() == said
        assert phone.page.locator("#label").inner_text() == ""
        phone.choose_model(_FLOAT)
        phone.outputs(_FLOAT, "image 0")
        assert phone.page.locator("#problem").is_hidden()
        assert phone.errors == []
        return said


def test_a_wrong_hash(browser: "Browser", classes: Path, altered: _Altered) -> None:
    altered.change_model(sha256="0" * 64)
    said = _shown(browser, classes, altered, "wrongHash")
    assert "patterns, int8: its file is not the one that was exported: its SHA-256 begins with" in said
    assert "not 000000000000." in said


def test_a_damaged_tfz(browser: "Browser", classes: Path, altered: _Altered) -> None:
    content = bytearray(altered.packed.read_bytes())
    content[len(content) // 2] ^= 0x40
    altered.packed.write_bytes(content)
    said = _shown(browser, classes, altered, "damagedTfz")
    assert said.startswith("patterns, int8: its .tfz cannot be unpacked.")
    assert "damaged" in said


def test_a_missing_model(browser: "Browser", classes: Path, altered: _Altered) -> None:
    altered.packed.unlink()
    assert "its file is missing (404" in _shown(browser, classes, altered, "modelMissing")


@pytest.mark.parametrize(
    ("make", "key", "said"),
    [
        (lambda: b"\x00" * 4 + b"none" + bytes(200), "noTflite", "its file is no .tflite"),
        (lambda: _WHOLE[: len(_WHOLE) // 2], "notLoaded", "LiteRT.js cannot load it"),
        (lambda: _WHOLE[:8] + b"\xff" * 400, "notLoaded", "LiteRT.js cannot load it"),
        (tflite_files.free_batch, "freeAxis", "has a free axis (?×?×2)"),
        (tflite_files.affine_int8, "wrongType", "its input or output is int8, which LiteRT.js cannot feed"),
        (tflite_files.affine, "otherShape", "has the shape 1×2, and demo.json says otherwise"),
        (tflite_files.two_inputs, "otherShape", "has the shape 2 tensors"),
    ],
    ids=["no flatbuffer", "cut off", "corrupt", "dynamic batch", "int8 inside and out", "another shape", "two inputs"],
)
def test_a_model_that_cannot_be_run(
    browser: "Browser", classes: Path, altered: _Altered, make: Callable[[], bytes], key: str, said: str
) -> None:
    altered.replace_model(make())
    assert said in _shown(browser, classes, altered, key)


def test_the_other_models_are_measured_all_the_same(browser: "Browser", classes: Path, altered: _Altered) -> None:
    altered.replace_model(_WHOLE[: len(_WHOLE) // 2])
    with Origin(classes, altered.assets, altered.assets.parent / "storage") as origin, Phone(browser, origin) as phone:
        phone.press("measure", "measured")
        cards = phone.page.locator("[role=radio]").all_inner_texts()
        assert "Median" in cards[0]
        assert "Median" not in cards[1]
        assert "LiteRT.js cannot load it" in cards[1]


@pytest.mark.parametrize(
    ("content", "key", "said"),
    [
        (None, "demoMissing", "The demo folder is missing"),
        ("{", "demoUnreadable", "demo/demo.json is not JSON"),
        ('{"schema": 2}', "demoSchema", "has schema 2; this page reads 1"),
    ],
)
def test_a_demo_that_cannot_be_read(
    browser: "Browser", classes: Path, altered: _Altered, content: str | None, key: str, said: str
) -> None:
    if content is None:
        altered.demo_file.unlink()
    else:
        altered.demo_file.write_text(content)
    with Origin(classes, altered.assets, altered.assets.parent / "storage") as origin, Phone(browser, origin) as phone:
        assert said in phone.problem(key)


def test_a_missing_runtime(browser: "Browser", classes: Path, altered: _Altered) -> None:
    (altered.assets / "www" / "wasm").unlink()
    with Origin(classes, altered.assets, altered.assets.parent / "storage") as origin, Phone(browser, origin) as phone:
        assert "LiteRT.js could not be started" in phone.problem("runtimeMissing")


def test_a_file_that_is_no_photo(browser: "Browser", origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with Phone(browser, origin) as phone:
        phone.outputs(_FLOAT, "image 0")
        phone.page.set_input_files("#file", tmp_path / "letter.txt")
        assert phone.problem("imageUnreadable") == "letter.txt cannot be read as an image."


def test_a_camera_that_may_not_be_used(origin: Origin, browser: "Browser") -> None:
    assert browser.is_connected()  # the fixture has looked for Chromium
    with launched(camera=False) as strict, Phone(strict, origin, locale="de-DE") as phone:
        phone.outputs(_FLOAT, "image 0")
        phone.page.locator("#camera").tap()
        assert phone.problem("cameraDenied").startswith("Die Kamera darf nicht benutzt werden.")
        assert phone.page.locator("#camera").get_attribute("aria-pressed") == "false"


def test_every_text_exists_in_both_languages_with_the_same_gaps() -> None:
    source = (Path(__file__).resolve().parents[2] / "android_demo/web/src/strings.js").read_text(encoding="utf-8")
    english, german = re.findall(r"^const \w+ = \{\n(.*?)^\};", source, re.DOTALL | re.MULTILINE)
    texts = [dict(re.findall(r"^  (\w+):\s*'(.*)',$", part, re.MULTILINE)) for part in (english, german)]
    assert len(texts[0]) > 40
    assert list(texts[0]) == list(texts[1])
    for key in texts[0]:
        gaps = [sorted(re.findall(r"\{(\w+)\}", text[key])) for text in texts]
        assert gaps[0] == gaps[1], key
