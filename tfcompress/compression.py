"""A recipe applied to a model: wrap, the user's own fit, strip, measure; finished steps are never repeated."""

import hashlib
import json
import re
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfcompress.card import Card
from tfcompress.errors import FormatError, RecipeError, TfCompressWarning
from tfcompress.files import replacing, sha256, zlib_bytes
from tfcompress.models.loading import check_finite, load
from tfcompress.models.profile import profile
from tfcompress.models.surgery import copy
from tfcompress.notes import collecting
from tfcompress.progress import Task, task
from tfcompress.recipe import Recipe
from tfcompress.table import aligned, cell
from tfcompress.techniques.kernels import kernels_of
from tfcompress.techniques.technique import Technique
from tfcompress.version import __version__

Fit = Callable[[keras.Model, list[keras.callbacks.Callback]], Any]
"""The user's own training: compiles the model it is given and fits it, with these callbacks added to its own."""

Evaluate = Callable[[keras.Model], float | None]
"""Gives a plain model's accuracy, a share in [0, 1], on data that training never saw; None where it has none."""

_MODEL, _STATE, _ORIGINAL = "model.keras", "step.json", "original"


@dataclass(frozen=True)
class StepResult:
    """One finished step: what it was, where its model and card lie, and what it said."""

    name: str
    directory: Path
    card: Card
    seconds: float
    resumed: bool


@dataclass(frozen=True)
class Result:
    """What `compress` gives: the final model, and each step in order; it prints itself as a table."""

    model: keras.Model
    directory: Path
    steps: tuple[StepResult, ...]

    def __str__(self) -> str:
        rows = [("step", "parameters", "MACs", "zeros", "zlib bytes", "accuracy", "seconds")]
        for step in self.steps:
            card, seconds = step.card, "kept" if step.resumed else f"{step.seconds:.1f}"
            numbers = cell(card.parameters), cell(card.macs), cell(card.sparsity, ".3f"), cell(card.zlib_bytes)
            rows.append((step.name, *numbers, cell(card.accuracy, ".4f"), seconds))
        notes = [f"{step.name}: {note}" for step in self.steps for note in step.card.notes]
        return "\n".join([aligned(rows), *notes])


def compress(
    model: keras.Model | str | Path,
    recipe: Recipe,
    fit: Fit | None = None,
    directory: str | Path = "runs/compressed",
    *,
    evaluate: Evaluate | None = None,
    seed: int = 0,
    data: str = "",
    baseline: bool = True,
) -> Result:
    """Applies each technique of a recipe in turn: wrap, fit, strip, measure.

    Every finished step is kept in `directory` with its model and card. Called again with the same model, recipe, seed
    and data, finished steps are loaded instead of repeated: a run that was killed goes on after its last finished step
    and ends in the same weights as one that was not. Random seeds are set anew for each step; bit by bit equality also
    needs `tf.config.experimental.enable_op_determinism()`, which is the caller's to decide.

    Args:
        model: A trained Keras model, or a file of one; see `tfc.load`. It is not changed.
        recipe: The techniques, in order.
        fit: The user's own training, `fit(model, callbacks)`. It may be left out where no step of the recipe trains.
        directory: The folder of this run; it is made where it does not exist.
        evaluate: Gives the accuracy of a plain model; it is called after each step, and once before.
        seed: For Python, NumPy and Keras; step n uses `seed + n`.
        data: A text that names the training data and settings; when it changes, all steps are made again.
        baseline: Whether the model as it came is kept and evaluated too, in the folder `original`, so that a report
            can hold the steps against it.

    Returns:
        The final model, and each step's card.

    Raises:
        RecipeError: A step trains and there is no `fit`, or a setting does not fit the model.
        ModelError: The model cannot be read or rewritten, or a weight is NaN or infinite before or after a step.
        OutputError: A file cannot be written.

    Example:
        >>> import tempfile
        >>> import tfcompress as tfc
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
        >>> def fit(model, callbacks):
        ...     model.compile("sgd", "mse")
        ...     model.fit(np.ones((4, 8)), np.ones((4, 2)), callbacks=callbacks, verbose=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = tfc.compress(model, tfc.Recipe([tfc.MagnitudePruning(sparsity=0.75)]), fit, folder)
        >>> result.steps[-1].card.sparsity
        0.75
    """
    model = load(model)
    check_finite(model)
    directory = Path(directory)
    if fit is None and (trains := [type(step).__name__ for step in recipe if step.trains]):
        raise RecipeError(f"{trains[0]} needs training. Give compress a function fit(model, callbacks), or --data.")
    if missing := [str(path) for step in recipe for path in step.reads if not path.is_file()]:
        here = Path.cwd()
        raise RecipeError(f"The recipe reads {missing[0]}, and there is no such file. Relative paths begin at {here}.")
    versions = {"tfcompress": __version__, "keras": keras.__version__}
    key = _digest({"model": fingerprint(model), "seed": seed, "data": data, "versions": versions})
    recipe.save(directory / "recipe.toml")
    if baseline and _kept(directory / _ORIGINAL, key) is None:
        original = copy(model)  # `evaluate` may compile it, and what was compiled would be saved too
        accuracy = evaluate(original) if evaluate else None
        _keep(directory / _ORIGINAL, original, accuracy, [], {"key": key})
    steps = []
    for number, technique in enumerate(recipe, 1):
        key = _digest({"before": key, "technique": type(technique).__name__, "settings": technique.to_settings()})
        if technique.reads:
            key = _digest({"step": key, "files": [sha256(path) for path in technique.reads]})
        step = _Step(number, len(recipe), technique, directory, key, seed + number)
        finished = step.finished()
        if finished is None:
            finished = step.run(model, fit, evaluate)
        steps.append(finished)
        # The file is read back even when it was just written, so that a resumed run sees the very same model.
        model = load(step.folder / _MODEL)
    for stale in set(directory.glob("step-*")) - {step.directory for step in steps}:
        shutil.rmtree(stale)
    return Result(model, directory, tuple(steps))


@dataclass(frozen=True)
class _Step:
    """One step of a run: its place in the recipe, its folder, and the key that says from what it was made."""

    number: int
    total: int
    technique: Technique
    directory: Path
    key: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.number}-{type(self.technique).__name__}"

    @property
    def folder(self) -> Path:
        return self.directory / f"step-{self.name}"

    def finished(self) -> StepResult | None:
        """The step as it was finished before from the same model, settings and data; None where it was not."""
        kept = _kept(self.folder, self.key)
        return kept and StepResult(self.name, self.folder, kept[0], kept[1]["seconds"], resumed=True)

    def run(self, model: keras.Model, fit: Fit | None, evaluate: Evaluate | None) -> StepResult:
        """Makes the step and keeps it, whole or not at all."""
        started = time.monotonic()
        keras.utils.set_random_seed(self.seed)
        with task(f"step {self.number} of {self.total}, {type(self.technique).__name__}") as progress:
            progress.say("wrapping")
            notes: list[str] = []
            with _collected(notes):
                wrapped = self.technique.wrap(model)
            if self.technique.trains and fit is not None:
                fit(wrapped, [_EpochProgress(progress)])
            progress.say("stripping")
            with _collected(notes):
                plain = self.technique.strip(wrapped)
            check_finite(plain)
            progress.say("measuring")
            accuracy = evaluate(plain) if evaluate else None
            seconds = time.monotonic() - started
            state = {"key": self.key, "seconds": seconds, "seed": self.seed}
            settings = {"technique": type(self.technique).__name__, "settings": self.technique.to_settings()}
            card = _keep(self.folder, plain, accuracy, notes, state | settings)
        return StepResult(self.name, self.folder, card, seconds, resumed=False)


def _kept(folder: Path, key: str) -> tuple[Card, dict[str, Any]] | None:
    """The card and state of a model that was finished before from what `key` stands for; None where it was not."""
    try:
        state: dict[str, Any] = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        card = Card.load_beside(folder / _MODEL)
        if state.get("key") != key or sha256(folder / _MODEL) != card.model["sha256"]:
            return None
    except (OSError, ValueError, FormatError):
        return None
    return card, state


def _keep(folder: Path, model: keras.Model, accuracy: float | None, notes: list[str], state: Mapping[str, Any]) -> Card:
    """Writes a model with its card and what it was made from, whole or not at all."""
    with replacing(folder) as temporary:
        temporary.mkdir()
        model.save(temporary / _MODEL)
        card = _card(temporary / _MODEL, model, accuracy, notes)
        card.save_beside(temporary / _MODEL)
        (temporary / _STATE).write_text(json.dumps(dict(state), indent=2))
    return card


class _EpochProgress(keras.callbacks.Callback):
    """Tells the progress line where the user's training stands; what is computed does not depend on it."""

    def __init__(self, progress: Task) -> None:
        super().__init__()
        self._progress = progress

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Names the epoch."""
        self._progress.say(f"epoch {epoch + 1} of {self.params.get('epochs', '?')}")


@contextmanager
def _collected(notes: list[str]) -> Iterator[None]:
    """Puts what tfcompress notes and warns about inside the block into `notes`; other warnings go on as they would."""
    with warnings.catch_warnings(record=True) as caught, collecting(notes):
        warnings.simplefilter("always", TfCompressWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, TfCompressWarning):
            notes.append(str(warning.message))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def _card(path: Path, model: keras.Model, accuracy: float | None, notes: list[str]) -> Card:
    """The facts of a step's model, read from its weights."""
    facts = profile(model)
    kernels = {kernel.name: kernel.variable.numpy() for kernel in kernels_of(model)}
    entries = sum(kernel.size for kernel in kernels.values())
    zeros = sum(int((kernel == 0).sum()) for kernel in kernels.values())
    return Card(
        model={"name": path.name, "sha256": sha256(path)},
        size_bytes=path.stat().st_size,
        zlib_bytes=zlib_bytes(path),
        parameters=facts.parameters,
        macs=facts.macs,
        sparsity=zeros / entries if entries else None,
        distinct_values=max((len(np.unique(kernel)) for kernel in kernels.values()), default=None),
        accuracy=accuracy,
        layers=[
            {"name": name, "sparsity": float((kernel == 0).mean()), "distinct_values": len(np.unique(kernel))}
            for name, kernel in kernels.items()
        ],
        notes=notes,
        versions={"tfcompress": __version__, "keras": keras.__version__},
    )


def fingerprint(model: keras.Model) -> str:
    """Names a model by its structure and the bits of its weights.

    Numbers that Keras puts behind names are left out: the second model that a notebook makes has `dense_1` for `dense`.
    """
    config = json.dumps(keras.saving.serialize_keras_object(model), sort_keys=True)
    digest = hashlib.sha256(re.sub(r'_\d+(?=["/])', "", config).encode())
    for weight in model.weights:
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.hexdigest()


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
