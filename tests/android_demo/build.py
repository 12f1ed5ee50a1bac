"""Runs the scripts of android_demo, and Java and node for the tests; says what is missing for it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ANDROID_DEMO = ROOT / "android_demo"
_REQUIRED = "TFCOMPRESS_ANDROID_DEMO_REQUIRED"  # set by .ci/run: there nothing may be left out
_DEBIAN_PACKAGES = {
    "apt-get": "apt",
    "chromium-headless-shell": "chromium-headless-shell",
    "dpkg": "dpkg",
    "java": "default-jdk-headless",
    "javac": "default-jdk-headless",
    "node": "nodejs",
    "npm": "npm",
}
_LONGEST = 560  # seconds for one script, below pytest's own limit


def need(*tools: str) -> None:
    """Skips the test by the names of the tools that are missing here; in CI it fails."""
    lacking = [tool for tool in tools if not shutil.which(tool)]
    if not lacking:
        return
    packages = " ".join(sorted({_DEBIAN_PACKAGES[tool] for tool in lacking}))
    reason = f"the Android demo needs {', '.join(lacking)}; on Debian: apt-get install {packages}"
    if os.environ.get(_REQUIRED):
        pytest.fail(reason)
    pytest.skip(reason)


def packages() -> Path:
    """The folder with Android's build tools and the npm packages, fetched if need be; skips where it cannot be had."""
    need("apt-get", "dpkg", "npm")
    done = subprocess.run([ANDROID_DEMO / "get_packages"], capture_output=True, text=True, timeout=_LONGEST)
    if done.returncode and not os.environ.get(_REQUIRED):
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def run(*command: str | Path) -> str:
    """What a program prints; its failure is the test's."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def android_tool(folder: Path, name: str, *arguments: str | Path) -> str:
    """What one of the fetched build tools prints; its libraries lie beside it."""
    debian = folder / "debian"
    if name == "apksigner":
        return run("java", "-jar", debian / "usr/share/java/apksigner.jar", *arguments)
    libraries = [*debian.glob("usr/lib/*-linux-gnu/android"), *debian.glob("usr/lib/*-linux-gnu")]
    libraries += [*debian.glob("lib/*-linux-gnu"), debian / "usr/lib/p7zip", debian / "usr/lib"]
    path = ":".join(map(str, libraries))
    return run("env", f"LD_LIBRARY_PATH={path}", debian / "usr/lib/android-sdk/build-tools/debian" / name, *arguments)
