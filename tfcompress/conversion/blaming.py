"""Which layers of a model the converter's complaints are about, told from the paths in its messages."""

import re

import keras

from tfcompress.errors import UnsupportedLayerError
from tfcompress.models.surgery import layers_of

_PLACE = re.compile(r'fused\["(\w+):", "([^"@]*)')
_MOST_NAMED = 4


def operators_without_a_kernel(message: str) -> list[str]:
    """The operators for which LiteRT has nothing, in the order of the converter's list.

    Example:
        >>> operators_without_a_kernel("TF Select ops: Complex, FFT\\nDetails:")
        ['Complex', 'FFT']
    """
    found = re.search(r"(?:TF Select ops|Flex ops|Custom ops): ([^\n]*)", message)
    return [name.strip() for name in found[1].split(",")] if found else []


def layer_of(operator: str, model: keras.Model, message: str) -> str | None:
    """The layer of a model in which an operator stands that the converter complains about, or None.

    Args:
        operator: A TensorFlow operator, such as `"FFT"`.
        model: The model.
        message: What the converter wrote.
    """
    try:
        names = [layer.name for layer in layers_of(model)]
    except UnsupportedLayerError:
        return None
    for line in message.splitlines():
        if "error: " not in line:
            continue
        for name, path in _PLACE.findall(line):
            if name == operator and (layer := layer_in(path, names)):
                return layer
    return None


def layer_in(path: str, names: list[str]) -> str | None:
    """The innermost part of a path that is the name of a layer, perhaps numbered once more.

    Example:
        >>> layer_in("sequential_1_1/spectrum_1/FFT", ["spectrum", "head"])
        'spectrum'
    """
    for part in reversed(path.split("/")):
        if part in names:
            return part
        if (plain := re.sub(r"_\d+$", "", part)) in names:
            return plain
    return None


def blamed(operators: list[str], model: keras.Model, message: str) -> str:
    """The operators, each with its layer where the message tells it, for a sentence."""
    parts = []
    for operator in operators[:_MOST_NAMED]:
        layer = layer_of(operator, model, message)
        parts.append(operator if layer is None else f"{operator} (layer '{layer}')")
    rest = f" and {len(operators) - _MOST_NAMED} more" if len(operators) > _MOST_NAMED else ""
    return ", ".join(parts) + rest
