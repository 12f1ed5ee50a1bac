"""`repair`: applies what a diagnosis recommends, keeps what helps on the user's metric, and shows before and after."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfcompress.card import Card
from tfcompress.child import job_folder
from tfcompress.conversion.converter import convert
from tfcompress.conversion.representative import Samples, collect
from tfcompress.conversion.signature import signature_of
from tfcompress.diagnosis.diagnosis import Diagnosis, Remedy, diagnose
from tfcompress.diagnosis.trials import Predict, Trial, Trials
from tfcompress.diagnosis.widening import widen
from tfcompress.errors import ConversionError, DataError, RecipeError
from tfcompress.files import check_output, replacing
from tfcompress.models.loading import load
from tfcompress.models.surgery import flatten
from tfcompress.models.watching import watched_outputs
from tfcompress.progress import task
from tfcompress.table import aligned
from tfcompress.techniques.bias_correction import BiasCorrection
from tfcompress.techniques.equalization import Equalization
from tfcompress.techniques.range_setting import RangeSetting
from tfcompress.techniques.technique import Technique
from tfcompress.tflite.inspection import Inspection, card_of, inspect
from tfcompress.transforms.fidelity import snr_db

Evaluate = Callable[[Predict], float]
"""The user's metric: it is given a function from inputs to outputs, as `keras.Model.predict`; larger is better."""

_FOR_RANGES = 64
_MOST_COMPARED = 200


@dataclass(frozen=True)
class Repair:
    """What became of a file; prints itself.

    Attributes:
        metric: What the scores are.
        model_score: The score of the Keras model; None where the metric compares with it.
        before: The diagnosis of the file as it was.
        after: That of the file that was written.
        trials: What was tried, the file as it was first.
        card: The card of the file that was written.
        obstacle: Why the layers that still cost much could not be kept in more bits, or "".
    """

    metric: str
    model_score: float | None
    before: Diagnosis
    after: Diagnosis
    trials: tuple[Trial, ...]
    card: Card
    obstacle: str = ""

    @property
    def best(self) -> Trial:
        """The file that was written."""
        return [trial for trial in self.trials if trial.kept][-1]

    def to_json(self) -> str:
        """The facts as JSON text."""
        facts = {
            "metric": self.metric,
            "model_score": self.model_score,
            "trials": [asdict(trial) for trial in self.trials],
            "before": json.loads(self.before.to_json()),
            "after": json.loads(self.after.to_json()),
            "obstacle": self.obstacle,
        }
        return json.dumps(facts, indent=2, allow_nan=False)

    def __str__(self) -> str:
        rows = [("file", self.metric, "bytes", "")]
        if self.model_score is not None:
            rows.append(("Keras model", f"{self.model_score:.4f}", "", ""))
        for trial in self.trials:
            name = " + ".join(trial.steps) or "as it was"
            rows.append((name, f"{trial.score:.4f}", f"{trial.bytes:,}", "written" if trial is self.best else ""))
        lines = [aligned(rows)]
        if self.after.guilty:
            lines += ["", f"still costing the outputs more than 3 %: {', '.join(self.after.guilty)}"]
            lines.append(
                self.obstacle
                or f"more bits for these gain no more {self.metric}; what is left is quantization-aware training"
            )
        return "\n".join(lines)


def repair(
    model: Any,
    path: str | Path,
    data: Any,
    output: str | Path,
    *,
    evaluate: Evaluate | None = None,
    force: bool = False,
    time_limit: float = 900.0,
) -> Repair:
    """Diagnoses a file and mends it: repairs are tried in turn, each on top of those that helped, and the best is kept.

    Tried are, where the diagnosis names them or a layer costs more than 3 %, `Equalization`, `RangeSetting` and
    `BiasCorrection`, and at last int16 or float for the layers that still cost so much (extra `quantizer`). None of
    them trains; the model's architecture stays. The new file has the batch and the types of inputs and outputs of the
    old one.

    Args:
        model: The Keras model that was converted, or whatever `tfcompress.load` takes. It is not changed.
        path: The file that was made from it, int8 or int16x8. It stays as it is.
        data: Representative samples, in the forms that `convert` takes.
        output: The file to write, with its card.
        evaluate: The user's metric: it is given `predict`, a function from inputs to outputs, and returns a number, the
            larger the better. Without it the outputs are compared with the model's on `data`.
        force: Whether an existing file may be replaced.
        time_limit: Seconds for each conversion.

    Returns:
        What was tried, with the metric before and after.

    Raises:
        ConversionError: The file has no integer arithmetic that could be repaired.
        ModelError: The model cannot be read, or its graph is hidden.
        DataError: The samples do not fit, or the metric is no finite number.
        OutputError: The output exists and `force` is false, or it cannot be written.

    Example:
        >>> tfc.repair(model, "m.tflite", samples, "mended.tflite", evaluate=accuracy).best.steps  # doctest: +SKIP
        ('Equalization', 'BiasCorrection', 'int16 for head')
    """
    path, output = Path(path), Path(output)
    check_output(output, force=force)
    settings = _settings(inspect(path)) | {"time_limit": time_limit}
    model = load(model)
    signature = signature_of(model, settings["batch"])
    samples = collect(data, signature.inputs)
    before = diagnose(model, path, samples)
    metric = "output SNR, dB" if evaluate is None else getattr(evaluate, "__name__", "metric")
    score = _scorer(model, samples, evaluate)
    with task(f"repairing {path.name}") as progress, job_folder() as folder:
        trials, best, exact = Trials(score, path), model, model
        exact_steps: tuple[str, ...] = ()
        for number, technique in enumerate(_repairs(before, samples)):
            steps = (*trials.best.steps, type(technique).__name__)
            progress.say(" + ".join(steps))
            try:
                changed = technique.wrap(best)
            except RecipeError:  # the model has nothing that this repair could change
                continue
            file = folder / f"{number}.tflite"
            convert(changed, file, representative=samples, against=model, **settings)
            if trials.attempt(steps, file):
                best = changed
                if isinstance(technique, Equalization):
                    exact, exact_steps = changed, steps
        progress.say("layers in more bits")
        after, obstacle = widen(exact, exact_steps, trials, samples, settings, folder)
        card = _written(trials.file, output, force)
    model_score = None if evaluate is None else score(lambda inputs: _keras_predict(model, inputs))
    return Repair(metric, model_score, before, after, tuple(trials.done), card, obstacle)


def _repairs(diagnosis: Diagnosis, samples: Samples) -> list[Technique]:
    """What to try, in the order in which repairs build on each other."""
    some = {name: array[:_FOR_RANGES] for name, array in samples.items()}
    arrays = list(some.values())
    if not diagnosis.remedies:
        return [BiasCorrection(samples=arrays)]
    repairs: list[Technique] = []
    if {Remedy.EQUALIZATION, Remedy.INT16, Remedy.FLOAT} & set(diagnosis.remedies):
        repairs.append(Equalization())
    return [*repairs, RangeSetting(samples=arrays), BiasCorrection(samples=arrays)]


def _settings(facts: Inspection) -> dict[str, Any]:
    """Mode, batch and types of a file, as `convert` takes them.

    Raises:
        ConversionError: It does not compute on integers.
    """
    modes = {"int8": "int8", "uint8": "int8", "int16": "int16x8"}
    kinds = [modes[item.arithmetic] for item in facts.operators if item.arithmetic in modes]
    if not kinds:
        raise ConversionError(
            f"{facts.name} computes in {facts.arithmetic}; the repairs are for int8 and int16x8 files. Convert with "
            "mode='int8' first."
        )
    shape = facts.inputs[0]["shape"]
    return {"mode": kinds[0], "io": facts.inputs[0]["type"], "batch": max(1, shape[0]) if shape else 1}


def _scorer(model: keras.Model, samples: Samples, evaluate: Evaluate | None) -> Callable[[Predict], float]:
    """Gives the score of whatever predicts."""
    if evaluate is None:
        arrays = [array[:_MOST_COMPARED] for array in samples.values()]
        exact = watched_outputs(flatten(model), arrays, lambda operation, number, output: output)

        def against_the_model(predicts: Predict) -> float:
            given = predicts(arrays)
            outputs = given if isinstance(given, list) else [given]
            return min(snr_db(one, other) for one, other in zip(exact, outputs, strict=True))

        return against_the_model

    def on_the_metric(predicts: Predict) -> float:
        value = float(evaluate(predicts))
        if not np.isfinite(value):
            raise DataError(f"The metric gave {value}. It must give a finite number, the larger the better.")
        return value

    return on_the_metric


def _keras_predict(model: keras.Model, inputs: Any) -> Any:
    """The model's outputs as `runtime.predict` gives a file's."""
    arrays: Sequence[Any] = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    outputs = watched_outputs(
        flatten(model), [np.asarray(array) for array in arrays], lambda operation, number, output: output
    )
    return outputs[0] if len(outputs) == 1 else outputs


def _written(file: Path, output: Path, force: bool) -> Card:
    """The chosen file under its name, with its card."""
    card = card_of(file)
    card = replace(card, model=card.model | {"name": output.name})
    with replacing(output, force=force) as temporary:
        temporary.write_bytes(file.read_bytes())
        card.save_beside(output)
    return card
