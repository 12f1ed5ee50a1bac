"""How far figures are beyond limits; needs no TensorFlow."""

from collections.abc import Mapping


def share_beyond(figures: Mapping[str, float], costs: Mapping[str, float], accuracy: float) -> float:
    """How far the worst figure is beyond its limit, as a share of it; 0 where all is met. Unknown ones are met.

    Args:
        figures: By name; `"accuracy"` among them.
        costs: By name the most.
        accuracy: The least; 0 for no limit.

    Example:
        >>> share_beyond({"macs": 150.0, "accuracy": 0.9}, {"macs": 100.0}, 0.8)
        0.5
    """
    over = [figures[name] / limit - 1 for name, limit in costs.items() if name in figures]
    if accuracy and "accuracy" in figures:
        over.append((accuracy - figures["accuracy"]) / accuracy)
    return max([0.0, *over])
