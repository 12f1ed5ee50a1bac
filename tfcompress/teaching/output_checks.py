"""Checks that outputs hold what they are taken for: by their values on a few inputs, and by what a loss expects."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcompress.errors import ModelError, TfCompressError
from tfcompress.teaching.output_kinds import OutputKind, are_distributions
from tfcompress.teaching.plan import Plan
from tfcompress.teaching.teacher import EXAMPLES, Teacher
from tfcompress.teaching.terms import OutputTerm

_OPEN_SIZE = 32
_OF_VALUES = tuple(
    getattr(keras.losses, name)
    for name in (
        *("MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredLogarithmicError"),
        *("Huber", "LogCosh", "mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error"),
        *("mean_squared_logarithmic_error", "huber", "log_cosh"),
    )
)
"""Keras' losses for regression, as classes and as functions."""
_UNBOUNDED = (OutputKind.LOGITS, OutputKind.SIGMOID_LOGITS)


def check_values(student: keras.Model, teacher: Teacher, plan: Plan) -> None:
    """Looks at what both give for a few random inputs, where an activation may have been missed or misnamed.

    A softmax inside a function or a layer of the user's own cannot be seen in the graph; softened a second time, it
    would teach next to nothing; one along another axis than the last is none either. Texts are not made up: of a model
    that reads them nothing is looked at.

    Raises:
        ModelError: Values that count as logits are distributions, or the other way round.
    """
    terms = [term for term in plan.terms if isinstance(term, OutputTerm)]
    if not terms:
        return
    inputs = _random_inputs(student)

    def own() -> list[tuple[str, list[np.ndarray]]]:
        with keras.StatelessScope():
            outputs = keras.tree.flatten(student(inputs, training=False))
        return [(f"student '{student.name}'", [np.asarray(output) for output in outputs])]

    def others() -> list[tuple[str, list[np.ndarray]]]:
        return [(f"teacher {name}", outputs) for name, outputs in teacher.examples(inputs)]

    for who, outputs in (*_attempted(own), *_attempted(others)):
        for term in terms:
            if term.index < len(outputs) and (reason := _contradiction(term, outputs[term.index].astype("float32"))):
                raise ModelError(f"Output {term.name!r} of the {who} {reason}")


def _attempted(look: Callable[[], list[tuple[str, list[np.ndarray]]]]) -> list[tuple[str, list[np.ndarray]]]:
    """What a look finds; nothing where a layer refuses values that were made up, as one may that looks words up."""
    try:
        return look()
    except TfCompressError:
        raise
    except Exception:  # noqa: BLE001 - a user's layer may raise anything
        return []


def check_loss(plan: Plan, loss: Any) -> None:
    """Compares what outputs are taken for with what the losses of `compile` expect, where these have a `from_logits`.

    Args:
        plan: The plan.
        loss: What `compile` was given: a loss, its name, a function, or several by output.

    Raises:
        ModelError: One takes logits and the other probabilities.
    """
    for term in plan.terms:
        if not isinstance(term, OutputTerm) or (term.said and term.objective.of_values):
            continue
        one = _loss_of(loss, term, plan.names)
        if term.kind is OutputKind.LOGITS and not (term.said or term.objective.of_values) and _is_of_values(one):
            title = type(term.objective).__name__
            raise ModelError(
                f"Output {term.name!r} is compiled with a loss for regression, and {title} takes it for logits of "
                f"classes. Give LogitRegression(output={term.name!r}), and {title}(output=...) for outputs that are "
                'such logits; where this one is, say outputs="logits".'
            )
        from_logits = _from_logits(one)
        if from_logits is None:
            continue
        title = getattr(one, "name", getattr(one, "__name__", ""))
        start = f"Output {term.name!r} counts as {term.kind.value}, and the loss {title} takes"
        if from_logits and term.kind not in _UNBOUNDED:
            raise ModelError(f"{start} logits. Give the loss from_logits=False.")
        if not from_logits and term.kind in _UNBOUNDED:
            raise ModelError(
                f'{start} probabilities. Where an activation was not recognised, say what it is, outputs="softmax" or '
                '"sigmoid"; else give the loss from_logits=True.'
            )
        independent = term.kind is OutputKind.LOGITS and title.startswith("binary")
        if independent and not (term.said or term.objective.of_values):
            raise ModelError(
                f'{start} the logits of independent labels. Say outputs="sigmoid_logits"; or outputs="logits", where '
                "the classes exclude each other all the same."
            )


def _contradiction(term: OutputTerm, values: np.ndarray) -> str | None:
    """Why values are not what a term takes them for; None where they may be."""
    if not np.isfinite(values).all():
        return None
    distributions = are_distributions(values)
    if term.kind in _UNBOUNDED and distributions and not (term.said and term.objective.of_values):
        return (
            f"counts as {term.kind.value}, and its values are from 0 and add up to 1: a softmax that was not "
            'recognised. Say outputs="softmax".'
        )
    if term.kind is OutputKind.SOFTMAX and not distributions:
        return 'counts as softmax, and its values do not add up to 1. Say what it gives: outputs="logits" or "sigmoid".'
    if term.kind is OutputKind.SIGMOID and not bool(((values >= 0) & (values <= 1)).all()):
        return 'counts as sigmoid, and its values are outside [0, 1]. Say outputs="sigmoid_logits".'
    return None


def _random_inputs(model: keras.Model) -> Any:
    """A few samples in the structure of a model's inputs, 32 where a size is open; None where an input is a text."""
    if any(tensor.dtype == "string" for tensor in model.inputs):
        return None
    generator = np.random.default_rng(0)

    def made(tensor: keras.KerasTensor) -> Any:
        shape = (tensor.shape[0] or EXAMPLES, *(size or _OPEN_SIZE for size in tensor.shape[1:]))
        floating = keras.backend.is_float_dtype(tensor.dtype)
        return tf.cast(generator.normal(size=shape) if floating else np.zeros(shape), tensor.dtype)

    return keras.tree.map_structure(made, model.input)


def _loss_of(loss: Any, term: OutputTerm, names: Sequence[str]) -> Any:
    """The loss of one output; None where there is none, or it cannot be told."""
    if isinstance(loss, dict):
        loss = loss.get(term.name)
    elif isinstance(loss, (list, tuple)):
        loss = loss[term.index] if len(loss) == len(names) else None
    return keras.losses.get(loss) if isinstance(loss, str) else loss


def _is_of_values(loss: Any) -> bool:
    return any(loss is known or (isinstance(known, type) and isinstance(loss, known)) for known in _OF_VALUES)


def _from_logits(loss: Any) -> bool | None:
    """Whether a loss takes logits; None where it does not say."""
    said = getattr(loss, "from_logits", None)
    if said is None and callable(loss) and not isinstance(loss, keras.losses.Loss):
        parameter = inspect.signature(loss).parameters.get("from_logits")
        said = parameter.default if parameter is not None else None
    return said if isinstance(said, bool) else None
