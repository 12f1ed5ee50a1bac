"""The table of objectives, and how a recipe's names and tables become objects."""

from typing import Any

import keras

from tfcompress.errors import RecipeError
from tfcompress.teaching.attention_transfer import AttentionTransfer
from tfcompress.teaching.custom import Custom
from tfcompress.teaching.decoupled import DecoupledKD
from tfcompress.teaching.hints import Hints
from tfcompress.teaching.logit_regression import LogitRegression
from tfcompress.teaching.objective import Objective
from tfcompress.teaching.relational import RelationalAngle, RelationalDistance
from tfcompress.teaching.similarity import ProbabilisticTransfer, SimilarityPreserving
from tfcompress.teaching.soft_targets import SoftTargets
from tfcompress.teaching.word_level import WordLevel
from tfcompress.transforms.named import named

OBJECTIVES: dict[str, type[Objective]] = {
    "AttentionTransfer": AttentionTransfer,
    "Custom": Custom,
    "DecoupledKD": DecoupledKD,
    "Hints": Hints,
    "LogitRegression": LogitRegression,
    "ProbabilisticTransfer": ProbabilisticTransfer,
    "RelationalAngle": RelationalAngle,
    "RelationalDistance": RelationalDistance,
    "SimilarityPreserving": SimilarityPreserving,
    "SoftTargets": SoftTargets,
    "WordLevel": WordLevel,
}
"""The objectives by the name that a recipe gives each of them."""


def make_objective(value: Any) -> Objective:
    """An objective itself, or made from its name, its table, a function, or a loss of `keras.distillation`.

    Raises:
        RecipeError: The name or a setting is unknown or out of range.

    Example:
        >>> make_objective({"type": "SoftTargets", "temperature": 20.0}).temperature
        20.0
    """
    if isinstance(value, type):
        raise RecipeError(f"The objective {value.__name__} is a class. Make an object of it: {value.__name__}().")
    if callable(value) or isinstance(value, keras.distillation.DistillationLoss):
        return Custom(value)
    return named("objective", value, OBJECTIVES)
