"""The same search on a Ray cluster of three processes on this machine, one of which is killed in the middle."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import keras
import pytest

from tests.searching import small_search
from tfcompress.errors import SearchError

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 900  # seconds, on a machine that has other things to do


def test_a_head_that_does_not_answer_is_named(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(SearchError, match=r"No Ray head answers at '127\.0\.0\.1:1'"):
        small_search.searched(tmp_path, small_search.trained(), executor="ray", ray_address="127.0.0.1:1")


def _fit_and_tell(model: keras.Model, callbacks: list[Any]) -> None:
    """Says on which node a training began, and leaves time to kill it."""
    node = Path(os.environ["SEARCH_MARKS"]) / os.environ.get("SEARCH_NODE", "local")
    if not node.exists() and node.name == "doomed":
        node.touch()
        time.sleep(_PATIENCE)  # ended by the end of its node
    small_search.fit(model, callbacks)


@contextmanager
def _cluster(marks: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A head without processors, and two nodes with one each; gives the head's address and one of the nodes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, ray = f"127.0.0.1:{port}", Path(sys.executable).with_name("ray")
    common = ["--disable-usage-stats", "--object-store-memory=100000000", "--block", "--node-ip-address=127.0.0.1"]
    commands = [
        ("head", [ray, "start", "--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false", *common]),
        *((name, [ray, "start", f"--address={address}", "--num-cpus=1", *common]) for name in ("safe", "doomed")),
    ]
    nodes: list[subprocess.Popen[bytes]] = []
    environment = os.environ | {"PYTHONPATH": str(_ROOT), "SEARCH_MARKS": str(marks)}
    try:
        for name, command in commands:
            own = environment | {"SEARCH_NODE": name}
            path = marks / f"{name}.log"
            with path.open("wb") as log:
                nodes.append(subprocess.Popen(command, env=own, stdout=log, stderr=log, start_new_session=True))
            _wait_for(
                partial(_says, path, "Ray runtime started")
            )  # two nodes that start at once take each other's ports
        yield address, nodes[-1]
    finally:
        for node in nodes:
            _kill(node)


def _kill(node: "subprocess.Popen[bytes]") -> None:
    """Ends a node as a power cut would: `ray start` and everything below it."""
    below = _below(node.pid)
    for process in (node.pid, *below):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    node.wait()


def _below(parent: int) -> list[int]:
    answer = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in answer.stdout.splitlines()]
    found, rest = list[int](), [parent]
    while rest:
        children = [pid for pid, above in pairs if above == rest[0]]
        found, rest = found + children, rest[1:] + children
    return found


def _says(log: Path, text: str) -> bool:
    return text in log.read_text(errors="replace")


def _wait_for(condition: Any) -> None:
    ends = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError("the cluster of the test did not start")
        time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.timeout(3 * _PATIENCE)
def test_a_lost_node_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("SEARCH_MARKS", str(tmp_path))
    # Ray reads this when it is imported, and this process may have done that: nodes and driver must agree all the same.
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    model, settings = small_search.trained(), {"fit": _fit_and_tell, "trials": 3, "batch": 3}
    local = small_search.searched(tmp_path / "local", model, **settings)
    with _cluster(tmp_path) as (address, doomed):

        def kill_in_the_middle() -> None:
            _wait_for((tmp_path / "doomed").exists)
            _kill(doomed)

        threading.Thread(target=kill_in_the_middle, daemon=True).start()
        on_ray = small_search.searched(tmp_path / "ray", model, executor="ray", ray_address=address, **settings)
        assert doomed.poll() is not None, "a node was lost"
    assert [trial.figures for trial in on_ray.trials] == [trial.figures for trial in local.trials]
    assert [trial.number for trial in on_ray.front] == [trial.number for trial in local.front]
    assert all((trial.directory / "model.tflite.card.json").is_file() for trial in on_ray.front)
