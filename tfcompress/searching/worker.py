"""A process that runs trials, one after another: `python -m tfcompress.searching.worker WORK`.

Each line on stdin is `FOLDER<tab>JOB`; each line it answers on stdout is an outcome. It ends as soon as stdin does, so
that it never outlives who started it. What a trial prints goes to `log.txt` in its folder.
"""

import json
import os
import queue
import sys
import threading
from pathlib import Path

from tfcompress.memory import keep_freed_memory
from tfcompress.searching.jobs import Job


def main() -> None:
    """Reads lines and answers them until stdin ends."""
    keep_freed_memory()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed must not be taken for an answer
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    folder, job = _next(lines)
    # Not before the first trial has a log, which says what cannot be imported.
    import cloudpickle

    work = cloudpickle.loads(Path(sys.argv[1]).read_bytes())  # written by the search itself, in its own folder
    from tfcompress.searching.trial import run_trial

    while True:
        outcome = run_trial(Job(**json.loads(job)), work, Path(folder))
        answers.write(outcome.to_json() + "\n")
        answers.flush()
        folder, job = _next(lines)


def _next(lines: "queue.SimpleQueue[str]") -> tuple[str, str]:
    """Waits for a trial, and sends all that is printed from now on to the log in its folder."""
    folder, _, job = lines.get().partition("\t")
    with (Path(folder) / "log.txt").open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    return folder, job


def _read(lines: "queue.SimpleQueue[str]") -> None:
    for line in os.fdopen(0, "r", encoding="utf-8"):
        lines.put(line.rstrip("\n"))
    os._exit(0)  # the one who started this is gone, or has what it wanted


if __name__ == "__main__":
    main()
