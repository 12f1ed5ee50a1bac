from pathlib import Path

from tests.android_demo import build
from tests.android_demo.phone import BROWSER
from tests.reporting import made_runs
from tools import report_picture


def test_the_picture_is_one(tmp_path: Path) -> None:
    build.need(BROWSER)
    made_runs.phone(tmp_path / "phone")
    report_picture.main(tmp_path / "phone", tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
