"""How the command line reaches the user's own code: `package.module:function`."""

import sys
import traceback
from collections.abc import Callable, Iterator
from functools import wraps
from importlib import import_module
from inspect import isgenerator
from pathlib import Path
from typing import Any

from tfcompress.errors import DataError, suggestion


def load_function(reference: str) -> Callable[..., Any]:
    """The function that `package.module:function` names, looked up from the current folder first, as `python -m` does.

    Raises:
        DataError: The text has another form, the module cannot be imported, or it has no such function; also raised
            by the function that is returned when the user's own one fails.

    Example:
        >>> load_function("json:dumps")([1])
        '[1]'
    """
    module_name, colon, name = reference.partition(":")
    if not (module_name and colon and name):
        raise DataError(f"{reference!r} is not of the form package.module:function.")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise DataError(
            f"{reference}: the module {module_name} cannot be imported ({error}). Run the command in the folder where "
            "it lies, or set PYTHONPATH."
        ) from error
    except Exception as error:
        raise DataError(_blamed(f"{reference}: importing {module_name}", error)) from error
    function = getattr(module, name, None)
    if not callable(function):
        known = [item for item in vars(module) if callable(getattr(module, item)) and not item.startswith("_")]
        raise DataError(f"{reference}: {module_name} has no function {name!r}. {suggestion(name, known)}")
    return _guarded(reference, function)


def samples_from(source: str | None) -> Any:
    """What an option for samples names: the path of an `.npz`, or the user's function; None where nothing was given.

    Raises:
        DataError: It is neither.
    """
    if source is None or source.endswith(".npz") or Path(source).exists():
        return source
    if ":" not in source:
        raise DataError(f"{source} does not exist. Give the path of an .npz, or package.module:function.")
    return load_function(source)


def _guarded(reference: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose own failures become one line that says where in the user's code they happened."""

    @wraps(function)
    def call(*args: Any) -> Any:
        try:
            result = function(*args)
        except Exception as error:
            raise DataError(_blamed(reference, error)) from error
        return _guarded_items(reference, result) if isgenerator(result) else result

    return call


def _guarded_items(reference: str, items: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from items
    except Exception as error:
        raise DataError(_blamed(reference, error)) from error


def _blamed(what: str, error: Exception) -> str:
    """What failed and where: the innermost line that is in no installed package."""
    frames = traceback.extract_tb(error.__traceback__)
    foreign = (sys.prefix, sys.base_prefix, "<frozen")
    frame = next((item for item in reversed(frames) if not item.filename.startswith(foreign)), frames[-1])
    return f"{what} raised {type(error).__name__}: {error} ({frame.filename}, line {frame.lineno}). Mend it there."
