import os
import platform
import subprocess
import sys

import pytest

# In a thread, as TensorFlow computes: 40 MiB, twenty times freed and asked for again.
_FAULTS = """
import resource, sys, threading
import numpy as np
from tfcompress.memory import keep_freed_memory

if "keep" in sys.argv:
    keep_freed_memory()

def work():
    for _ in range(20):
        arrays = [np.ones(1 << 20, "uint8") for _ in range(40)]
        del arrays

work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone gives memory back like this")
def test_freed_memory_is_not_faulted_in_again() -> None:
    def faults(*arguments: str, **variables: str) -> int:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")} | variables
        command = [sys.executable, "-c", _FAULTS, *arguments]
        return int(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)

    given_back = faults()
    assert faults("keep") < given_back / 2
    assert faults("keep", MALLOC_TOP_PAD_="131072") > given_back / 2  # the user's own word wins
