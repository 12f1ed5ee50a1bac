"""The tree of errors: everything a user can cause, said as what is wrong, what was received, what to do.

TfCompressError
├── ModelError              a model that cannot be read or rewritten
│   └── UnsupportedLayerError   one layer of it, named
├── RecipeError             an unknown technique, a setting out of range, a wrong order
├── DataError               training or representative data that does not fit the model
├── ConversionError         a model that TensorFlow's converter cannot turn into a file
│   └── PromiseError            a file that is not what it was required to be
├── FormatError             a file that is not what it claims to be
├── DeviceError             a measurement that cannot be made here
├── SearchError             a search that cannot begin or go on, or found nothing
├── OutputError             a file that cannot be written
└── MissingPackageError     an optional package that is not installed
"""

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST_LINE = 300


class TfCompressError(Exception):
    """Anything that is wrong with what a user handed in. The command line prints it as one line and exits with 1."""


class TfCompressWarning(UserWarning):
    """Something that went another way than one might expect, though nothing failed: what was skipped, and why."""


class ModelError(TfCompressError):
    """A Keras model that cannot be loaded, read or rewritten."""


class UnsupportedLayerError(ModelError):
    """A layer that a technique or a rewrite cannot handle; the message names it."""


class RecipeError(TfCompressError):
    """A recipe or a technique with an unknown name, a setting out of range, or steps in a wrong order."""


class DataError(TfCompressError):
    """Training or representative data that does not fit the model."""


class ConversionError(TfCompressError):
    """A model that could not be converted to a `.tflite` file."""


class PromiseError(ConversionError):
    """A file that was converted well and is not what it was required to be."""


class FormatError(TfCompressError):
    """A file that is truncated, damaged or of another format than expected."""


class DeviceError(TfCompressError):
    """A device or runtime on which a file could not be run or measured."""


class SearchError(TfCompressError):
    """A search that cannot begin or go on: its folder, its processes, its cluster, its storage."""


class OutputError(TfCompressError):
    """A file that could not be written: it exists already, or the disk is full or read-only."""


class MissingPackageError(TfCompressError):
    """An optional package that is needed for what was asked, and how to install it."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Names what was probably meant, for the end of an error message.

    Args:
        name: What was received.
        known: The names that would have been right.

    Returns:
        A sentence that lists the nearest known names, or all of them when none is near.

    Example:
        >>> suggestion("MagnitudePrunning", ["MagnitudePruning", "LowRank"])
        "Did you mean 'MagnitudePruning'?"
        >>> suggestion("x", ["b", "a"])
        "Known are 'a', 'b'."
    """
    known = sorted(known)
    near = get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(repr(candidate) for candidate in near)}?"
    return f"Known are {', '.join(repr(candidate) for candidate in known)}."


def first_line(error: BaseException) -> str:
    """What an exception of a library says in its first line, short enough for an error line of ours.

    Example:
        >>> first_line(ValueError("\\n  bad shape\\nTraceback of C++"))
        'bad shape'
        >>> first_line(KeyError())
        'KeyError'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = lines[0] if lines else type(error).__name__
    return line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 3] + "..."
