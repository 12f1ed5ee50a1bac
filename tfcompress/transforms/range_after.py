"""Layers put after the calls of a graph where TFLite keeps a tensor, each with a name of its own."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import keras

from tfcompress.models.surgery import After, layers_of
from tfcompress.transforms.kept_tensors import Place


def named_after(flat: keras.Model, layer: Callable[[str, Place], keras.Layer | None]) -> After:
    """What `surgery.rebuild` takes as `after`: it puts `layer(name, place)` behind each call, unless that is None.

    Args:
        flat: A model without nested models.
        layer: Makes the layer for a place; the name is that of the call's operation with `_range`.
    """
    taken = {item.name for item in layers_of(flat)}
    calls: Counter[int] = Counter()

    def after(source: keras.Operation, output: Any) -> Any:
        place = id(source), calls[id(source)]
        calls[id(source)] += 1
        name, number = f"{source.name}_range", 0
        while name in taken:
            number += 1
            name = f"{source.name}_range_{number}"
        made = layer(name, place)
        if made is None:
            return output
        taken.add(name)
        return made(output)

    return after
