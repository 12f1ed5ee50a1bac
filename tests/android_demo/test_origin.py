"""The app's own class that answers the page: what it hands out, what it refuses, and what it keeps in storage."""

import json
from pathlib import Path

import pytest

from tests.android_demo.phone import ADDRESS, Origin
from tools.golden_demo import GOLDEN

_MODEL = f"{ADDRESS}demo/models/patterns-int8.tflite"
_ORIGINAL = (GOLDEN / "models" / "patterns-int8.tflite").read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Assets of which each is named in its content."""
    www = tmp_path / "assets" / "www"
    (www / "demo" / "models").mkdir(parents=True)
    for name in ("index.html", "app.js", "style.css", "icon.svg", "module.wasm", "demo/demo.json", "x.y"):
        (www / name).write_text(name)
    packed = GOLDEN / "models" / "patterns-int8.tfz"
    (www / "demo" / "models" / packed.name).write_bytes(packed.read_bytes())
    (tmp_path / "assets" / "secret.txt").write_text("secret")
    return tmp_path


@pytest.fixture
def small(classes: Path, folder: Path):
    with Origin(classes, folder / "assets", folder / "storage") as origin:
        yield origin


@pytest.mark.parametrize(
    ("path", "name", "mime"),
    [
        ("", "index.html", "text/html"),
        ("?lang=de", "index.html", "text/html"),
        ("index.html#top", "index.html", "text/html"),
        ("app.js", "app.js", "text/javascript"),
        ("style.css", "style.css", "text/css"),
        ("icon.svg", "icon.svg", "image/svg+xml"),
        ("module.wasm", "module.wasm", "application/wasm"),
        ("demo/demo.json", "demo/demo.json", "application/json"),
        ("x.y", "x.y", "application/octet-stream"),
    ],
)
def test_files_have_the_types_that_browsers_want(small: Origin, path: str, name: str, mime: str) -> None:
    assert small.get(ADDRESS + path) == (200, mime, name.encode())


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/index.html",
        "http://appassets.androidplatform.net/index.html",
        "https://appassets.androidplatform.net.example.org/index.html",
        "file:///etc/passwd",
        "",
        f"{ADDRESS}../secret.txt",
        f"{ADDRESS}demo/../../secret.txt",
        f"{ADDRESS}%2e%2e/secret.txt",
        f"{ADDRESS}/etc/passwd",
        f"{ADDRESS}.hidden",
        f"{ADDRESS}demo//demo.json",
    ],
)
def test_everything_else_is_refused(small: Origin, url: str) -> None:
    status, mime, body = small.get(url)
    assert (status, mime) == (403, "text/plain")
    assert b"secret" not in body


def test_what_is_not_there_is_said_so(small: Origin) -> None:
    assert small.get(f"{ADDRESS}none.js") == (404, "text/plain", b"This app has no none.js.")
    assert small.get(f"{ADDRESS}demo/models/none.tflite")[0] == 404


def test_a_model_is_unpacked_once_and_checked_each_time(small: Origin, folder: Path) -> None:
    assert not (folder / "storage").exists()
    assert small.get(_MODEL) == (200, "application/octet-stream", _ORIGINAL)
    (stored,) = (folder / "storage").iterdir()
    models = json.loads((GOLDEN / "demo.json").read_text())["models"]
    assert stored.name == f"{models[1]['sha256']}.tflite"
    before = stored.stat()
    assert small.get(_MODEL)[2] == _ORIGINAL
    assert (stored.stat().st_ino, stored.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    stored.write_bytes(_ORIGINAL[:-1] + b"?")  # storage can be damaged, too
    assert small.get(_MODEL)[2] == _ORIGINAL
    assert [path.name for path in (folder / "storage").iterdir()] == [stored.name]


@pytest.mark.parametrize("damage", ["empty", "cut off", "other bytes", "no tfz"])
def test_a_damaged_model_is_refused_and_leaves_nothing(small: Origin, folder: Path, damage: str) -> None:
    path = folder / "assets" / "www" / "demo" / "models" / "patterns-int8.tfz"
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "empty": b"",
            "cut off": whole[:middle],
            "other bytes": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "no tfz": b"PK" + whole[2:],
        }[damage]
    )
    status, mime, body = small.get(_MODEL)
    assert (status, mime) == (422, "text/plain")
    assert body.decode().strip()
    assert list((folder / "storage").iterdir()) == []
