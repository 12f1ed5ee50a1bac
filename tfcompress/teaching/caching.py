"""How a teacher's outputs are written down, so that it runs once over the data and no more."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcompress.errors import DataError, ModelError, OutputError, RecipeError, first_line, suggestion
from tfcompress.files import check_output
from tfcompress.progress import Task, task
from tfcompress.teaching.logits_cache import SUFFIX, LogitsCache, Origin, write_logits
from tfcompress.teaching.matching import in_order
from tfcompress.teaching.output_kinds import OutputKind, Said, are_distributions, make_said, said_kinds
from tfcompress.teaching.teacher import Teacher
from tfcompress.teaching.teachers import Source, make_teacher

Answered = tuple[list[np.ndarray], list[np.ndarray]]


def cache_logits(
    teacher: Source | Sequence[Source],
    data: Any,
    path: str | Path,
    *,
    outputs: str | OutputKind | Mapping[str, str | OutputKind] | None = None,
    batch_size: int = 256,
    force: bool = False,
) -> LogitsCache:
    """Runs a teacher once over all samples and writes its outputs to a file that a student then learns from.

    `tfc.Distillation("teacher.logits")` finds each sample's outputs by the content of the sample, so the student may
    see the data shuffled and in other batches, and on another day; it may not see samples that the teacher did not.

    Args:
        teacher: A model, the file of one, or several as an ensemble.
        data: The inputs as arrays in the structure of the teacher's inputs, or batches, such as a `tf.data.Dataset`, of
            inputs or of (inputs, targets, ...); all that `fit` will see, once, before augmentation.
        path: The file to write; it ends in `.logits`.
        outputs: What the outputs hold: "logits", "softmax", "sigmoid" or "sigmoid_logits", for all or in a table by
            name. By default the last activation tells, and of a subclassed model, which shows none, the outputs are
            logits unless their values are those of a softmax.
        batch_size: How many samples of an array the teacher sees at once.
        force: Whether an existing file may be replaced.

    Returns:
        The opened file; it prints what it holds.

    Raises:
        DataError: There are no samples, or no end of them, or they do not fit the teacher.
        ModelError: A model cannot be read, or what its outputs hold must be said.
        RecipeError: There is no such output or kind.
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
    said = make_said("cache_logits: outputs", outputs)
    sources = [teacher] if isinstance(teacher, (keras.Model, LogitsCache, str, Path)) else list(teacher)
    live = make_teacher(sources)
    with task(f"caching the outputs of {live.name}") as progress:
        batches = _batches(live, data, batch_size)
        begun = next(batches, None)
        if begun is None:
            raise DataError("There are no samples to cache the teacher's outputs for.")
        live.kinds = _kinds(live, said, begun)
        inputs = live.input_names or (tuple(sorted(begun)) if isinstance(begun, dict) else ())
        answered = _answered(live, chain([begun], batches), inputs, progress)
        origin = Origin(live.name, live.weights_hash, live.names, inputs)
        write_logits(path, answered, [kind.value for kind in live.kinds], origin, force)
    return LogitsCache.load(path)


def _batches(live: Teacher, data: Any, batch_size: int) -> Iterator[Any]:
    """Batches of inputs, of arrays or of what is batched already; targets beside them are left out."""
    names = live.input_names
    arrays = keras.tree.flatten(data) if isinstance(data, (dict, list, tuple, np.ndarray, tf.Tensor)) else []
    if not arrays:
        if isinstance(data, tf.data.Dataset) and data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise DataError("The dataset has no end, and a cache has each sample once. Leave out `.repeat()`.")
        if isinstance(data, keras.utils.PyDataset) and data.num_batches is None:
            raise DataError("The PyDataset has no end, and a cache has each sample once. Give it a `__len__`.")
        for batch in data:
            # Keras takes the first of a list as the inputs too: a `PyDataset` may give [inputs, targets].
            inputs = batch[0] if isinstance(batch, (tuple, list)) else batch
            count = len(in_order(inputs, names))
            if names and count != len(names):
                raise DataError(
                    f"A batch has {count} inputs, and the teacher {live.name} takes {len(names)}: {', '.join(names)}. "
                    "A batch is its inputs or (inputs, targets, ...): put several inputs into a tuple or dict of their "
                    "own."
                )
            yield _tensors(inputs)
        return
    if names and len(arrays) != len(names) and not isinstance(data, dict):
        raise DataError(
            f"There are {len(arrays)} arrays, and the teacher {live.name} takes {len(names)}: {', '.join(names)}. Give "
            "its inputs alone, without targets."
        )
    counts = {len(array) for array in arrays}
    if len(counts) > 1:
        raise DataError(f"The inputs have different numbers of samples: {', '.join(map(str, sorted(counts)))}.")
    for start in range(0, counts.pop(), batch_size):
        yield _tensors(keras.tree.map_structure(lambda array: array[start : start + batch_size], data))  # noqa: B023  used at once


def _tensors(batch: Any) -> Any:
    return keras.tree.map_structure(tf.convert_to_tensor, batch)


def _kinds(live: Teacher, said: Said, batch: Any) -> list[OutputKind]:
    """What each output holds: as it is said, by the graph, or where that is hidden, by the answers to a batch."""
    for name in said if isinstance(said, Mapping) else ():
        if name not in live.names:
            known = suggestion(name, live.names) if live.names else 'Give one kind for all, such as "softmax".'
            raise RecipeError(f"cache_logits: outputs: the teacher {live.name} has no output named {name!r}. {known}")
    if live.kinds:
        return [one or other for one, other in zip(said_kinds(live.names, said), live.kinds, strict=True)]
    with _refusing(live, batch):
        examples = live.examples(batch)
    for name, outputs in examples:
        for output in outputs:
            distributions = are_distributions(output)
            if said is None and distributions:
                raise ModelError(
                    f"The graph of the teacher {name} is hidden, and its values are from 0 and add up to 1. Say what "
                    'they are: cache_logits(..., outputs="softmax"), or "logits" where they are to be taken as such.'
                )
            if said is OutputKind.SOFTMAX and not distributions:
                raise ModelError(
                    f"The teacher {name} is said to give softmax, and its values do not add up to 1. Say what they "
                    'are: outputs="logits" or "sigmoid".'
                )
    return [said if isinstance(said, OutputKind) else OutputKind.LOGITS] * len(examples[0][1])


@contextmanager
def _refusing(live: Teacher, batch: Any) -> Iterator[None]:
    """Makes an error of ours of what TensorFlow says when a teacher does not take a batch."""
    try:
        yield
    except (ValueError, tf.errors.OpError) as error:
        refusal = live.refusal or DataError(f"The teacher {live.name} does not take these samples: {_reason(error)}.")
        if _is_one_sample(live, batch):
            refusal = DataError(
                f"The teacher {live.name} does not take these samples, as the dataset is not batched: use .batch(256). "
                "An array of a single sample needs a first axis of 1: array[None]."
            )
        raise refusal from error


def _is_one_sample(live: Teacher, batch: Any) -> bool:
    """Whether a teacher takes what it refused once an axis of 1 is put in front, whatever shapes it has."""
    try:
        live(keras.tree.map_structure(lambda tensor: tensor[None], batch))
    except (DataError, ValueError, tf.errors.OpError):
        return False
    return True


def _reason(error: Exception) -> str:
    """Why Keras refused: it says first in which call, and then, in bold type, what is wrong."""
    plain = re.sub(r"\x1b\[\d*m", "", str(error)).splitlines()
    told = [line for line in plain if not line.startswith("Exception encountered when calling")]
    return first_line(ValueError("\n".join(told))).removesuffix(".")


def _answered(live: Teacher, batches: Iterator[Any], names: Sequence[str], progress: Task) -> Iterator[Answered]:
    """Each batch, flat and in the order of its inputs' names, with the teacher's outputs for it."""
    answer = tf.function(lambda inputs: live(inputs).outputs, autograph=False)
    for batch in batches:
        with _refusing(live, batch):
            outputs = answer(batch)
        progress.advance(len(outputs[0]))
        yield [tensor.numpy() for tensor in in_order(batch, names)], [output.numpy() for output in outputs]
