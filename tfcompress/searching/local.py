"""Trials in processes of this machine: started, limited in time, and replaced where one dies."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

from tfcompress.searching.jobs import Job, Outcome

_TRIALS_OF_A_PROCESS = 20  # TensorFlow's memory grows with every model that was trained
_SECONDS_TO_END = 60  # after the last answer; where it takes longer, something hangs
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


class Worker:
    """One process that runs trials; it is started for the first one, and anew after it died.

    Args:
        work: The file with a pickled `trial.Work`.
        time_limit: Seconds that a trial may take.
        threads: That TensorFlow may use.
    """

    def __init__(self, work: Path, time_limit: float, threads: int) -> None:
        self._work, self._time_limit, self._threads = work, time_limit, threads
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._done = 0

    def run(self, job: Job, folder: Path) -> Outcome:
        """Runs a trial; a process that crashes, is killed or takes too long is a failed trial."""
        folder.mkdir(parents=True, exist_ok=True)
        process = self._running()
        try:
            _inlet(process).write(f"{folder.resolve()}\t{json.dumps(asdict(job))}\n")
            _inlet(process).flush()
            line = self._lines.get(timeout=self._time_limit)
        except queue.Empty:
            self.stop()
            return Outcome(job.number, None, f"It was stopped at its time limit of {self._time_limit:g} s.")
        except OSError:  # it died before it took the trial
            line = ""
        if line:
            self._done += 1
            return Outcome.from_json(line)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_SECONDS_TO_END)  # stopped at once, it would seem to have been killed
        self.stop()
        return Outcome(job.number, None, f"{_ending(process)} Its log.txt says more.")

    def stop(self) -> None:
        """Ends the process with all that it started."""
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            _inlet(process).close()

    def _running(self) -> "subprocess.Popen[str]":
        """The process, started where there is none, or where it has run as many trials as one should."""
        if self._process is not None and self._process.poll() is None and self._done < _TRIALS_OF_A_PROCESS:
            return self._process
        self.stop()
        self._lines, self._done = queue.SimpleQueue(), 0
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tfcompress.searching.worker", str(self._work.resolve())],
            stdin=subprocess.PIPE,  # held open: its end tells the process that this one died
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a trial's own output goes to its log
            env=_environment(self._threads),
            text=True,
            start_new_session=True,  # Ctrl-C reaches this process, which then stops the others
        )
        threading.Thread(target=_read, args=(self._process.stdout, self._lines), daemon=True).start()
        return self._process


@contextmanager
def local_workers(work: Path, *, count: int, time_limit: float, threads: int) -> "Iterator[LocalExecutor]":
    """Workers on this machine, which end with the block."""
    executor = LocalExecutor([Worker(work, time_limit, threads) for _ in range(count)])
    try:
        yield executor
    finally:
        executor.close()


class LocalExecutor:
    """Hands trials to the workers that are free."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in workers:
            self._free.put(worker)

    def run(self, jobs: Sequence[tuple[Job, Path]]) -> Iterator[Outcome]:
        """The outcomes, in the order in which they come in."""
        with ThreadPoolExecutor(len(self._workers)) as pool:
            running = [pool.submit(self._run, job, folder) for job, folder in jobs]
            try:
                for done in as_completed(running):
                    yield done.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.close()  # the threads wait for processes, which must end first
                raise

    def close(self) -> None:
        """Ends all processes."""
        for worker in self._workers:
            worker.stop()

    def _run(self, job: Job, folder: Path) -> Outcome:
        worker = self._free.get()
        try:
            return worker.run(job, folder)
        finally:
            self._free.put(worker)


def _inlet(process: "subprocess.Popen[str]") -> IO[str]:
    """Where lines for a process go; it was opened as a pipe."""
    if process.stdin is None:
        raise OSError("the process has no stdin")
    return process.stdin


def _read(outlet: IO[str], lines: "queue.SimpleQueue[str]") -> None:
    """Passes answers on; an empty one says that the process has ended."""
    with outlet:
        for line in outlet:
            lines.put(line)
    lines.put("")


def _ending(process: "subprocess.Popen[str]") -> str:
    code = process.wait()
    if code >= 0:
        return f"Its process ended with exit code {code}."
    try:
        return f"Its process was ended by {signal.Signals(-code).name}."
    except ValueError:
        return f"Its process was ended by signal {-code}."


def _environment(threads: int) -> dict[str, str]:
    """Keeps a trial to its threads: with them its floats, and so its result, follow from its seed."""
    paths = [str(_PACKAGE_ROOT), str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])]
    limits = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), str(threads))
    return os.environ | limits | {"PYTHONPATH": os.pathsep.join(paths), "TF_CPP_MIN_LOG_LEVEL": "3"}
