"""Checks that outputs hold what they are taken for: by their values on a few inputs, and by what a loss expects."""

import inspect
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcompress.errors import ModelError
from tfcompress.teaching.output_kinds import OutputKind
from tfcompress.teaching.plan import Plan
from tfcompress.teaching.teacher import EXAMPLES, Teacher
from tfcompress.teaching.terms import OutputTerm

_TOLERANCE = 5e-3
"""How far from 1 a softmax in half precision adds up."""

_UNBOUNDED = (OutputKind.LOGITS, OutputKind.SIGMOID_LOGITS)


def check_values(student: keras.Model, teacher: Teacher, plan: Plan) -> None:
    """Looks at what both give for a few random inputs, where an activation may have been missed or misnamed.

    A softmax inside a function or a layer of the user's own cannot be seen in the graph; softened a second time, it
    would teach next to nothing. Inputs of unknown size, and texts, are not made up: then nothing is looked at.

    Raises:
        ModelError: Values that count as logits are distributions, or the other way round.
    """
    terms = [term for term in plan.terms if isinstance(term, OutputTerm)]
    if all(term.kind not in _UNBOUNDED and not term.said for term in terms) and teacher.shapes:
        return  # layers have said it
    inputs = _random_inputs(student)
    if inputs is None:
        return
    try:
        with keras.StatelessScope():
            own = [np.asarray(output) for output in keras.tree.flatten(student(inputs, training=False))]
        examples = teacher.examples(inputs)
    except Exception:  # noqa: BLE001 - a user's layer may raise anything on made-up values, as one that looks words up
        return
    for who, outputs in ((f"student '{student.name}'", own), *((f"teacher {name}", its) for name, its in examples)):
        for term in terms:
            if term.index < len(outputs) and (reason := _contradiction(term, outputs[term.index].astype("float32"))):
                raise ModelError(f"Output {term.name!r} of the {who} {reason}")


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
    positive = bool((values >= 0).all())
    distributions = positive and values.shape[-1] > 1 and bool((np.abs(values.sum(axis=-1) - 1) < _TOLERANCE).all())
    if term.kind in _UNBOUNDED and distributions and not (term.said and term.objective.of_values):
        return (
            f"counts as {term.kind.value}, and its values are from 0 and add up to 1: a softmax that was not "
            'recognised. Say outputs="softmax".'
        )
    if term.kind is OutputKind.SOFTMAX and not distributions:
        return 'counts as softmax, and its values do not add up to 1. Say what it gives: outputs="logits" or "sigmoid".'
    if term.kind is OutputKind.SIGMOID and not (positive and bool((values <= 1).all())):
        return 'counts as sigmoid, and its values are outside [0, 1]. Say outputs="sigmoid_logits".'
    return None


def _random_inputs(model: keras.Model) -> Any:
    """A few samples in the structure of a model's inputs; None where a size is not known or an input is a text."""
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    if any(None in shape[1:] for shape in shapes) or any(tensor.dtype == "string" for tensor in model.inputs):
        return None
    generator = np.random.default_rng(0)

    def made(tensor: keras.KerasTensor) -> Any:
        shape = (tensor.shape[0] or EXAMPLES, *tensor.shape[1:])
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


def _from_logits(loss: Any) -> bool | None:
    """Whether a loss takes logits; None where it does not say."""
    said = getattr(loss, "from_logits", None)
    if said is None and callable(loss) and not isinstance(loss, keras.losses.Loss):
        parameter = inspect.signature(loss).parameters.get("from_logits")
        said = parameter.default if parameter is not None else None
    return said if isinstance(said, bool) else None
