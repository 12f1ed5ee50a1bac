import os
import platform
import subprocess
import sys

import pytest

# In a thread, as TensorFlow computes: 40 MiB in blocks of some, twenty times freed and asked for again.
_FAULTS = """
import resource, sys, threading
import numpy as np
from tfcompress.memory import keep_freed_memory

size = int(sys.argv[1])
if "keep" in sys.argv:
    keep_freed_memory()

def work():
    for _ in range(20):
        arrays = [np.ones(size << 20, "uint8") for _ in range(40 // size)]
        del arrays

work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone gives memory back like this")


def faults(size: int, *arguments: str, **variables: str) -> int:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")} | variables
    command = [sys.executable, "-c", _FAULTS, str(size), *arguments]
    return int(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


@needs_glibc
@pytest.mark.parametrize("size", [1, 8])
def test_freed_memory_is_not_faulted_in_again(size: int) -> None:
    assert faults(size, "keep") < faults(size) / 2


@needs_glibc
def test_the_users_own_word_wins() -> None:
    assert faults(1, "keep", MALLOC_TOP_PAD_="131072") > 2 * faults(1, "keep")
