"""How a teacher's outputs are written down, so that it runs once over the data and no more."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcompress.errors import DataError, OutputError, first_line
from tfcompress.files import check_output
from tfcompress.progress import Task, task
from tfcompress.teaching.logits_cache import SUFFIX, LogitsCache, Origin, write_logits
from tfcompress.teaching.output_kinds import OutputKind
from tfcompress.teaching.teacher import Teacher
from tfcompress.teaching.teachers import Source, canonical, in_order, make_teacher

Answered = tuple[list[np.ndarray], list[np.ndarray]]


def cache_logits(
    teacher: Source | Sequence[Source],
    data: Any,
    path: str | Path,
    *,
    batch_size: int = 256,
    force: bool = False,
) -> LogitsCache:
    """Runs a teacher once over all samples and writes its outputs to a file that a student then learns from.

    `tfc.Distillation("teacher.logits")` finds each sample's outputs by the content of the sample, so the student may
    see the data shuffled and in other batches, and on another day; it may not see samples that the teacher did not.

    Args:
        teacher: A model, the file of one, or several as an ensemble.
        data: The inputs as arrays in the structure of the teacher's inputs, or batches, such as a `tf.data.Dataset`, of
            inputs or of (inputs, targets, ...); all that `fit` will see, before augmentation.
        path: The file to write; it ends in `.logits`.
        batch_size: How many samples of an array the teacher sees at once.
        force: Whether an existing file may be replaced.

    Returns:
        The opened file; it prints what it holds.

    Raises:
        DataError: There are no samples, or they do not fit the teacher.
        ModelError: A model cannot be read.
        OutputError: The file exists, or cannot be written.

    Example:
        >>> import tempfile
        >>> teacher = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
        >>> samples = np.eye(4, dtype="float32")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     cache = cache_logits(teacher, samples, Path(folder) / "teacher.logits")
        ...     print(cache.kinds, cache.samples, bool(np.allclose(cache.look_up([samples])[0], teacher(samples))))
        ('softmax',) 4 True
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise OutputError(f"{path} must end in {SUFFIX}, by which a recipe tells cached logits from a model.")
    check_output(path, force=force)
    sources = [teacher] if isinstance(teacher, (keras.Model, LogitsCache, str, Path)) else list(teacher)
    live = make_teacher(sources)
    with task(f"caching the outputs of {live.name}") as progress:
        batches = _batches(data, batch_size)
        begun = next(batches, None)
        if begun is None:
            raise DataError("There are no samples to cache the teacher's outputs for.")
        inputs = live.input_names or (tuple(sorted(begun)) if isinstance(begun, dict) else ())
        answered = _answered(live, chain([begun], batches), inputs, progress)
        first = next(answered)
        kinds = live.kinds or [OutputKind.LOGITS] * len(first[1])
        origin = Origin(live.name, live.weights_hash, live.names, inputs)
        write_logits(path, chain([first], answered), [kind.value for kind in kinds], origin, force)
    return LogitsCache.load(path)


def _batches(data: Any, batch_size: int) -> Iterator[Any]:
    """Batches of inputs, of arrays or of what is batched already; targets beside them are left out."""
    arrays = keras.tree.flatten(data) if isinstance(data, (dict, list, tuple, np.ndarray, tf.Tensor)) else []
    if not arrays:
        for batch in data:
            yield batch[0] if isinstance(batch, tuple) else batch
        return
    counts = {len(array) for array in arrays}
    if len(counts) > 1:
        raise DataError(f"The inputs have different numbers of samples: {', '.join(map(str, sorted(counts)))}.")
    for start in range(0, counts.pop(), batch_size):
        yield keras.tree.map_structure(lambda array: array[start : start + batch_size], data)  # noqa: B023  used at once


def _answered(live: Teacher, batches: Iterator[Any], names: Sequence[str], progress: Task) -> Iterator[Answered]:
    """Each batch, flat and in the order of its inputs' names, with the teacher's outputs for it."""
    answer = tf.function(lambda inputs: live(inputs).outputs, autograph=False)
    for batch in batches:
        inputs = keras.tree.map_structure(canonical, batch)
        try:
            outputs = answer(inputs)
        except (ValueError, tf.errors.OpError) as error:
            unfit = DataError(f"The teacher {live.name} does not take these samples: {first_line(error)}.")
            raise live.refusal or unfit from error
        progress.advance(len(outputs[0]))
        yield [tensor.numpy() for tensor in in_order(inputs, names)], [output.numpy() for output in outputs]
