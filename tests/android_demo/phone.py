"""A phone for the tests: the app's Java class answers, Chromium shows the page, and what goes wrong is kept."""

import json
import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tests.android_demo.build import ROOT
from tests.java_process import JavaProcess

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserType, Page, Route

ADDRESS = "https://appassets.androidplatform.net/"
BROWSER = "chromium-headless-shell"
_LONGEST = 300  # seconds for one answer, on a machine that has much else to do
# Nothing of Chromium's own may go out; the sandbox needs rights that a container lacks.
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
_FAKE_CAMERA = "--use-fake-device-for-media-stream"
_ANSWER = "--use-fake-ui-for-media-stream"  # to the question whether the page may use it


class Origin(JavaProcess):
    """android_demo/shell's AppOrigin in a JVM: what it answers is what the phone's WebView would get."""

    def __init__(self, classes: Path, assets: Path, storage: Path) -> None:
        program = "io.github.tfcompress.demo.OriginServer"
        super().__init__(["java", "-Xmx256m", "-cp", classes, program, assets, storage], _LONGEST)
        self.storage = storage

    def get(self, url: str) -> tuple[int, str, bytes]:
        """Status, type and body."""
        address = url.encode()
        with self._asked(struct.pack(">H", len(address)) + address):
            (status,) = struct.unpack(">i", self._read(4))
            mime = self._read(*struct.unpack(">H", self._read(2))).decode()
            return status, mime, self._read(*struct.unpack(">i", self._read(4)))


@contextmanager
def launched(kind: "BrowserType", *, camera: bool = True) -> "Iterator[Browser]":
    """Chromium with a fake camera that may be used, or with one that may not."""
    flags = [*_FLAGS, _FAKE_CAMERA, _ANSWER if camera else f"{_ANSWER}=deny"]
    browser = kind.launch(executable_path=shutil.which(BROWSER), args=flags)
    try:
        yield browser
    finally:
        browser.close()


class Phone:
    """The page in a browser of a phone's size, and what it asked for."""

    def __init__(self, browser: "Browser", origin: Origin, width: int = 360, height: int = 640, **context: Any) -> None:
        settings: dict[str, Any] = {"locale": "en-US", "is_mobile": True, "has_touch": True, "device_scale_factor": 2}
        self.context = browser.new_context(viewport={"width": width, "height": height}, **(settings | context))
        self.context.set_default_timeout(1000 * _LONGEST)
        self.page: Page = self.context.new_page()
        self.answers: dict[str, int] = {}
        self.errors: list[str] = []
        self._origin = origin
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text) if "Refused" in message.text else None)
        self.context.route("**/*", self._answer)
        self.page.goto(ADDRESS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.context.close()

    def _answer(self, route: "Route") -> None:
        url = route.request.url
        status, mime, body = self._origin.get(url)
        self.answers[url] = status
        route.fulfill(status=status, content_type=mime, body=body)

    def outputs(self, model: str, source: str) -> np.ndarray:
        """Waits for the answer of a model on a picture; gives the outputs as the page has them."""
        result = self.page.locator(f'#result[data-model="{model}"][data-source="{source}"]')
        result.wait_for()

        return np.array(json.loads(result.get_attribute("data-outputs") or ""), np.float64)

    def choose_model(self, model: str) -> None:
        """Taps a model."""
        self.page.locator(f'[data-model="{model}"][role=radio]').tap()

    def choose_image(self, at: int) -> None:
        """Taps one of the bundled images."""
        self.page.locator(".thumbnail").nth(at).tap()

    def press(self, button: str, ending: str) -> str:
        """Taps a button and waits until the work has come to an ending; gives what the page then says."""
        self.page.locator(f"#{button}").tap()
        progress = self.page.locator(f'#progress[data-key^="{ending}"]')
        progress.wait_for()
        return progress.inner_text()

    def problem(self, key: str) -> str:
        """Waits for a problem and gives what the page says about it."""
        banner = self.page.locator(f'#problem[data-key="{key}"]')
        banner.wait_for()
        return banner.inner_text()

    def keep_screenshot(self, name: str) -> Path:
        """Writes what is to be seen into the folder of artefacts."""
        folder = Path(os.environ.get("TFCOMPRESS_ARTEFACTS") or ROOT / "runs") / "android_demo"
        self.page.evaluate("scrollTo(0, 0)")
        path = folder / f"{name}.png"
        self.page.screenshot(path=path)
        return path
