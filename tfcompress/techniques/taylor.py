"""What the loss would lose with each channel, to first order: gradients of the loss on batches of samples."""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfcompress.errors import DataError, first_line
from tfcompress.models.channel_labels import Role
from tfcompress.models.channels import ChannelGroup, Slice
from tfcompress.progress import task

_READING = (Role.READS, Role.WITHIN)
_MAKING = (Role.MAKES, Role.SHIFTS)


def first_order(groups: Sequence[ChannelGroup], gradients: dict[int, np.ndarray]) -> list[np.ndarray]:
    """The change of the loss when all that reads a channel becomes zero, to first order, for each channel.

    Where nothing reads the channels with weights, as where an attention layer multiplies queries and keys, it is the
    change when all that makes a channel becomes zero.

    Args:
        groups: The groups.
        gradients: The gradient of the loss for the id of each weight of the groups.

    Returns:
        For each group the sums of gradient x weight, (channels,).
    """
    sums = []
    for group in groups:
        total = np.zeros(group.channels)
        for item in _counted(group):
            total += (item.of(gradients[id(item.variable)]) * item.rows()).sum(axis=1)
        sums.append(total)
    return sums


def _counted(group: ChannelGroup) -> list[Slice]:
    """What reads the channels; else what makes them, their biases among it."""
    reading = [item for item in group.slices if item.role in _READING]
    return reading or [item for item in group.slices if item.role in _MAKING and item.layer in group.layers]


def taylor_scores(
    model: keras.Model,
    groups: Sequence[ChannelGroup],
    samples: Any,
    loss: Callable[[Any, Any], Any],
    batch_size: int,
) -> list[np.ndarray]:
    """The squares of `first_order`, as a mean over batches.

    Args:
        model: The model that has the groups. It runs in inference mode and is not changed.
        groups: The groups.
        samples: `(inputs, targets)` in the structure of the model's, or an `.npz` with the arrays `x` and `y`.
        loss: Takes targets and outputs.
        batch_size: The samples in a batch, from 1.

    Raises:
        DataError: The samples do not fit the model or its loss, or the file cannot be read.
    """
    inputs, targets = _read(samples) if isinstance(samples, Path) else _pair(samples)
    variables = list({id(item.variable): item.variable for group in groups for item in group.slices}.values())
    totals = [np.zeros(group.channels) for group in groups]
    batches = list(_batches(inputs, targets, batch_size))
    with task(f"Taylor importance of {model.name}", total=len(batches)) as progress:
        for x, y in batches:
            gradients = _gradients(model, variables, x, y, loss)
            for total, change in zip(totals, first_order(groups, gradients), strict=True):
                total += np.square(change) / len(batches)
            progress.advance()
    if not all(np.isfinite(total).all() for total in totals):
        raise DataError(
            "Taylor: the loss has gradients that are NaN or infinite on these samples. Check the samples, and that the "
            "loss is the one the model was trained with."
        )
    return totals


def _gradients(
    model: keras.Model, variables: Sequence[keras.Variable], inputs: Any, targets: Any, loss: Callable[[Any, Any], Any]
) -> dict[int, np.ndarray]:
    """The gradient of the loss for each weight, also where it is not trainable."""
    import tensorflow as tf  # Keras itself has no gradients

    values = [variable.value for variable in variables]
    try:
        with tf.GradientTape() as tape:
            tape.watch(values)
            outputs = keras.tree.flatten(model(inputs, training=False))
            parts = [loss(own, output) for own, output in zip(keras.tree.flatten(targets), outputs, strict=True)]
            total = keras.ops.sum([keras.ops.mean(part) for part in parts])
        found = tape.gradient(total, values, unconnected_gradients="zero")
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        raise DataError(
            f"Taylor: the samples do not fit model '{model.name}' or its loss: {first_line(error)}. Give (inputs, "
            "targets) as in training."
        ) from error
    # The gradient of an embedding is kept by rows.
    dense = [tf.convert_to_tensor(gradient).numpy() for gradient in found]
    return {id(variable): gradient for variable, gradient in zip(variables, dense, strict=True)}


def _batches(inputs: Any, targets: Any, size: int) -> Iterator[tuple[Any, Any]]:
    counts = {len(array) for array in keras.tree.flatten((inputs, targets))}
    if len(counts) != 1 or 0 in counts:
        raise DataError(
            f"Taylor: inputs and targets have {' and '.join(map(str, sorted(counts)))} samples. Give as many of each."
        )
    for start in range(0, counts.pop(), size):
        yield keras.tree.map_structure(lambda array: array[start : start + size], (inputs, targets))  # noqa: B023


def _pair(samples: Any) -> tuple[Any, Any]:
    if not isinstance(samples, (tuple, list)) or len(samples) != 2:
        raise DataError(f"Taylor: samples must be (inputs, targets), not {type(samples).__name__}.")
    inputs, targets = keras.tree.map_structure(np.asarray, tuple(samples))
    return inputs, targets


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return archive["x"], archive["y"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise DataError(
            f"Taylor: {path} cannot be read ({first_line(error)}). Give an .npz with the arrays x and y."
        ) from error
