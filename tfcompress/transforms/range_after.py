"""Layers put after the calls of a graph where TFLite keeps a tensor, each with a name of its own."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import keras

from tfcompress.models.surgery import After, layers_of

MakeLayer = Callable[[keras.Operation, int, str], keras.Layer | None]
"""Makes the layer for an operation, the number of its call, and a name that is free; or None for no layer."""


def named_after(model: keras.Model, make: MakeLayer) -> After:
    """What `surgery.rebuild` takes as `after`: it puts the layer that is made behind each call.

    Args:
        model: The model that will be rebuilt; no name in it is taken twice.
        make: Makes the layers. A name is that of the operation with `_range`.
    """
    taken = {layer.name for layer in layers_of(model)}
    calls: Counter[int] = Counter()

    def after(source: keras.Operation, output: Any) -> Any:
        number = calls[id(source)]
        calls[id(source)] += 1
        base, suffix = f"{source.name}_range", number
        name = base
        while name in taken:
            suffix += 1
            name = f"{base}_{suffix}"
        layer = make(source, number, name)
        if layer is None:
            return output
        taken.add(name)
        return layer(output)

    return after
