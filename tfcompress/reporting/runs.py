"""Folders of cards become runs: which model or file came when, of which recipe, and what could not be read."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tfcompress.card import Card
from tfcompress.errors import FormatError
from tfcompress.files import sha256
from tfcompress.reporting.figures import Figure, figures_of

_SUFFIX = ".card.json"
_STEP = re.compile(r"step-(\d+)-(.+)")
_ORIGINAL = "original"


@dataclass(frozen=True)
class Stage:
    """One card: a Keras model that a step left, or a file that ships.

    Attributes:
        name: Unique in its run.
        folder: The folder of the `compress` run it belongs to, relative to the run's; empty for the run's own.
        ships: Whether it is a file for a device, not a Keras model in between.
        state: What `compress` wrote beside the model: `seconds`, `seed`, `technique`, `settings`.
    """

    name: str
    folder: str
    card: Card
    ships: bool
    state: dict[str, Any]

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """What is known of it, by the keys of `figures.columns`."""
        return figures_of(self.card)[0]


@dataclass(frozen=True)
class Curve:
    """How much the score falls with a growing share of zeros in one kernel alone."""

    name: str
    shares: tuple[float, ...]
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Run:
    """A folder with its cards, in order: the model as it came, each step, then the files that ship.

    Attributes:
        recipes: The TOML text of each recipe, by the folder it lies in, relative to the run's.
        curves: What `tfc.sensitivity` measured, where its table lies there as `sensitivity.json`.
        limits: What a search was to keep to: the most of each figure, by the keys of `figures.columns`, and the least
            `accuracy`; empty for other runs.
        problems: What could not be read or is not what it should be, as sentences.
    """

    name: str
    stages: tuple[Stage, ...]
    recipes: dict[str, str]
    curves: tuple[Curve, ...]
    limits: dict[str, float]
    problems: tuple[str, ...]

    @property
    def steps(self) -> tuple[Stage, ...]:
        """The Keras models."""
        return tuple(stage for stage in self.stages if not stage.ships)

    @property
    def files(self) -> tuple[Stage, ...]:
        """The files that ship."""
        return tuple(stage for stage in self.stages if stage.ships)


def read_runs(directories: Sequence[str | Path]) -> tuple[Run, ...]:
    """Reads the cards below each folder.

    Args:
        directories: Folders of `compress`, `convert` or `search`, or any folder with cards in it.

    Returns:
        A run for each, named so that no two are alike.

    Raises:
        FormatError: A folder is not there, or no card in it can be read.
    """
    paths = [Path(directory) for directory in directories]
    if not paths:
        raise FormatError("There is nothing to report on. Give one or more folders with cards.")
    return tuple(_run(path, name) for path, name in zip(paths, _names(paths), strict=True))


def _names(paths: list[Path]) -> list[str]:
    """The folders' own names; those that are not unique get the folder above, then a number."""
    names = [path.resolve().name or str(path) for path in paths]
    if len(set(names)) < len(names):
        names = ["/".join(path.resolve().parts[-2:]) for path in paths]
    return [f"{name} ({names[:i].count(name) + 1})" if name in names[:i] else name for i, name in enumerate(names)]


def _run(directory: Path, name: str) -> Run:
    if not directory.is_dir():
        raise FormatError(f"{directory} is no folder. Give the folder of a run, which holds cards (*{_SUFFIX}).")
    stages, problems = [], []
    for path in _below(directory, f"*{_SUFFIX}"):
        try:
            stage = _stage(directory, path)
        except FormatError as error:
            problems.append(f"{path.relative_to(directory)} was left out: {error}")
            continue
        stages.append(stage)
        problems += [f"{stage.name}: {problem}." for problem in (*figures_of(stage.card)[1], *_changed(path, stage))]
    if not stages:
        why = problems[0] if problems else "convert and compress write them."
        raise FormatError(f"{directory} holds no card (*{_SUFFIX}) that can be read: {why}")
    curves, lost = _curves(directory)
    recipes = {_relative(directory, path.parent): _text(path) for path in _below(directory, "recipe.toml")}
    return Run(name, tuple(sorted(stages, key=_order)), recipes, curves, _limits(directory), (*problems, *lost))


def _below(directory: Path, pattern: str) -> list[Path]:
    """The files of this form; those in hidden folders are being written just now."""
    found = (path for path in directory.rglob(pattern) if path.is_file())
    return sorted(path for path in found if not any(p.startswith(".") for p in path.relative_to(directory).parts))


def _relative(directory: Path, path: Path) -> str:
    text = path.relative_to(directory).as_posix()
    return "" if text == "." else text


def _stage(directory: Path, path: Path) -> Stage:
    try:
        card = Card.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"it cannot be read: {error}") from error
    file, parent = path.name.removesuffix(_SUFFIX), path.parent
    step = _STEP.fullmatch(parent.name)
    if file.endswith(".keras") and (step or parent.name == _ORIGINAL):
        folder = _relative(directory, parent.parent)
        short = f"{step[1]} {step[2]}" if step else _ORIGINAL
        return Stage(f"{folder}: {short}" if folder else short, folder, card, ships=False, state=_state(parent))
    folder = _relative(directory, parent)
    name = "/".join(filter(None, [folder, file.removesuffix(".tflite")]))
    return Stage(name, folder, card, ships=not file.endswith((".keras", ".h5")), state={})


def _state(folder: Path) -> dict[str, Any]:
    """What `compress` noted of a step; without it the card still stands."""
    try:
        content = json.loads((folder / "step.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _order(stage: Stage) -> tuple[Any, ...]:
    """Models before files; the model as it came first, then steps by their number."""
    number = re.search(r"(?:^|: )(\d+) ", stage.name)
    original = stage.name.endswith(_ORIGINAL)
    return (stage.ships, stage.folder, not original and not stage.ships, int(number[1]) if number else 0, stage.name)


def _changed(path: Path, stage: Stage) -> list[str]:
    """Whether the file beside a card is still the one that the card is of; a card alone is well."""
    file = path.with_name(path.name.removesuffix(_SUFFIX))
    if not file.is_file() or sha256(file) == stage.card.model.get("sha256"):
        return []
    return ["the file beside this card has other bytes than the card says; measure makes a new card"]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return f"# {path.name} cannot be read: {error}"


def _limits(directory: Path) -> dict[str, float]:
    """The budget of a search; what is no search, or damaged, has none."""
    try:
        budget = json.loads((directory / "search.json").read_text(encoding="utf-8"))["settings"]["budget"]
        limits = {str(key): float(value) for key, value in budget["costs"].items()}
        return limits | {"accuracy": float(budget["accuracy"])}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _curves(directory: Path) -> tuple[tuple[Curve, ...], list[str]]:
    """The sensitivities measured for a run, and what is wrong with them."""
    path = directory / "sensitivity.json"
    if not path.is_file():
        return (), []
    try:
        layers = json.loads(path.read_text(encoding="utf-8"))["layers"]
        curves = tuple(
            Curve(str(layer["name"]), tuple(map(float, layer["sparsity"])), tuple(map(float, layer["loss"])))
            for layer in layers
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        return (), [f"sensitivity.json was left out: it is no sensitivity table ({error!r})."]
    whole = [curve for curve in curves if all(map(math.isfinite, (*curve.shares, *curve.losses)))]
    lost = [f"sensitivity.json: {curve.name} has values that are no numbers." for curve in curves if curve not in whole]
    return tuple(curve for curve in whole if curve.shares and len(curve.shares) == len(curve.losses)), lost
