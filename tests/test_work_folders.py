"""A work folder is gone after its block, and one of a killed process with the next block; one in use stays."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tfcompress.errors import OutputError
from tfcompress.work_folders import work_folder

_HOLD = "import sys, time\nfrom tfcompress.work_folders import work_folder\n"
_HOLD += "with work_folder(sys.argv[1]) as folder: (folder / 'data').touch(); print(folder, flush=True); time.sleep(60)"


@pytest.fixture
def holder(tmp_path):
    """A process that holds a work folder below `tmp_path`, and that folder."""
    process = subprocess.Popen([sys.executable, "-c", _HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with process:
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_the_folder_is_removed_also_after_an_exception(tmp_path):
    def fail() -> None:
        with work_folder(tmp_path) as folder:
            (folder / "inner").mkdir()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_stays(tmp_path, holder):
    _, held = holder
    with work_folder(tmp_path) as own:
        assert sorted(tmp_path.iterdir()) == sorted([own, held])
    assert (held / "data").exists()


def test_the_folder_of_a_killed_process_is_removed_by_the_next(tmp_path, holder):
    process, held = holder
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert held.exists()
    with work_folder(tmp_path) as own:
        assert list(tmp_path.iterdir()) == [own]


def test_what_is_no_work_folder_is_left_alone(tmp_path):
    (tmp_path / "tfcompress-notes").mkdir()
    (tmp_path / "tfcompress-file").touch()
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / ".lock").touch()
    (tmp_path / "tfcompress-link").symlink_to(tmp_path / "target")
    before = sorted(tmp_path.rglob("*"))
    with work_folder(tmp_path):
        pass
    assert sorted(tmp_path.rglob("*")) == before


def test_many_that_come_and_go_at_once_keep_their_folders(tmp_path):
    code = "import sys\nfrom tfcompress.work_folders import work_folder\nfor _ in range(200):\n"
    code += "  with work_folder(sys.argv[1]) as folder: (folder / 'a').mkdir(); assert (folder / 'a').is_dir()"
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0, 0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file", "missing"])
def test_a_place_that_cannot_be_written_is_told(tmp_path, name):
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match=rf"temporary folder .*{name} could not be used.*set TMPDIR"),
        work_folder(tmp_path / name),
    ):
        pass
