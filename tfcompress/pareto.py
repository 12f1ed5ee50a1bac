"""Which of several trade-offs nobody would pass over: the Pareto front."""

from collections.abc import Sequence


def front(points: Sequence[Sequence[float]]) -> list[int]:
    """The indices of the points that no other point dominates; less is better on each axis.

    A point dominates another one where it is nowhere worse and somewhere better. Of equal points all stay.

    Args:
        points: One sequence of finite numbers for each point, all equally long.

    Returns:
        Indices into `points`, ascending.

    Example:
        >>> front([(1, 9), (2, 5), (3, 6), (4, 1)])
        [0, 1, 3]
    """
    return [i for i, point in enumerate(points) if not any(_dominates(other, point) for other in points)]


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
