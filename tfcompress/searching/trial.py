"""One trial: a recipe trained, converted, packed and measured in a folder of its own, and what became of it."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras

from tfcompress.benchmark.measurement import measure
from tfcompress.card import Card
from tfcompress.compression import Evaluate, Fit, compress
from tfcompress.conversion.converter import convert
from tfcompress.conversion.modes import mode_for
from tfcompress.conversion.representative import collect
from tfcompress.conversion.signature import signature_of
from tfcompress.errors import DataError, first_line
from tfcompress.files import write_text
from tfcompress.models.loading import load
from tfcompress.packing.packing import pack
from tfcompress.recipe import Recipe
from tfcompress.searching.budget import Budget
from tfcompress.searching.jobs import OUTCOME, Job, Outcome

FILE = "model.tflite"


@dataclass(frozen=True)
class Work:
    """What all trials of a search share, and processes hand to each other.

    Attributes:
        fit: The user's training.
        evaluate: Gives the accuracy of a plain model.
        evaluate_file: Gives the accuracy of a written file; None where the model's counts.
        representative: Samples for conversion.
    """

    fit: Fit
    evaluate: Evaluate
    evaluate_file: Callable[[Path], float] | None
    representative: Any


def samples_for(model: keras.Model, source: Any, mode: str) -> Any:
    """The samples for conversion, read once: trials elsewhere need not have the file or function they come from.

    Args:
        model: Whose inputs they are for.
        source: Samples as `tfc.convert` takes them, or None.
        mode: Of the conversion.

    Raises:
        DataError: There are none and the mode needs them, or they do not fit the model.
    """
    if source is not None:
        found = list(collect(source, signature_of(model, 1).inputs).values())
        return found[0] if len(found) == 1 else [found]  # as one batch of all inputs in order
    if mode_for(mode, "float32").calibrated:
        raise DataError(
            f"Mode {mode} takes the ranges of activations from representative data, and none was given. Give 100 to "
            "500 samples like those of training (representative=, --representative)."
        )
    return None


def run_trial(job: Job, work: Work, folder: Path) -> Outcome:
    """Runs a trial in its folder, and keeps the outcome there for `jobs.kept_outcome`.

    Whatever goes wrong, in the user's own code too, is the outcome of this trial and not the end of the search.
    """
    started = time.monotonic()
    try:
        figures = _figures(job, work, folder)
        outcome = Outcome(job.number, figures, seconds=time.monotonic() - started)
        write_text(folder / OUTCOME, json.dumps({"key": job.key, "outcome": asdict(outcome)}, indent=2))
    except Exception as error:  # noqa: BLE001 - a fit of the user's may raise anything
        why = f"{type(error).__name__}: {first_line(error)}"
        outcome = Outcome(job.number, None, why, time.monotonic() - started)
    return outcome


def _figures(job: Job, work: Work, folder: Path) -> dict[str, float]:
    """Trains, converts, packs and measures; the card beside the file has it all."""
    original, path, budget = load(job.model), folder / FILE, Budget(job.budget)
    model, accuracy = original, None
    if job.recipe:
        recipe = Recipe.from_toml(job.recipe)
        result = compress(
            original, recipe, work.fit, folder, evaluate=work.evaluate, seed=job.seed, data=job.data, baseline=False
        )
        model, accuracy = result.model, result.steps[-1].card.accuracy
    else:
        keras.utils.set_random_seed(job.seed)
    convert(model, path, mode=job.mode, representative=work.representative, against=original, force=True)
    pack(path, path.with_suffix(".tfz"), force=True)
    if work.evaluate_file is not None:
        accuracy = work.evaluate_file(path)
    elif not job.recipe:
        accuracy = work.evaluate(model)
    card = replace(Card.load_beside(path), accuracy=accuracy)
    card.save_beside(path)
    for device in budget.devices:
        card = measure(path, device)  # adds to the card beside the file
    return budget.figures(card)
