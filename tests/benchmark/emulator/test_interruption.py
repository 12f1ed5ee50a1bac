"""A measurement that is ended, in whatever way, leaves no process and no folder; a full disk is told."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_TEMPORARY = Path("/tmp")
_MEASURE = [sys.executable, "-m", "tfcompress", "measure", "--device", "cortex-a53", "--no-card"]
_WITHOUT_ROOM = "import resource, sys\nresource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)\n"
_WITHOUT_ROOM += "from tfcompress.cli.main import main\nsys.argv[1:2] = []\nmain()"
# A shell that runs the tests in the background leaves Ctrl-C ignored, nohup the hanging up, and children inherit that.
_HEED_SIGNALS = "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
_HEED_SIGNALS += "signal.signal(signal.SIGHUP, signal.SIG_DFL)\nfrom tfcompress.cli.main import main\nmain()"


@pytest.fixture(scope="session")
def slow_model(shared_data) -> Path:
    """A float file, which keeps QEMU busy for seconds."""
    return shared_data / "mlperf_tiny" / "ic" / "pretrainedResnet.tflite"


def _children(of: int) -> list[int]:
    lists = [path.read_text() for path in Path(f"/proc/{of}/task").glob("*/children")]
    return [int(number) for number in " ".join(lists).split()]


def _running(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # ended; nobody has collected it in a container without an init process


def _still_running(numbers: list[int]) -> list[int]:
    """Those that do not end within some seconds; the system may take a moment to end them."""
    for _ in range(100):
        if not any(map(_running, numbers)):
            return []
        time.sleep(0.05)
    return [number for number in numbers if _running(number)]


@pytest.fixture
def at_work(installation, slow_model):
    """The command in the middle of a measurement, its two emulators, and their folders."""
    command = [sys.executable, "-c", _HEED_SIGNALS, *_MEASURE[3:], str(slow_model)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    with process:
        for _ in range(1200):
            emulators = [child for child in _children(process.pid) if "qemu" in _program(child)]
            folders = [Path(f"/proc/{emulator}/cwd").readlink() for emulator in emulators]
            if len(folders) == 2 and all((folder / "trace.txt").exists() for folder in folders):  # the plugin is there
                break
            time.sleep(0.05)
        assert len(folders) == 2
        assert all(folder.parent == _TEMPORARY for folder in folders)
        yield process, emulators, folders
        process.kill()


def _program(number: int) -> str:
    try:
        return Path(f"/proc/{number}/exe").readlink().name
    except OSError:
        return ""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_and_leaves_nothing(at_work, ending):
    process, emulators, folders = at_work
    for emulator in emulators:
        os.kill(emulator, signal.SIGSTOP)  # whoever waits for its end, waits for ever
    process.send_signal(ending)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (1 if ending == signal.SIGINT else 128 + ending)
    assert "Traceback" not in errors
    assert _still_running(emulators) == []
    assert [folder for folder in folders if folder.exists()] == []


def test_a_killed_measurement_takes_its_emulators_along_and_its_folders_go_with_the_next(
    at_work, installation, slow_model
):
    process, emulators, folders = at_work
    process.kill()
    process.wait()
    assert _still_running(emulators) == []
    small = slow_model.with_name("pretrainedResnet_quant.tflite")
    subprocess.run([*_MEASURE, str(small)], check=True, capture_output=True)
    assert [folder for folder in folders if folder.exists()] == []


@pytest.mark.parametrize(
    ("room", "message"),
    [
        (0, "The temporary folder /tmp could not be used: File too large"),
        (4096, "counts of the emulated run are cut off"),
    ],
    ids=["for no file", "for no counts"],
)
def test_a_limit_on_files_is_told_in_one_line(installation, slow_model, tmp_path, room, message):
    small = slow_model.with_name("pretrainedResnet_quant.tflite")
    command = [sys.executable, "-c", _WITHOUT_ROOM, str(room), *_MEASURE[3:], str(small)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert message in answer.stderr.splitlines()[-1]  # lines of progress may come first
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("4k", "The temporary folder /tmp could not be used: No space left"),
        ("256k", "counts of the emulated run are cut"),
    ],
)
def test_a_full_disk_is_told_in_one_line(installation, slow_model, size, message):
    small = slow_model.with_name("pretrainedResnet_quant.tflite")
    private = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o size={size} none /tmp"
    if shutil.which("unshare") is None or subprocess.run([*private, mount], capture_output=True).returncode != 0:
        pytest.skip("this system lets nobody mount a file system of their own")
    command = [*private, f'{mount} && exec "$@"', "sh", *_MEASURE, str(small)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert answer.returncode == 1
    assert message in answer.stderr.splitlines()[-1]  # lines of progress may come first
    assert "Traceback" not in answer.stderr
