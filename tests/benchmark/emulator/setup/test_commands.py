import subprocess
import sys
import time
from pathlib import Path

from tfcompress.benchmark.emulator.setup.commands import run

# The program starts another one, which writes its number and then works for a minute; then Ctrl-C.
_INTERRUPTED = """
import os, signal, sys, threading, time
from pathlib import Path
from tfcompress.benchmark.emulator.setup.commands import run

def interrupt():
    while not Path(sys.argv[1]).exists() or not Path(sys.argv[1]).read_text():
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Thread(target=interrupt, daemon=True).start()
run(["sh", "-c", "sh -c 'echo $$ > $0; sleep 60; true' $0; true", sys.argv[1]])
"""


def test_a_program_runs_in_its_folder_with_its_variables(tmp_path):
    done = run(["sh", "-c", "pwd; echo $A; echo no >&2; exit 3"], folder=tmp_path, environment={"A": "b"})
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path.resolve()}\nb\n", "no\n")


def test_an_interruption_ends_what_the_program_started(tmp_path):
    number = tmp_path / "number"
    answer = subprocess.run([sys.executable, "-c", _INTERRUPTED, str(number)], capture_output=True, timeout=50)
    assert b"KeyboardInterrupt" in answer.stderr
    for _ in range(20):  # a container without an init process may leave it as a zombie
        state = Path(f"/proc/{number.read_text().strip()}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.1)
    raise AssertionError("the program that the program started is still there")
