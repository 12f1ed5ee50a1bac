"""What the tests of the app share: the APK of the golden demo, built once, its files, and a browser."""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.android_demo import build
from tests.android_demo.phone import BROWSER, Origin, launched
from tfcompress.benchmark.emulator.setup.cache import exclusive
from tools.golden_demo import GOLDEN

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def apk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden demo as an APK; where pytest runs in several processes the first one builds it for all."""
    build.need("java", "javac", "node", "npm")
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with exclusive(folder / "android_demo"):
        path = folder / "android_demo" / "golden.apk"
        if not path.exists():
            build.packages()
            build.run(build.ANDROID_DEMO / "build_apk", GOLDEN, "-o", path)
    return path


@pytest.fixture(scope="session")
def assets(apk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assets of the APK, unzipped."""
    folder = tmp_path_factory.mktemp("unzipped")
    with zipfile.ZipFile(apk) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.startswith("assets/")])
    return folder / "assets"


@pytest.fixture(scope="session")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The decoder, those classes of the shell that know nothing of Android, and the server of the tests."""
    build.need("java", "javac")
    folder = tmp_path_factory.mktemp("classes")
    shell = build.ANDROID_DEMO / "shell" / "src"
    sources = [*(build.ANDROID_DEMO / "decoder/src/main").rglob("*.java"), *(shell / "test").rglob("*.java")]
    names = ("Answer", "AppOrigin", "Assets", "ModelStore")
    sources += [shell / "main/java/io/github/tfcompress/demo" / f"{name}.java" for name in names]
    build.run("javac", "--release", "8", "-Xlint:all,-options", "-Werror", "-d", folder, *sources)
    return folder


@pytest.fixture
def origin(assets: Path, classes: Path, tmp_path: Path) -> Iterator[Origin]:
    """The app's own class that answers requests, over the assets of the APK."""
    with Origin(classes, assets, tmp_path / "storage") as running:
        yield running


@pytest.fixture(scope="module")  # while Playwright runs, nothing else in the process can start it
def browser() -> "Iterator[Browser]":
    """Debian's Chromium, with a camera that is none."""
    build.need(BROWSER)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, launched(playwright.chromium) as running:
        yield running
