"""The ways to choose ranks by name, as a recipe gives them."""

from typing import Any

from tfcompress.transforms.named import named
from tfcompress.transforms.rank_budget import Budget
from tfcompress.transforms.ranks import VBMF, Energy, Fixed, RankChoice, Ratio

RANK_CHOICES: dict[str, type[RankChoice]] = {kind.__name__: kind for kind in (Budget, Energy, Fixed, Ratio, VBMF)}


def make_rank_choice(value: Any) -> RankChoice:
    """The choice itself, or the one that a rank, one for each matrix, a name or a recipe's table stands for.

    Raises:
        RecipeError: The name or a setting is unknown or out of range.
    """
    if isinstance(value, (int, list, tuple)) and not isinstance(value, bool):
        return Fixed(value)
    return named("choice of ranks", value, RANK_CHOICES)
