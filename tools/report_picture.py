"""A picture of a report, by Debian's headless Chromium; without arguments the README's, from the cards of the demo.

Run: python -m tools.report_picture [CARDS PICTURE]    where the extra `test` and chromium-headless-shell are installed.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

import tfcompress as tfc
from tfcompress.errors import MissingPackageError
from tfcompress.files import replacing
from tfcompress.work_folders import work_folder
from tools.results import CARDS

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "report.png"
_BROWSER = "chromium-headless-shell"
_WIDTH, _HEIGHT = 1000, 900  # of the screen


def main(cards: Path = CARDS, picture: Path = PICTURE) -> None:
    """Renders the report of some cards and keeps what a screen shows of it."""
    browser = shutil.which(_BROWSER)
    if browser is None:
        raise MissingPackageError(f"{_BROWSER} is not installed; on Debian: apt-get install {_BROWSER}.")
    with work_folder() as folder, sync_playwright() as playwright:
        tfc.report(cards, folder / "report.html")
        running = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = running.new_page(viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme="light")
        page.goto((folder / "report.html").as_uri())
        with replacing(picture) as temporary:
            page.screenshot(path=temporary)
        running.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
