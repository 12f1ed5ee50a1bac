"""What the page says when something is wrong: once for each thing that an app must refuse by name."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.android_demo.altered_assets import AlteredAssets
from tests.android_demo.phone import Origin, Phone, launched
from tools.changed_tflite import with_dynamic_batch, with_int8_inputs_and_outputs
from tools.golden_demo import GOLDEN

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_FLOAT, _INT8 = "patterns-float32", "patterns-int8"
_WHOLE = (GOLDEN / "models" / f"{_INT8}.tflite").read_bytes()


@pytest.fixture
def altered(assets: Path, tmp_path: Path) -> AlteredAssets:
    return AlteredAssets(assets, tmp_path)


def _shown(browser: "Browser", classes: Path, altered: AlteredAssets, key: str) -> str:
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


def test_a_wrong_hash(browser: "Browser", classes: Path, altered: AlteredAssets) -> None:
    altered.change_model(sha256="0" * 64)
    said = _shown(browser, classes, altered, "wrongHash")
    assert "patterns, int8: its file is not the one that was exported: its SHA-256 begins with" in said
    assert "not 000000000000." in said


def test_a_damaged_tfz(browser: "Browser", classes: Path, altered: AlteredAssets) -> None:
    content = bytearray(altered.packed.read_bytes())
    content[len(content) // 2] ^= 0x40
    altered.packed.write_bytes(content)
    said = _shown(browser, classes, altered, "damagedTfz")
    assert said.startswith("patterns, int8: its .tfz cannot be unpacked.")
    assert "damaged" in said


def test_a_missing_model(browser: "Browser", classes: Path, altered: AlteredAssets) -> None:
    altered.packed.unlink()
    assert "its file is missing (404" in _shown(browser, classes, altered, "modelMissing")


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        (lambda content: bytes(4) + b"none" + bytes(200), "noTflite", "its file is no .tflite"),
        (lambda content: content[: len(content) // 2], "notLoaded", "LiteRT.js cannot load it"),
        (lambda content: content[:8] + b"\xff" * 400, "notLoaded", "LiteRT.js cannot load it"),
        (with_dynamic_batch, "freeAxis", "has a free axis (?×16×16×1)"),
        (with_int8_inputs_and_outputs, "wrongType", "its input or output is int8, which LiteRT.js cannot feed"),
    ],
    ids=["no flatbuffer", "cut off", "corrupt", "dynamic batch", "int8 inside and out"],
)
def test_a_model_that_cannot_be_run(
    browser: "Browser", classes: Path, altered: AlteredAssets, change: Callable[[bytes], bytes], key: str, said: str
) -> None:
    altered.replace_model(change(_WHOLE))
    assert said in _shown(browser, classes, altered, key)


def test_a_model_of_another_shape(browser: "Browser", classes: Path, altered: AlteredAssets) -> None:
    altered.change_model(output={"shape": [1, 5], "type": "float32", "scores": "logits"})
    assert "has the shape 1×4, and demo.json says otherwise" in _shown(browser, classes, altered, "otherShape")


def test_the_other_models_are_measured_all_the_same(browser: "Browser", classes: Path, altered: AlteredAssets) -> None:
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
    browser: "Browser", classes: Path, altered: AlteredAssets, content: str | None, key: str, said: str
) -> None:
    if content is None:
        altered.demo_file.unlink()
    else:
        altered.demo_file.write_text(content)
    with Origin(classes, altered.assets, altered.assets.parent / "storage") as origin, Phone(browser, origin) as phone:
        assert said in phone.problem(key)
        assert [button.is_enabled() for button in phone.page.get_by_role("button").all()] == [False] * 4


def test_a_missing_runtime(browser: "Browser", classes: Path, altered: AlteredAssets) -> None:
    (altered.assets / "www" / "wasm").unlink()
    with Origin(classes, altered.assets, altered.assets.parent / "storage") as origin, Phone(browser, origin) as phone:
        assert "LiteRT.js could not be started" in phone.problem("runtimeMissing")


def test_a_file_that_is_no_photo(browser: "Browser", origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with Phone(browser, origin) as phone:
        phone.outputs(_FLOAT, "image 0")
        phone.page.set_input_files("#file", tmp_path / "letter.txt")
        assert phone.problem("imageUnreadable") == "letter.txt cannot be read as an image."


def test_a_camera_that_may_not_be_used(browser: "Browser", origin: Origin) -> None:
    with launched(browser.browser_type, camera=False) as strict, Phone(strict, origin, locale="de-DE") as phone:
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
