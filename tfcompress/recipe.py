"""A recipe: techniques in order, written to and read from TOML, refused when one would undo an earlier one."""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from tfcompress.errors import RecipeError, suggestion
from tfcompress.files import write_text
from tfcompress.techniques.adaptive_rounding import AdaptiveRounding
from tfcompress.techniques.bias_correction import BiasCorrection
from tfcompress.techniques.channel_pruning import ChannelPruning
from tfcompress.techniques.compact_filters import CompactFilters
from tfcompress.techniques.distillation import Distillation
from tfcompress.techniques.equalization import Equalization
from tfcompress.techniques.low_rank import LowRank
from tfcompress.techniques.low_rank_sparse import LowRankSparse
from tfcompress.techniques.magnitude_pruning import MagnitudePruning
from tfcompress.techniques.quantization_aware import QuantizationAware
from tfcompress.techniques.range_setting import RangeSetting
from tfcompress.techniques.technique import Technique
from tfcompress.techniques.together import Together
from tfcompress.techniques.weight_clustering import WeightClustering

TECHNIQUES: dict[str, type[Technique]] = {
    "AdaptiveRounding": AdaptiveRounding,
    "BiasCorrection": BiasCorrection,
    "ChannelPruning": ChannelPruning,
    "CompactFilters": CompactFilters,
    "Distillation": Distillation,
    "Equalization": Equalization,
    "LowRank": LowRank,
    "LowRankSparse": LowRankSparse,
    "MagnitudePruning": MagnitudePruning,
    "QuantizationAware": QuantizationAware,
    "RangeSetting": RangeSetting,
    "Together": Together,
    "WeightClustering": WeightClustering,
}
"""The table of techniques: the name a recipe gives each of them."""


@dataclass(frozen=True)
class Recipe:
    """Techniques in the order in which `compress` applies them.

    Args:
        steps: The techniques.

    Raises:
        RecipeError: There is no step, or one would undo what an earlier one established.

    Example:
        >>> import tfcompress as tfc
        >>> print(tfc.Recipe([tfc.MagnitudePruning(sparsity=0.8)]).to_toml())
        [[step]]
        technique = "MagnitudePruning"
        sparsity = 0.8
    """

    steps: tuple[Technique, ...]

    def __init__(self, steps: Iterable[Technique]) -> None:
        object.__setattr__(self, "steps", tuple(steps))
        if not self.steps:
            raise RecipeError("A recipe needs at least one step, such as tfc.MagnitudePruning(sparsity=0.8).")
        for number, step in enumerate(self.steps, 1):
            if not isinstance(step, Technique):
                raise RecipeError(f"Step {number} of the recipe is {step!r}, which is no technique.")
            for before, earlier in enumerate(self.steps[: number - 1], 1):
                if reason := step.conflict(earlier):
                    raise RecipeError(f"Step {number} ({type(step).__name__}) must not follow step {before}: {reason}")

    def __iter__(self) -> Iterator[Technique]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def to_toml(self) -> str:
        """The recipe as TOML text: a `[[step]]` table for each technique, with the settings that are not defaults."""
        return "\n".join(_table({"technique": type(step).__name__} | step.to_settings()) for step in self.steps)

    @classmethod
    def from_toml(cls, text: str) -> "Recipe":
        """Reads a recipe from TOML text.

        Raises:
            RecipeError: The text is not TOML, a technique or setting is unknown, or the order is wrong.
        """
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(f"The recipe is not TOML: {error}.") from error
        if unknown := sorted(set(content) - {"step"}):
            raise RecipeError(
                f"The recipe has an unknown key {unknown[0]!r}. Write each technique as a [[step]] table."
            )
        tables = content.get("step", [])
        if not isinstance(tables, list):
            raise RecipeError("The recipe has [step] where [[step]], with two brackets, is needed.")
        return cls(_technique(f"Step {number} of the recipe", table) for number, table in enumerate(tables, 1))

    def save(self, path: str | Path) -> None:
        """Writes the recipe as TOML."""
        write_text(path, self.to_toml())

    @classmethod
    def load(cls, path: str | Path) -> "Recipe":
        """Reads a recipe from a TOML file.

        Raises:
            RecipeError: The file cannot be read, or see `from_toml`; the message names the file.
        """
        try:
            return cls.from_toml(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise RecipeError(f"{path} cannot be read: {error.strerror}. Give the path of a recipe in TOML.") from error
        except UnicodeDecodeError as error:
            raise RecipeError(f"{path} is not text. Give the path of a recipe in TOML.") from error
        except RecipeError as error:
            raise RecipeError(f"{path}: {error}") from error


def _table(settings: dict[str, Any], path: str = "step", *, one_of_several: bool = True) -> str:
    """One table of TOML with the tables inside it; headed here, since tomli_w would put short tables in one line."""
    inside = {key: value for key, value in settings.items() if isinstance(value, dict) or _are_tables(value)}
    heading = f"[[{path}]]" if one_of_several else f"[{path}]"
    text = f"{heading}\n" + tomli_w.dumps({key: value for key, value in settings.items() if key not in inside})
    for key, value in inside.items():
        below = f"{path}.{tomli_w.dumps({key: 0}).removesuffix(' = 0' + chr(10))}"  # quoted where TOML asks for it
        several = isinstance(value, list)
        text += "".join(f"\n{_table(item, below, one_of_several=several)}" for item in (value if several else [value]))
    return text


def _are_tables(value: Any) -> bool:
    """Whether a list of tables is too long for one line each, so that every table gets a heading."""
    return isinstance(value, list) and tomli_w.dumps({"key": value}).startswith("[[")


def _technique(where: str, table: Any) -> Technique:
    """The technique that a table of a recipe describes; `where` it stands begins each error."""
    if not isinstance(table, dict) or not isinstance(table.get("technique"), str):
        raise RecipeError(f'{where} does not say which technique = "..." it is.')
    settings = dict(table)
    name = settings.pop("technique")
    if name not in TECHNIQUES:
        raise RecipeError(f"{where}: unknown technique {name!r}. {suggestion(name, TECHNIQUES)}")
    try:
        return TECHNIQUES[name].from_settings(settings, lambda inner: _technique(f"{where}, inside {name}", inner))
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{where} ({name}) has settings of a wrong kind: {error}.") from error
