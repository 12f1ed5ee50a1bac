"""Trials as tasks of a Ray cluster: on any node, run again where a node is lost."""

import hashlib
import io
import os
import socket
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from tfcompress.errors import MissingPackageError, SearchError, first_line
from tfcompress.files import replacing
from tfcompress.searching.jobs import Job, Outcome
from tfcompress.searching.local import Worker
from tfcompress.work_folders import work_folder

_RETRIES = 3  # of a trial whose node was lost
_BROUGHT_BACK = ("*.card.json", "*.toml", "*.json", "*.txt", "*.tflite", "*.tfz")
_ANSWER_SECONDS = 30


@dataclass(frozen=True)
class Needs:
    """What a trial takes of a node."""

    cpus: float = 1.0
    gpus: float = 0.0


@contextmanager
def ray_cluster(
    address: str | None, work: Path, model: Path, *, time_limit: float, needs: Needs
) -> "Iterator[ClusterExecutor]":
    """A connection to a cluster for the time of the block.

    Args:
        address: Of its head, such as `"10.0.0.1:6379"`; None starts a cluster on this machine.
        work: The file with a pickled `trial.Work`; each node gets it once.
        model: The model before compression; each node gets it once.
        time_limit: Seconds that a trial may take.
        needs: What each trial takes of a node.

    Raises:
        MissingPackageError: ray is not installed.
        SearchError: The head does not answer.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingPackageError(
            "A search on a cluster needs ray. Install it: pip install tfcompress[ray]."
        ) from error
    if address is not None:
        _check_reachable(address)
    try:
        # "local": without an address Ray would join whatever cluster an earlier program left behind
        ray.init(address=address or "local", log_to_driver=False, include_dashboard=None if address else False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise SearchError(
            f"The Ray cluster at {address or 'this machine'} cannot be used: {first_line(error)}. Start its head with "
            "`ray start --head`, and check the address."
        ) from error
    try:
        yield ClusterExecutor(work, model, time_limit, needs)
    finally:
        ray.shutdown()


class ClusterExecutor:
    """Hands trials to Ray; each runs in a child process of a task: a crash is the trial's, a loss is the node's."""

    def __init__(self, work: Path, model: Path, time_limit: float, needs: Needs) -> None:
        import ray

        self._ray, self._time_limit = ray, time_limit
        self._shared = ray.put({"work": work.read_bytes(), model.name: model.read_bytes()})
        self._task = ray.remote(_run_on_node).options(
            num_cpus=needs.cpus, num_gpus=needs.gpus, max_retries=_RETRIES, retry_exceptions=False
        )
        self._threads = max(1, int(needs.cpus))

    def run(self, jobs: Sequence[tuple[Job, Path]]) -> Iterator[Outcome]:
        """The outcomes, in the order in which they come in."""
        running = {
            self._task.remote(self._shared, job, self._time_limit, self._threads): (job, folder) for job, folder in jobs
        }
        while running:
            (done, *_), _ = self._ray.wait(list(running), num_returns=1)
            job, folder = running.pop(done)
            try:
                outcome, content = self._ray.get(done)
            except self._ray.exceptions.RayError as error:
                yield Outcome(job.number, None, f"Its node was lost {_RETRIES + 1} times: {first_line(error)}")
                continue
            _unpacked(content, folder)
            yield outcome


def _check_reachable(address: str) -> None:
    """Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS):
            return
    except (OSError, ValueError) as error:
        raise SearchError(
            f"No Ray head answers at {address!r} ({first_line(error)}). Start it with `ray start --head`, and give its "
            "address as host:port."
        ) from error


def _run_on_node(shared: dict[str, bytes], job: Job, time_limit: float, threads: int) -> tuple[Outcome, bytes]:
    """In a task: the trial in a folder of its own, and what is kept of it."""
    place = _on_this_node(shared)
    with work_folder() as folder:
        here = replace(job, model=str(place / Path(job.model).name))
        outcome = _worker(place / "work", time_limit, threads).run(here, folder / "trial")
        return outcome, _packed(folder / "trial")


@lru_cache(maxsize=1)
def _worker(work: Path, time_limit: float, threads: int) -> Worker:
    """The process that runs trials for one of Ray's, which Ray uses for many tasks; it ends with it."""
    return Worker(work, time_limit, threads)


def _on_this_node(shared: dict[str, bytes]) -> Path:
    """Writes what is shared to the node's disk, once; its content names the folder."""
    digest = hashlib.sha256(b"".join(hashlib.sha256(shared[name]).digest() for name in sorted(shared)))
    place = Path(tempfile.gettempdir()) / f"tfcompress-shared-{os.getuid()}-{digest.hexdigest()[:16]}"
    for name, content in shared.items():
        if not (place / name).is_file():
            with replacing(place / name) as temporary:
                temporary.write_bytes(content)
    return place


def _packed(folder: Path) -> bytes:
    """The small files of a trial: cards, recipe, log, and the file that ships; not the Keras models between."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for pattern in _BROUGHT_BACK:
            for path in sorted(folder.rglob(pattern)):
                archive.add(path, path.relative_to(folder).as_posix())
    return content.getvalue()


def _unpacked(content: bytes, folder: Path) -> None:
    """Puts what came back into the trial's folder on this machine."""
    with replacing(folder) as temporary:
        temporary.mkdir()
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(temporary, filter="data")
