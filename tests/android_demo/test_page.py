"""The page in Chromium, its files unzipped from the APK and handed out by the app's own Java class."""

import http.server
import json
import re
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.android_demo import build
from tests.android_demo.phone import ADDRESS, Origin, Phone
from tfcompress.demo.preprocessing import model_input
from tfcompress.runtime.session import predict
from tools.golden_demo import GOLDEN, LABELS, patterns

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_DEMO = json.loads((GOLDEN / "demo.json").read_text(encoding="utf-8"))
_MODELS = {model["id"]: model for model in _DEMO["models"]}
_FLOAT, _INT8 = _MODELS


def _by_python(model: dict[str, Any]) -> np.ndarray:
    """What LiteRT in Python answers here and now on the images that the demo was made of."""
    images, _ = patterns()
    port = model["input"]
    inputs = np.stack([model_input(image, port["shape"][1:], port["mean"], port["std"]) for image in images])
    return np.asarray(predict(GOLDEN / model["file"], inputs), np.float64)


def test_it_computes_what_python_computes_out_of_the_apk_alone(browser: "Browser", origin: Origin) -> None:
    with Phone(browser, origin) as phone:
        for identity, model in _MODELS.items():
            phone.choose_model(identity)
            expected = _by_python(model)
            for at, image in enumerate(_DEMO["images"]):
                phone.choose_image(at)
                found = phone.outputs(identity, f"image {at}")
                if identity == _INT8:
                    np.testing.assert_array_equal(found, expected[at])  # bit for bit
                np.testing.assert_allclose(found, expected[at], rtol=0, atol=model["golden"]["tolerance"])
                assert phone.page.locator("#label").inner_text() == image["label"]
                assert phone.page.locator("#verdict").inner_text() == "Right"
        assert phone.page.locator("#runtime").inner_text() == "LiteRT.js, WebAssembly CPU"
        assert phone.page.evaluate("isSecureContext")
        assert phone.errors == []
        assert {url for url, status in phone.answers.items() if status != 200} == set()
        assert all(url.startswith(ADDRESS) for url in phone.answers)
    assert len(list(origin.storage.glob("*.tflite"))) == 2  # unpacked by the Java decoder, each once


def test_it_checks_itself_against_demo_json(browser: "Browser", origin: Origin) -> None:
    with Phone(browser, origin) as phone:
        said = phone.press("check", "checked")
        assert re.fullmatch(r"patterns, float32: equal to Python’s LiteRT .* on 8 images; 8 answers right\.", said)
        phone.choose_model(_INT8)
        phone.outputs(_INT8, "image 0")
        said = phone.press("check", "checkedExactly")
        assert said == "patterns, int8: equal to Python’s LiteRT bit for bit on 8 images; 8 answers right."


def test_it_shows_latency_and_sizes(browser: "Browser", origin: Origin) -> None:
    with Phone(browser, origin) as phone:
        said = phone.press("measure", "measured")
        assert "100 runs of each model" in said
        for identity, model in _MODELS.items():
            card = phone.page.locator(f'[data-model="{identity}"][role=radio]')
            packed, size = (f"{model[key] / 1000:.1f}\N{NO-BREAK SPACE}kB" for key in ("packed_bytes", "size_bytes"))
            assert f"Download {packed} · File {size}" in card.inner_text()
            assert re.search(r"Median [\d.]+ ms · p90 [\d.]+ ms", card.inner_text())
            times = card.locator(".times")
            median, p90 = (float(times.get_attribute(f"data-{key}") or "") for key in ("median", "p90"))
            assert 0 < median <= p90


def test_the_camera_is_classified_and_let_go_of(browser: "Browser", origin: Origin) -> None:
    with Phone(browser, origin, permissions=["camera"]) as phone:
        camera = phone.page.locator("#camera")
        camera.tap()
        assert np.isfinite(phone.outputs(_FLOAT, "camera")).all()
        assert camera.get_attribute("aria-pressed") == "true"
        assert phone.page.locator("#video").is_visible()
        camera.tap()
        phone.page.locator("#video").wait_for(state="hidden")
        assert phone.page.evaluate("document.getElementById('video').srcObject") is None


def test_a_photo_is_classified(browser: "Browser", origin: Origin) -> None:
    with Phone(browser, origin) as phone:
        phone.outputs(_FLOAT, "image 0")
        for at, image in enumerate(_DEMO["images"][:4]):
            phone.page.set_input_files("#file", GOLDEN / image["file"])
            found = phone.outputs(_FLOAT, "photo")
            assert LABELS[int(found.argmax())] == image["label"]
            phone.choose_image(at)
            phone.outputs(_FLOAT, f"image {at}")


@pytest.mark.parametrize(
    ("size", "scheme", "locale"),
    [
        ((360, 640), "light", "en-US"),
        ((360, 640), "dark", "de-DE"),
        ((412, 915), "light", "de-DE"),
        ((412, 915), "dark", "en-US"),
    ],
)
def test_it_fits_phones_in_both_languages(
    browser: "Browser", origin: Origin, size: tuple[int, int], scheme: Any, locale: str
) -> None:
    with Phone(browser, origin, *size, color_scheme=scheme, locale=locale) as phone:
        phone.outputs(_FLOAT, "image 0")
        page = phone.page
        assert page.evaluate("document.documentElement.lang") == locale[:2]
        headings = ["Models", "Answer", "Images", "Latency"]
        assert page.locator("h2").all_inner_texts() == (
            headings if locale == "en-US" else ["Modelle", "Antwort", "Bilder", "Latenz"]
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(247, 249, 252)" if scheme == "light" else "rgb(16, 20, 24)")
        assert phone.keep_screenshot(f"{size[0]}x{size[1]}-{scheme}-{locale[:2]}").is_file()


def test_a_screen_reader_finds_a_name_for_everything_that_can_be_touched(browser: "Browser", origin: Origin) -> None:
    with Phone(browser, origin) as phone:
        phone.outputs(_FLOAT, "image 0")
        page = phone.page
        assert page.get_by_role("radio", name=re.compile("patterns, float32")).is_checked()
        assert not page.get_by_role("radio", name=re.compile("patterns, int8")).is_checked()
        assert page.get_by_role("button", name="Image 3, diagonal").is_visible()
        assert page.get_by_role("button", name="Camera").get_attribute("aria-pressed") == "false"
        for button in page.get_by_role("button").all():
            box = button.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 48, button.inner_text()
        assert page.locator("#label").get_attribute("aria-live") == "polite"
        page.get_by_role("radio", name=re.compile("patterns, float32")).focus()
        page.keyboard.press("ArrowDown")
        phone.outputs(_INT8, "image 0")
        assert page.evaluate("document.activeElement.dataset.model") == _INT8


def test_the_page_alone_works_from_a_folder(apk: Path, browser: "Browser", tmp_path: Path) -> None:
    # The fixture `apk` has fetched the packages. Here no app unpacks anything: the folder has the .tflite files.
    build.run(build.ANDROID_DEMO / "build_page", GOLDEN, tmp_path / "page")
    handler = partial(_QuietHandler, directory=str(tmp_path / "page"))
    with http.server.ThreadingHTTPServer(("localhost", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.goto(f"http://localhost:{server.server_port}/")
        page.locator(f'#result[data-model="{_FLOAT}"]').wait_for(timeout=300_000)
        assert page.locator("#label").inner_text() == _DEMO["images"][0]["label"]
        context.close()
        server.shutdown()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".wasm": "application/wasm"}  # noqa: RUF012

    def log_message(self, *arguments: Any) -> None:
        pass
