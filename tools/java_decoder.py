"""The Java decoder of android_demo/decoder: whether it can run here, its compilation, its commands."""

import shutil
import subprocess
from pathlib import Path

_DECODER = Path(__file__).resolve().parents[1] / "android_demo" / "decoder"
_PACKAGE = "io.github.tfcompress.tfz"


def missing() -> str | None:
    """Why Java cannot be run here, or None if it can."""
    lacking = [name for name in ("javac", "java") if not shutil.which(name)]
    return f"no {' and no '.join(lacking)}; on Debian: apt-get install default-jdk-headless" if lacking else None


def compiled(classes: Path) -> Path:
    """Compiles the decoder and its tests into a folder, and gives that."""
    subprocess.run([_DECODER / "compile", classes], check=True)
    return classes


def command(classes: Path, name: str, *arguments: str | Path, megabytes: int = 64) -> list[str]:
    """The command that runs a class of the decoder with so much memory for its objects."""
    return ["java", f"-Xmx{megabytes}m", "-cp", str(classes), f"{_PACKAGE}.{name}", *map(str, arguments)]
