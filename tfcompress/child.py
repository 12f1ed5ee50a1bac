"""How a job runs in a process of its own: started, limited in time, stopped with its parent, and its end described."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfcompress.work_folders import unusable, work_folder

JOB_FILE, RESULT_FILE, FAILURE_FILE = "job.json", "result.json", "failure.json"
_PACKAGE_ROOT = Path(__file__).resolve().parent.parent
_LAST_BYTES = 20_000


@dataclass(frozen=True)
class Ending:
    """How a child ended: `result` when it ended well, else what is known about why not.

    Attributes:
        result: What the child reported, or None when it did not end well.
        failure: `{"stage", "kind", "message"}` of the exception that the child met, or None.
        signal: The name of the signal that ended it, such as `"SIGABRT"`, or None.
        timed_out: Whether it was stopped at its time limit.
        output: The last lines of what it wrote to stderr.
    """

    result: dict[str, Any] | None
    failure: dict[str, str] | None = None
    signal: str | None = None
    timed_out: bool = False
    output: str = ""


@contextmanager
def job_folder() -> Iterator[Path]:
    """A new, empty folder for one job's files, removed at the end.

    Raises:
        OutputError: The folder, or a file that the block writes there, cannot be written.
    """
    with work_folder() as folder:
        try:
            yield folder
        except OSError as error:
            raise unusable(folder.parent, error) from error


def run(module: str, folder: Path, job: Mapping[str, Any], *, time_limit: float) -> Ending:
    """Runs `python -m module folder` and waits for its end; the child is stopped when this call is interrupted.

    The child reads the job by `read_job`, which also makes it end when this process dies.

    Args:
        module: A worker module, which reads its folder from the command line.
        folder: An empty folder (see `job_folder`), which becomes the child's working directory. Paths in the job are
            therefore absolute.
        job: What to do, as JSON values.
        time_limit: Seconds after which the child is stopped.
    """
    (folder / JOB_FILE).write_text(json.dumps(dict(job)), encoding="utf-8")
    with (folder / "stderr").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", module, str(folder)],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.PIPE,  # held open: its end tells the child that its parent died
            stdout=errors,
            stderr=errors,
            start_new_session=True,  # Ctrl-C reaches the parent, which then stops the child
        )
        timed_out = False
        try:
            process.wait(timeout=time_limit)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            _stop(process)
    return Ending(
        result=_read(folder / RESULT_FILE) if process.returncode == 0 else None,
        failure=_read(folder / FAILURE_FILE),
        signal=None if timed_out or process.returncode >= 0 else _signal_name(-process.returncode),
        timed_out=timed_out,
        output=_tail(folder / "stderr"),
    )


def read_job(folder: Path) -> dict[str, Any]:
    """In the child: the job, and from now on the child ends as soon as its parent does."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job: dict[str, Any] = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
    return job


def report_result(folder: Path, result: Mapping[str, Any]) -> None:
    """In the child: hands the result to the parent, which takes it only if the child then ends with exit code 0."""
    (folder / RESULT_FILE).write_text(json.dumps(dict(result)), encoding="utf-8")


@contextmanager
def stage(folder: Path, name: str) -> Iterator[None]:
    """In the child: an exception in the block is told to the parent as a failure of this stage, and ends the child."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        failure = {"stage": name, "kind": type(error).__name__, "message": str(error)}
        (folder / FAILURE_FILE).write_text(json.dumps(failure), encoding="utf-8")
        sys.exit(1)


def _end_with_parent() -> None:
    while os.read(0, 1):  # not sys.stdin, whose lock would be held when the child ends
        pass
    os._exit(1)


def _environment() -> dict[str, str]:
    """The parent's environment, in which the child finds this package and TensorFlow stays quiet and off the GPU."""
    paths = [str(_PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Ends the child, where it still runs, with all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin:
        process.stdin.close()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LAST_BYTES))
        return file.read().decode("utf-8", errors="replace")
