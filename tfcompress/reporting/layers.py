"""What each layer, kernel and operator costs: the rows of the bars, one set before and one after."""

import math
from dataclasses import dataclass
from typing import Any, TypeGuard

from tfcompress.reporting.runs import Stage

_MOST_BARS = 60
_LONGEST_NAME = 40
# Keys of a layer in a card, and the title of their bars. What errors are called follows the cards of conversion.
_OF_LAYERS = {
    "macs": "MACs of each layer (exact)",
    "weight_bytes": "Bytes of weights of each layer, as in Keras (exact)",
    "packed_bytes": "Packed bytes of each layer (exact)",
    "sparsity": "Zeros in each layer (exact)",
    "error": "Error of each layer (measured)",
}
_OF_KERNELS = {
    "bytes": "Bytes of each kernel in the file (exact)",
    "sparsity": "Zeros in each kernel of the file (exact)",
}


@dataclass(frozen=True)
class Bar:
    """A name and what it costs before and after; None where it is not there or not known."""

    name: str
    before: float | None
    after: float | None


@dataclass(frozen=True)
class Bars:
    """One plot of bars.

    Attributes:
        title: What is shown, and how it came about.
        bars: In the order of the model.
        left_out: How many smaller ones are not shown.
        before: The name of the stage whose bars stand first, where there are any.
        after: The name of the stage shown.
    """

    title: str
    bars: tuple[Bar, ...]
    left_out: int
    before: str | None
    after: str

    @property
    def largest(self) -> float:
        """The length of the longest bar; 1 for shares, so that they can be read as such."""
        values = [value for bar in self.bars for value in (bar.before, bar.after) if value is not None]
        return 1.0 if self.title.startswith("Zeros") else max(values, default=0.0) or 1.0


def layer_bars(after: Stage, before: Stage | None) -> list[Bars]:
    """All plots for which a stage has values: layers, kernels of the file, and operators on devices.

    Args:
        after: The stage shown.
        before: The stage it is held against; layers are matched by their names.
    """
    stages = before, after
    plots = [_bars(title, *stages, [_values(stage, key) for stage in stages]) for key, title in _OF_LAYERS.items()]
    plots += [_bars(title, *stages, [_kernels(stage, key) for stage in stages]) for key, title in _OF_KERNELS.items()]
    for device in _devices_with_operators(after):
        title = f"Milliseconds of each operator on {device} (estimated)"
        plots.append(_bars(title, *stages, [_operators(stage, device) for stage in stages]))
    return [plot for plot in plots if plot is not None]


def _bars(title: str, before: Stage | None, after: Stage, values: list[dict[str, float]]) -> Bars | None:
    """The plot, without what is zero on both sides; nothing where nothing is left."""
    old, new = values
    common = set(old) & set(new)
    bars = [Bar(name, old.get(name) if common else None, value) for name, value in new.items()]
    bars += [Bar(name, value, None) for name, value in old.items() if common and name not in new]
    bars = [bar for bar in bars if bar.before or bar.after]
    if not bars:
        return None
    kept = sorted(bars, key=lambda bar: max(bar.before or 0, bar.after or 0), reverse=True)[:_MOST_BARS]
    shown = tuple(bar for bar in bars if bar in kept)
    return Bars(title, shown, len(bars) - len(shown), before.name if before and common else None, after.name)


def _values(stage: Stage | None, key: str) -> dict[str, float]:
    """The values of one key by the layers' names; only finite numbers from 0 can be drawn."""
    items = stage.card.layers if stage else []
    return {str(item["name"]): item[key] for item in items if "name" in item and _drawable(item.get(key))}


def _kernels(stage: Stage | None, key: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for index, item in enumerate(stage.card.tensors if stage else []):
        if item.get("kernel") and _drawable(item.get(key)):
            name = _short(str(item.get("name", index)))
            found[f"{name} ({index})" if name in found else name] = item[key]
    return found


def _devices_with_operators(stage: Stage) -> list[str]:
    return [item["device"] for item in stage.card.measurements if item.get("operators") and "device" in item]


def _operators(stage: Stage | None, device: str) -> dict[str, float]:
    """Milliseconds by number and name of an operator."""
    found: dict[str, float] = {}
    for measurement in stage.card.measurements if stage else []:
        if measurement.get("device") == device:
            for index, item in enumerate(measurement.get("operators") or []):
                value = (item.get("latency_ms") or {}).get("median")
                if _drawable(value):
                    found[f"{index} {item.get('name', '?')}"] = value
    return found


def _drawable(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and math.isfinite(value) and value >= 0


def _short(name: str) -> str:
    """A tensor's name without what the converter put before and after its layer's.

    Example:
        >>> _short("lenet5_1/conv2_1/BiasAdd;lenet5_1/conv2_1/convolution;lenet5_1/conv2_1/Squeeze1")
        'conv2_1/BiasAdd'
    """
    first = name.split(";")[0].split("/")
    text = "/".join(first[1:] if len(first) > 2 else first)
    return text if len(text) <= _LONGEST_NAME else "…" + text[1 - _LONGEST_NAME :]
