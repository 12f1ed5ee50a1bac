"""What a recipe may cost and what it must reach, and how far a result is from that."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfcompress.card import Card
from tfcompress.errors import RecipeError, suggestion
from tfcompress.limits import share_beyond

COSTS = ("packed_bytes", "zlib_bytes", "size_bytes", "parameters", "macs")
"""The figures of a card that a budget may limit; beside them `latency_ms` of devices, and `accuracy` from below."""

_LATENCY, _ACCURACY = "latency_ms", "accuracy"


@dataclass(frozen=True)
class Budget:
    """The most that each cost may be, and the least accuracy.

    Attributes:
        costs: The limits of `COSTS`, and of `latency_ms on cortex-a55` for devices.
        accuracy: The least accuracy, 0 where none was asked for.

    Example:
        >>> budget = Budget.of({"packed_bytes": 20_000, "latency_ms": {"cortex-a55": 2.0}})
        >>> budget.excess({"packed_bytes": 25_000, "latency_ms on cortex-a55": 1.0, "accuracy": 0.9})
        0.25
    """

    costs: dict[str, float]
    accuracy: float = 0.0

    @classmethod
    def of(cls, limits: Mapping[str, Any]) -> "Budget":
        """Reads a budget as users write it: `{"packed_bytes": 20_000, "latency_ms": {"cortex-a55": 2.0}}`.

        Raises:
            RecipeError: A name is unknown, a limit is no positive number, or nothing but the accuracy is limited.
        """
        flat: dict[str, Any] = {}
        for name, limit in limits.items():
            if name == _LATENCY and isinstance(limit, Mapping):
                flat |= {f"{_LATENCY} on {device}": value for device, value in limit.items()}
            elif name in COSTS or name == _ACCURACY:
                flat[name] = limit
            elif name == _LATENCY:
                raise RecipeError(f'The budget\'s latency_ms must name devices, {{"cortex-a55": 2.0}}, not {limit!r}.')
            else:
                raise RecipeError(
                    f"The budget limits {name!r}, which no card has. {suggestion(name, [*COSTS, _LATENCY, _ACCURACY])}"
                )
        for name, limit in flat.items():
            if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not 0 < limit < math.inf:
                raise RecipeError(f"The budget's {name} must be a positive number, not {limit!r}.")
        accuracy = float(flat.pop(_ACCURACY, 0.0))
        if accuracy > 1:
            raise RecipeError(f"The budget's accuracy is a share in (0, 1], not {accuracy:g}.")
        if not flat:
            raise RecipeError(f"The budget limits no cost. Limit one or more of {', '.join(COSTS)}, {_LATENCY}.")
        return cls({name: float(limit) for name, limit in flat.items()}, accuracy)

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices whose latency is limited."""
        return tuple(name.removeprefix(f"{_LATENCY} on ") for name in self.costs if name.startswith(_LATENCY))

    def figures(self, card: Card) -> dict[str, float]:
        """What the budget is about, out of a card.

        Raises:
            RecipeError: The card lacks one of them, or it is no number.
        """
        found: dict[str, Any] = {name: getattr(card, name) for name in self.costs if name in COSTS}
        for measurement in card.measurements:
            name = f"{_LATENCY} on {measurement.get('device')}"
            if name in self.costs:
                found[name] = (measurement.get("latency_ms") or {}).get("median")
        found[_ACCURACY] = card.accuracy
        for name in (*self.costs, _ACCURACY):
            value = found.get(name)
            if value is None or not math.isfinite(value):
                raise RecipeError(f"The trial has no {name} (it is {value!r}). Check fit and evaluate.")
        return {name: float(value) for name, value in found.items()}

    def excess(self, figures: Mapping[str, float]) -> float:
        """How far the worst figure is beyond its limit, as a share of it; 0 where all is met. Unknown ones are met."""
        return share_beyond(figures, self.costs, self.accuracy)

    def misses(self, figures: Mapping[str, float]) -> list[str]:
        """What is beyond its limit, in words.

        Example:
            >>> Budget({"macs": 100.0}).misses({"macs": 150})
            ['macs 150 of at most 100']
        """
        found = [
            f"{name} {figures[name]:,.6g} of at most {limit:,.6g}"
            for name, limit in self.costs.items()
            if figures.get(name, 0.0) > limit
        ]
        if figures.get(_ACCURACY, 1.0) < self.accuracy:
            found.append(f"accuracy {figures[_ACCURACY]:.4f} of at least {self.accuracy:g}")
        return found

    def objectives(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """What a front is made of, less is better: the error, then each cost."""
        return (1 - figures[_ACCURACY], *(figures[name] for name in self.costs))
