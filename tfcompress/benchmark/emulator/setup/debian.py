"""Debian packages, fetched by apt and unpacked into a folder without root."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tfcompress.benchmark.emulator.setup.commands import run
from tfcompress.benchmark.emulator.setup.pinned import Package
from tfcompress.errors import DeviceError
from tfcompress.files import sha256

_NEEDED = ("apt-get", "dpkg", "dpkg-deb")


def missing_tools() -> list[str]:
    """Which of Debian's tools are not on this system."""
    return [tool for tool in _NEEDED if shutil.which(tool) is None]


def unpack(packages: Sequence[Package], target: Path, scratch: Path) -> list[str]:
    """Fetches packages with apt and unpacks them; nothing is installed on the system.

    Args:
        packages: What is wanted. A later version of the same upstream release is taken where Debian has replaced the
            pinned one, and said in what is returned; apt has checked its signature.
        target: The folder that receives the files.
        scratch: A folder for the downloads.

    Returns:
        `name version` of each package, with a remark where it is not the pinned version.

    Raises:
        DeviceError: apt is missing, or a package cannot be had or is not what it should be.
    """
    if missing := missing_tools():
        raise DeviceError(
            f"The set-up unpacks Debian packages, and this system has no {', '.join(missing)}. "
            "Use Debian 12 (also in a container); `--device host` works everywhere."
        )
    scratch.mkdir(parents=True, exist_ok=True)
    options = _download(packages, scratch)
    found = []
    for package in packages:
        file, version = _file_of(package, scratch, options)
        _command(["dpkg", "-x", str(file), str(target)], scratch, f"unpacking {package.name}")
        remark = "" if version == package.version else f" (pinned: {package.version})"
        found.append(f"{package.name} {version}{remark}")
    return found


def _download(packages: Sequence[Package], scratch: Path) -> list[str]:
    """Fetches all pinned versions; returns apt's options that found them, or would find other versions."""
    wanted = ["apt-get", "download", *(f"{package.name}={package.version}" for package in packages)]
    if _succeeds(wanted, scratch):
        return []
    # The system's lists of packages may be missing or old, and only root may renew them: make own ones.
    options = []
    for key, name in (("Dir::State::lists", "lists"), ("Dir::Cache", "apt-cache")):
        (scratch / name / "partial").mkdir(parents=True, exist_ok=True)
        options += ["-o", f"{key}={scratch / name}/"]
    _command(["apt-get", *options, "update"], scratch, "reading Debian's lists of packages")
    _succeeds([wanted[0], *options, *wanted[1:]], scratch)
    return options


def _file_of(package: Package, scratch: Path, options: list[str]) -> tuple[Path, str]:
    """The checked file of a package and its version."""
    if not (files := _files(package, scratch)):
        _command(["apt-get", *options, "download", package.name], scratch, f"downloading {package.name}")
        files = _files(package, scratch)
    if not files:
        raise DeviceError(f"apt downloaded no file of the package {package.name}.")
    version = _command(["dpkg-deb", "-f", str(files[0]), "Version"], scratch, f"reading {package.name}").strip()
    if version == package.version and (received := sha256(files[0])) != package.sha256:
        raise DeviceError(
            f"The package {package.name} {version} is not what it should be (SHA-256 {received}, not "
            f"{package.sha256}). Clear apt's cache and install again."
        )
    if _upstream(version) != _upstream(package.version):
        raise DeviceError(
            f"Debian offers {package.name} {version} here; the set-up needs {package.version} of Debian 12 (bookworm). "
            "Use Debian 12 (also in a container); `--device host` works everywhere."
        )
    return files[0], version


def _files(package: Package, scratch: Path) -> list[Path]:
    return sorted(scratch.glob(f"{package.name}_*.deb"))


def _upstream(version: str) -> str:
    """The part of a Debian version that its makers, not Debian, have given.

    Example:
        >>> _upstream("1:7.2+dfsg-7+deb12u18+b3")
        '1:7.2+dfsg'
    """
    return version.rsplit("-", 1)[0]


def _succeeds(command: list[str], folder: Path) -> bool:
    return run(command, folder=folder, environment=_environment()).returncode == 0


def _command(command: list[str], folder: Path, what: str) -> str:
    done = run(command, folder=folder, environment=_environment())
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise DeviceError(f"{what[0].upper()}{what[1:]} failed: {said}. Is the network there? Then install again.")
    return done.stdout


def _environment() -> dict[str, str]:
    return os.environ | {"LC_ALL": "C"}
