"""How a process of tfcompress's own keeps the memory that training frees and asks for again at each step."""

import ctypes
import os
import platform

_TOP_PAD = -2  # M_TOP_PAD of malloc.h
_KEPT_BYTES = 64 << 20
_VARIABLE = "MALLOC_TOP_PAD_"


def keep_freed_memory() -> None:
    """Has glibc keep 64 MiB of what is freed in each heap, instead of 128 KiB; elsewhere nothing happens.

    A training step on a CPU frees tensors of megabytes, and the next one asks for as many. What was given back to Linux
    in between costs a page fault for every 4 KiB, which may be half of a step. Set for a whole process, so it is for
    commands and workers, not for a library; a script gets the same by the variable MALLOC_TOP_PAD_, which wins.
    """
    if platform.libc_ver()[0] == "glibc" and _VARIABLE not in os.environ:
        ctypes.CDLL(None).mallopt(_TOP_PAD, _KEPT_BYTES)
