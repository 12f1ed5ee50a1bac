"""The APK that build_apk makes: signed, small, for the right phones, asking for the camera only."""

import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.android_demo import build
from tools.golden_demo import GOLDEN

_MOST_BYTES = 12_000_000


@pytest.fixture(scope="module")
def badging(apk: Path) -> str:
    return build.android_tool(build.packages(), "aapt", "dump", "badging", apk)


def test_apksigner_verifies_it(apk: Path) -> None:
    said = build.android_tool(build.packages(), "apksigner", "verify", "--verbose", apk)
    assert "Verified using v2 scheme (APK Signature Scheme v2): true" in said
    assert "Verified using v3 scheme (APK Signature Scheme v3): true" in said


def test_it_is_aligned_and_small(apk: Path) -> None:
    build.android_tool(build.packages(), "zipalign", "-c", "4", apk)
    assert apk.stat().st_size < _MOST_BYTES


def test_it_is_for_android_8_and_newer(badging: str) -> None:
    assert "package: name='io.github.tfcompress.demo' versionCode='1'" in badging
    assert "sdkVersion:'26'" in badging
    assert "targetSdkVersion:'36'" in badging
    assert "launchable-activity: name='io.github.tfcompress.demo.MainActivity'" in badging


def test_it_may_use_the_camera_and_nothing_else(badging: str) -> None:
    assert re.findall(r"^uses-permission\S*: name='(.*?)'", badging, re.MULTILINE) == ["android.permission.CAMERA"]
    assert re.findall(r"^uses-implied-permission", badging, re.MULTILINE) == []
    assert "uses-feature-not-required: name='android.hardware.camera'" in badging


def test_it_speaks_english_and_german(badging: str) -> None:
    assert "application-label:'tfcompress demo'" in badging
    assert "application-label-de:'tfcompress-Demo'" in badging


def test_it_carries_packed_models_and_no_native_code(apk: Path) -> None:
    with zipfile.ZipFile(apk) as archive:
        names = archive.namelist()
    assert [name for name in names if name.endswith((".so", ".tflite"))] == []
    assert "classes.dex" in names
    packed = {name for name in names if name.endswith(".tfz")}
    assert packed == {f"assets/www/demo/models/patterns-{mode}.tfz" for mode in ("float32", "int8")}
    assert "assets/www/LICENSE.txt" in names


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("build_apk", [], "give the demo folder"),
        ("build_apk", [GOLDEN, "-o"], "-o wants the name of a file"),
        ("build_apk", [GOLDEN, GOLDEN], "two demo folders were given"),
        ("build_page", [GOLDEN], "give the demo folder and the folder to make"),
        ("build_page", ["/nowhere", "page"], "is no demo folder: it has no demo.json"),
        ("build_page", [GOLDEN, GOLDEN.parent], "exists and is no older page"),
    ],
)
def test_a_wrong_call_is_answered_in_one_line(script: str, arguments: list[str | Path], message: str) -> None:
    done = subprocess.run([build.ANDROID_DEMO / script, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"android_demo/{script}: ")
    assert message in line
