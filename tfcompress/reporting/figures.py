"""What a card's numbers are: their names, how each came about, and what a change of one is worth."""

import math
from dataclasses import dataclass
from typing import Any

from tfcompress.card import Card

KINDS = ("measured", "exact", "simulated", "estimated")


@dataclass(frozen=True)
class Column:
    """One figure that cards have.

    Attributes:
        key: The card's key; `latency_ms on cortex-a55` for a figure of a device.
        title: In headings.
        form: The format of a value.
        better: `"less"` or `"more"`, or None where neither is better in itself.
    """

    key: str
    title: str
    form: str
    better: str | None


@dataclass(frozen=True)
class Figure:
    """A value and how it came about, one of `KINDS`."""

    value: float
    kind: str


_OF_A_FILE = (
    Column("size_bytes", "bytes", ",", "less"),
    Column("zlib_bytes", "zlib bytes", ",", "less"),
    Column("packed_bytes", "tfz bytes", ",", "less"),
    Column("parameters", "parameters", ",", "less"),
    Column("macs", "MACs", ",", "less"),
    Column("sparsity", "zeros", ".3f", None),
    Column("distinct_values", "distinct values", ",", None),
    Column("accuracy", "accuracy", ".4f", "more"),
)
_OF_A_DEVICE = {
    "latency_ms": ("median ms on {}", ".4g"),
    "instructions": ("instructions on {}", ","),
}


def figures_of(card: Card) -> tuple[dict[str, Figure], list[str]]:
    """The figures that a card has, by the keys of `columns`, and a sentence for each number that is none.

    Example:
        >>> card = Card(model={}, size_bytes=1000, accuracy=float("nan"))
        >>> figures_of(card)
        ({'size_bytes': Figure(value=1000, kind='exact')}, ['its accuracy is nan, and counts as not measured'])
    """
    found = {column.key: (getattr(card, column.key), _kind(column.key)) for column in _OF_A_FILE}
    for measurement in card.measurements:
        for key in _OF_A_DEVICE:
            value = measurement.get(key)
            value = value.get("median") if isinstance(value, dict) else value
            found[device_key(key, measurement.get("device", "?"))] = value, _kind_on_device(key, measurement)
    figures, problems = {}, []
    for key, (value, kind) in found.items():
        if value is None:
            continue
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            problems.append(f"its {key} is {value!r}, and counts as not measured")
        else:
            figures[key] = Figure(value, kind)
    return figures, problems


def device_key(key: str, device: str) -> str:
    """The key of a device's figure.

    Example:
        >>> device_key("latency_ms", "host")
        'latency_ms on host'
    """
    return f"{key} on {device}"


def columns(cards: list[dict[str, Figure]]) -> list[Column]:
    """The columns in which any of these cards has a figure, in the order of a table."""
    present = {key for figures in cards for key in figures}
    devices = sorted({key.partition(" on ")[2] for key in present if " on " in key})
    on_devices = [
        Column(device_key(key, device), title.format(device), form, "less")
        for device in devices
        for key, (title, form) in _OF_A_DEVICE.items()
    ]
    return [column for column in (*_OF_A_FILE, *on_devices) if column.key in present]


def latency_devices(cards: list[dict[str, Figure]]) -> list[str]:
    """The devices on which any of these cards has a latency."""
    return sorted({key.partition(" on ")[2] for figures in cards for key in figures if key.startswith("latency_ms on")})


def rate(column: Column, before: float, after: float) -> float | None:
    """Before over after where less is better: a compression or speedup rate, greater than 1 is good; else None.

    Example:
        >>> rate(Column("macs", "MACs", ",", "less"), 100, 25)
        4.0
    """
    return before / after if column.better == "less" and after > 0 else None


def _kind(key: str) -> str:
    return "measured" if key == "accuracy" else "exact"


def _kind_on_device(key: str, measurement: dict[str, Any]) -> str:
    """How a device's figure came about: emulated measurements say it of each key."""
    kinds: dict[str, str] = measurement.get("kinds") or {}
    return kinds.get(key) or measurement.get("kind") or "estimated"
