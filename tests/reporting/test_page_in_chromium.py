"""The page in Debian's headless Chromium: plots are drawn, nothing is asked of a network, and phones can show it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.android_demo.conftest import browser  # noqa: F401 - the fixture of the one Chromium
from tfcompress.reporting.report import report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_ROOT = Path(__file__).resolve().parents[2]
_WIDTHS = (360, 1280)


@pytest.fixture
def opened(browser: "Browser", phone: Path, small: Path, tmp_path: Path) -> "Iterator[tuple[Page, list[str]]]":  # noqa: F811
    """The page of two runs, offline, and what it complained of or asked for."""
    report([phone, small], tmp_path / "report.html")
    context = browser.new_context(offline=True, color_scheme="light")
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
    page.goto((tmp_path / "report.html").as_uri())
    yield page, complaints
    context.close()


@pytest.mark.parametrize("width", _WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_drawn_without_complaint(opened: "tuple[Page, list[str]]", width: int, scheme: str) -> None:
    page, complaints = opened
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing reaches beyond the screen"
    plots = page.locator("figure.plot svg")
    assert plots.count() == 4
    for at in range(plots.count()):
        box = plots.nth(at).bounding_box()
        assert box is not None
        assert box["width"] > 250
        assert box["height"] > 150
    paper, ink = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    assert paper != ink
    assert complaints == []
    folder = Path(os.environ.get("TFCOMPRESS_ARTEFACTS") or _ROOT / "runs") / "report"
    page.screenshot(path=folder / f"report-{width}-{scheme}.png", full_page=True)


def test_a_point_says_what_it_is(opened: "tuple[Page, list[str]]") -> None:
    page, complaints = opened
    page.set_viewport_size({"width": 360, "height": 640})
    mark = page.locator("circle.mark").first
    mark.scroll_into_view_if_needed()
    assert page.locator("#tip").is_hidden()
    mark.hover()
    assert page.locator("#tip").inner_text().splitlines() == [
        "phone: before",
        "tfz bytes 3,500 (exact)",
        "accuracy 0.9900",
    ]
    box = page.locator("#tip").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    page.mouse.move(0, 0)
    assert page.locator("#tip").is_hidden()
    mark.focus()
    assert page.locator("#tip").is_visible()
    assert complaints == []


def test_it_prints_dark_on_white(opened: "tuple[Page, list[str]]") -> None:
    page, _ = opened
    page.emulate_media(media="print", color_scheme="light")
    assert page.evaluate("getComputedStyle(document.querySelector('rect.after')).printColorAdjust") == "exact"
    assert page.locator("thead").first.is_visible(), "a sheet of paper is wide enough for a table"
    content = page.pdf(format="A4")
    assert content.startswith(b"%PDF")
