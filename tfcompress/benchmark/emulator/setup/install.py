"""Makes the set-up: downloads, unpacks, compiles and tries it, and only then gives it its name."""

import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

from tfcompress.benchmark.emulator.setup import debian, pinned
from tfcompress.benchmark.emulator.setup.cache import cache_folder, exclusive
from tfcompress.benchmark.emulator.setup.commands import run
from tfcompress.benchmark.emulator.setup.installation import (
    GUEST_LIBRARIES,
    RECORD,
    Installation,
    find_installation,
    installation_folder,
    record_of,
    unsupported,
)
from tfcompress.benchmark.emulator.setup.native import build_plugin, build_runner
from tfcompress.errors import DeviceError
from tfcompress.files import replacing, sha256
from tfcompress.progress import Task, task

_GUEST_FOLDER = "usr/aarch64-linux-gnu/lib"
_HOST_FOLDER = "usr/lib/x86_64-linux-gnu"
_HOST_LIBRARIES = (
    *("libcapstone.so.4", "liburing.so.2", "libglib-2.0.so.0", "libgmodule-2.0.so.0"),
    *("libpcre2-8.so.0", "libnuma.so.1"),
)
_RUNNER_USAGE_EXIT = 2


def install() -> Installation:
    """Brings the set-up into the cache folder, without root; does nothing when it is there and whole.

    It appears under its name only when all of it works: an interrupted installation leaves nothing, and a second one at
    the same time waits for the first.

    Raises:
        DeviceError: Emulation cannot work on this system, or a piece cannot be had.
        OutputError: The cache folder cannot be written.
    """
    if reason := unsupported():
        raise DeviceError(reason)
    with task("setting up emulated CPUs") as progress:
        progress.say("waiting for another installation")
        with exclusive(cache_folder()):
            progress.say("")
            return _installed(progress)


def _installed(progress: Task) -> Installation:
    """What is there, when it is whole, and else what is made now; no other process writes in the cache folder."""
    try:
        return find_installation(thorough=True)
    except DeviceError:
        pass  # not there yet, or damaged: made anew
    final = installation_folder()
    for left_over in final.parent.glob(".emulator-*"):  # of installations that were killed
        shutil.rmtree(left_over, ignore_errors=True)
    with replacing(final) as folder:
        folder.mkdir()
        _make(folder, progress)
    return find_installation()


def _make(folder: Path, progress: Task) -> None:
    scratch = folder / "scratch"
    scratch.mkdir()
    progress.say("QEMU")
    pieces = _qemu(folder, scratch)
    progress.say("the guest's C library")
    pieces = _guest_libraries(folder, scratch, pieces)
    progress.say("LiteRT for AArch64")
    fetch_litert(pieces.litert, scratch)
    progress.say("compiling")
    origins = pieces.origins | {"litert": f"ai-edge-litert {pinned.LITERT_VERSION} for {pinned.LITERT_PLATFORM}"}
    origins["plugin"] = build_plugin(pieces.plugin)
    origins["runner"] = build_runner(pieces.runner, pieces.litert)
    pieces = replace(pieces, origins=origins)
    _try(pieces, scratch)
    shutil.rmtree(scratch)
    (folder / RECORD).write_text(record_of(pieces, folder), encoding="utf-8")


def _qemu(folder: Path, scratch: Path) -> Installation:
    """QEMU from the system where it fits, from Debian's packages otherwise."""
    pieces = Installation(
        qemu=folder / "bin" / "qemu-aarch64",
        host_libraries=folder / "host",
        guest_libraries=folder / "guest",
        litert=folder / "litert",
        plugin=folder / "counter.so",
        runner=folder / "runner",
        origins={},
    )
    system = shutil.which("qemu-aarch64")
    if system is not None and _fits(Path(system)):
        return replace(pieces, qemu=Path(system), host_libraries=None, origins={"qemu": _version(Path(system))})
    unpacked = scratch / "qemu"
    found = debian.unpack(pinned.QEMU_PACKAGES, unpacked, scratch / "qemu-packages")
    pieces.qemu.parent.mkdir()
    shutil.copy2(unpacked / "usr/bin/qemu-aarch64", pieces.qemu)
    _copy_libraries(unpacked / _HOST_FOLDER, folder / "host", _HOST_LIBRARIES)
    return replace(pieces, origins={"qemu": ", ".join(found)})


def _guest_libraries(folder: Path, scratch: Path, pieces: Installation) -> Installation:
    system = Path("/") / _GUEST_FOLDER
    if (system / "libc.so.6").exists() and (system / "libstdc++.so.6").exists():
        return replace(pieces, guest_libraries=system, origins=pieces.origins | {"guest_libraries": _system(system)})
    unpacked = scratch / "guest"
    found = debian.unpack(pinned.GUEST_PACKAGES, unpacked, scratch / "guest-packages")
    _copy_libraries(unpacked / _GUEST_FOLDER, folder / "guest", GUEST_LIBRARIES)
    return replace(pieces, origins=pieces.origins | {"guest_libraries": ", ".join(found)})


def _system(folder: Path) -> str:
    """Names the system's own guest libraries, and says when counts may differ from those of the pinned ones."""
    pinned_ones = all(sha256(folder / name) == digest for name, digest in pinned.GUEST_SHA256.items())
    return f"{folder}{'' if pinned_ones else ' (not the pinned version: counts may differ by parts in a million)'}"


def _copy_libraries(source: Path, target: Path, names: tuple[str, ...]) -> None:
    """Copies libraries under the names by which programs look for them; links become files."""
    target.mkdir(parents=True)
    for name in names:
        shutil.copyfile(source / name, target / name)


def fetch_litert(target: Path, scratch: Path) -> None:
    """libLiteRt.so from the AArch64 wheel, which pip downloads and checks against its hash."""
    requirement = f"ai-edge-litert=={pinned.LITERT_VERSION} --hash=sha256:{pinned.LITERT_SHA256}\n"
    (scratch / "requirements.txt").write_text(requirement, encoding="ascii")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", pinned.LITERT_PYTHON, "--platform", pinned.LITERT_PLATFORM]
    command += ["--require-hashes", "--dest", str(scratch), "--requirement", str(scratch / "requirements.txt")]
    done = run(command)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise DeviceError(
            f"pip could not download ai-edge-litert {pinned.LITERT_VERSION} for {pinned.LITERT_PLATFORM}: {said}. "
            "It needs pip and the network; then install again."
        )
    target.mkdir()
    with zipfile.ZipFile(wheels[0]) as wheel, (target / "libLiteRt.so").open("wb") as library:
        library.write(wheel.read(pinned.LITERT_MEMBER))


def _try(pieces: Installation, scratch: Path) -> None:
    """Starts the runner in the guest with the plugin: it must get as far as saying how it is used."""
    if not _fits(pieces.qemu, pieces.host_libraries):
        raise DeviceError(
            f"{pieces.qemu} is not QEMU {pinned.QEMU_VERSION} with plugins, or does not start: "
            f"{_version(pieces.qemu, pieces.host_libraries)}"
        )
    root = scratch / "root"
    root.mkdir()
    (root / "lib").symlink_to(pieces.guest_libraries)
    command = [str(pieces.qemu), "-L", str(root), "-cpu", "cortex-a72", "-U", "LD_LIBRARY_PATH"]
    command += ["-E", f"LD_LIBRARY_PATH={pieces.litert}", "-plugin", f"{pieces.plugin},out={scratch / 'trace.txt'}"]
    done = _start([*command, str(pieces.runner)], pieces.host_libraries)
    if done.returncode != _RUNNER_USAGE_EXIT:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise DeviceError(f"The set-up was made but does not work: {said}. Nothing was kept.")


def _fits(qemu: Path, libraries: Path | None = None) -> bool:
    """Whether this is a QEMU of the wanted version that takes plugins."""
    if f"version {pinned.QEMU_VERSION}." not in _version(qemu, libraries):
        return False
    return "-plugin" in _start([str(qemu), "-help"], libraries).stdout


def _version(qemu: Path, libraries: Path | None = None) -> str:
    done = _start([str(qemu), "--version"], libraries)
    return (done.stdout.splitlines() or done.stderr.splitlines() or ["no answer"])[0]


def _start(command: list[str], libraries: Path | None) -> subprocess.CompletedProcess[str]:
    environment = {"LD_LIBRARY_PATH": str(libraries)} if libraries else {}
    try:
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"{command[0]} does not start: {error}.") from error
