"""How a process of tfcompress's own keeps the memory that training frees and asks for again at each step."""

import ctypes
import os
import platform

# Variable of glibc, its number in malloc.h, and its value: 64 MiB, and 32 MiB, up to which glibc goes by itself too.
_SETTINGS = (("MALLOC_TOP_PAD_", -2, 64 << 20), ("MALLOC_MMAP_THRESHOLD_", -3, 32 << 20))


def keep_freed_memory() -> None:
    """Has glibc keep 64 MiB of what is freed in each heap, instead of 128 KiB; elsewhere nothing happens.

    A training step on a CPU frees tensors of megabytes, and the next one asks for as many. What was given back to Linux
    in between costs a page fault for every 4 KiB. Blocks come from the heaps up to 32 MiB: told how much to keep, glibc
    no longer raises that bound by itself. Set for a whole process, so it is for commands and workers, not a library;
    a script gets the same by the variables, which win.
    """
    if platform.libc_ver()[0] == "glibc" and not any(variable in os.environ for variable, *_ in _SETTINGS):
        for _, number, value in _SETTINGS:
            ctypes.CDLL(None).mallopt(number, value)
