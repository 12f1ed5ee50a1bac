"""The two programs of our own: the plugin, compiled here for the host, and the guest's runner, compiled or prebuilt."""

import importlib.util
import shutil
import sys
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path

from tfcompress.benchmark.emulator.setup.commands import run
from tfcompress.errors import DeviceError

_NATIVE = files("tfcompress.benchmark.emulator").joinpath("native")
_PLUGIN_FLAGS = ("-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-fvisibility=hidden")
_RUNNER_FLAGS = (
    *("-O2", "-Wall", "-Wextra", "-s", "-Wl,-z,max-page-size=4096"),
    *("-Wl,--build-id=none", "-Wl,--allow-shlib-undefined"),
)


def build_plugin(target: Path) -> str:
    """Compiles the plugin with the host's C compiler; returns the compiler's name.

    Raises:
        DeviceError: There is no C compiler, or it fails.
    """
    compiler = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    if compiler is None:
        raise DeviceError("Compiling the QEMU plugin needs a C compiler, and there is none: apt-get install gcc.")
    with as_file(_NATIVE.joinpath("plugin")) as folder:
        sources = sorted(str(source) for source in folder.glob("*.c"))
        _compile([compiler, *_PLUGIN_FLAGS, "-o", str(target), *sources], "the QEMU plugin")
    return compiler


def build_runner(target: Path, litert: Path) -> str:
    """Compiles the runner where a cross compiler is there, and copies the prebuilt one otherwise; returns which.

    Args:
        target: The file to make.
        litert: The folder with the guest's libLiteRt.so.

    Raises:
        DeviceError: A compiler fails.
    """
    if shutil.which("aarch64-linux-gnu-gcc"):
        compile_runner(["aarch64-linux-gnu-gcc"], target, litert)
        return "aarch64-linux-gnu-gcc"
    if importlib.util.find_spec("ziglang"):
        compile_runner([sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-gnu.2.34"], target, litert)
        return "ziglang"
    with as_file(prebuilt_runner()) as source:
        shutil.copyfile(source, target)
    target.chmod(0o755)
    return "prebuilt"


def compile_runner(compiler: Sequence[str], target: Path, litert: Path) -> None:
    """Compiles the runner for the guest with a given compiler and its own options."""
    with as_file(_NATIVE.joinpath("runner")) as folder:
        command = [*compiler, *_RUNNER_FLAGS, "-o", str(target), "runner.c", f"-L{litert}", "-lLiteRt"]
        _compile(command, "the guest's runner", folder)


def prebuilt_runner() -> Path:
    """The runner that this package carries, for systems without a cross compiler; tools/build_runner makes it."""
    return Path(str(_NATIVE.joinpath("runner-aarch64")))


def native_sources() -> list[Path]:
    """All files of our own programs, in a fixed order."""
    return sorted(path for path in Path(str(_NATIVE)).rglob("*") if path.is_file())


def _compile(command: list[str], what: str, folder: Path | None = None) -> None:
    done = run(command, folder=folder)
    if done.returncode != 0:
        said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[:200])
        raise DeviceError(f"Compiling {what} with {Path(command[0]).name} failed: {said}")
