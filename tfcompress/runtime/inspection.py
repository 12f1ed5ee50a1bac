"""What a `.tflite` holds, and who computes each of its operators on this host."""

from dataclasses import replace
from pathlib import Path

from tfcompress.errors import DeviceError, FormatError
from tfcompress.runtime.session import backends
from tfcompress.tflite.inspection import Inspection
from tfcompress.tflite.inspection import inspect as read_facts


def inspect(path: str | Path, *, xnnpack: bool = True) -> Inspection:
    """Reads what a `.tflite` holds, and asks LiteRT which operators XNNPACK takes.

    The bytes are read here, with every length checked. Then LiteRT loads the file in a process of its own, which a
    hostile file may end without harm; it is not run.

    Args:
        path: Any file; one that is truncated, damaged or hostile gives a FormatError in limited time.
        xnnpack: Whether LiteRT is asked; without that, no operator has a `backend`.

    Returns:
        The facts; print them. Where LiteRT does not load the file, they say why (`load_error`).

    Raises:
        FormatError: There is no such file, or it is no `.tflite`, truncated or damaged.

    Example:
        The example of `tfcompress.convert` runs this.

        >>> inspect("phone.tflite").arithmetic  # doctest: +SKIP
        'int8 throughout'
    """
    facts = read_facts(path)
    if not xnnpack:
        return facts
    try:
        found = backends(path)
    except (FormatError, DeviceError) as error:
        return replace(facts, load_error=str(error).removeprefix(f"{Path(path).resolve()}: "))
    operators = [
        replace(item, backend=found[item.index]) if item.graph == 0 and item.index < len(found) else item
        for item in facts.operators
    ]
    return replace(facts, operators=tuple(operators))
