"""Sequence-level distillation: a teacher writes new targets once, and students train on them as on any data."""

import reprlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcompress.errors import DataError, FormatError, ModelError, TfCompressWarning, first_line
from tfcompress.files import check_output, replacing
from tfcompress.models.graph import graph_of, trace
from tfcompress.progress import task
from tfcompress.teaching.beam_search import Step, beam_search, check_word
from tfcompress.teaching.bleu import sentence_bleu
from tfcompress.teaching.objective import check_count
from tfcompress.teaching.output_kinds import OutputKind, class_logits, output_kinds

_ARRAYS = ("sources", "targets", "log_probabilities", "finished")


@dataclass(frozen=True)
class Decoder:
    """How a model is asked for one word after the other.

    Attributes:
        initial: Gives the state to start with for a batch of sources.
        step: Gives the logits of the next word, and the next state; see `tfc.beam_search`.
    """

    initial: Callable[[Any], Any]
    step: Step

    @classmethod
    def of(cls, model: keras.Model, length: int) -> "Decoder":
        """A decoder of a model that was trained with teacher forcing, as it is.

        The model takes (source, words so far) and gives at each position the distribution over the next word, looking
        at no later word. It computes all positions anew for each word; a step of one's own that keeps the recurrent
        state or the keys and values of attention is faster.

        Args:
            model: Functional, with two inputs in order: the source, (batch, ...), and whole numbers, (batch, length).
                Output: (batch, length, words), logits or softmax.
            length: The most words of a sequence.

        Raises:
            ModelError: The model has other inputs or outputs, or takes another number of words.
        """
        if isinstance(structure := graph_of(model).input, dict):
            names = " or ".join(map(repr, structure))
            raise ModelError(
                f"The model '{model.name}' takes a dict, in which {names} may be the source. Give the inputs in order: "
                "keras.Model([model.input[source], model.input[words]], model.output)."
            )
        if len(model.inputs) != 2 or len(model.outputs) != 1 or len(model.outputs[0].shape) != 3:
            raise ModelError(
                f"The model '{model.name}' has {len(model.inputs)} inputs and outputs of shape "
                f"{[tuple(tensor.shape) for tensor in model.outputs]}. A decoder needs the inputs (source, words so "
                "far) and one output (batch, length, words)."
            )
        sizes = {tuple(tensor.shape)[1] for tensor in (model.inputs[1], model.outputs[0])} - {None}
        if sizes - {length}:
            raise ModelError(
                f"The model '{model.name}' is built for sequences of {', '.join(map(str, sorted(sizes)))} words, and "
                f"length is {length}. Give length={min(sizes)}, or build it for any length: keras.Input((None,))."
            )
        (kind,) = output_kinds(model)
        if kind is OutputKind.SIGMOID:
            raise ModelError(f"The model '{model.name}' ends in a sigmoid, which is no distribution over words.")

        def initial(sources: Any) -> Any:
            count = tf.shape(sources)[0]
            return {
                "source": sources,
                "words": tf.zeros([count, length], tf.int32),
                "place": tf.zeros([count], tf.int32),
            }

        def step(words: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
            place = state["place"]
            history = state["words"] + words[:, None] * tf.one_hot(place, length, dtype=tf.int32)
            outputs = model([state["source"], history], training=False)
            logits = class_logits(tf.cast(tf.gather(outputs, place, batch_dims=1), tf.float32), kind)
            return logits, {"source": state["source"], "words": history, "place": place + 1}

        return cls(initial, step)


@dataclass(frozen=True, eq=False)
class SequenceTargets:
    """Targets that a teacher wrote, beside their sources; the arrays have a row for each sample.

    Attributes:
        path: The file.
        sources: As they were given.
        targets: int32, (samples, length): words up to and with the end, then padding.
        log_probabilities: float32: what the teacher gives each target.
        finished: bool: whether a target has its end; one that was cut off stands for all that begin so.
    """

    path: Path
    sources: np.ndarray
    targets: np.ndarray
    log_probabilities: np.ndarray
    finished: np.ndarray

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def mode_mass(self) -> float:
        """The mean probability that the teacher gives its target: the part of its distribution that is handed on.

        A target without an end counts as 0, since it is no sequence of the teacher's.
        """
        return float((np.exp(self.log_probabilities.astype(float)) * self.finished).mean())

    def teacher_forced(self, start: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """What `fit` takes: the sources with the words before each position, and the words at each position.

        Args:
            start: The word before the first.
        """
        first = np.full((len(self), 1), start, "int32")
        return (self.sources, np.concatenate([first, self.targets[:, :-1]], axis=1)), self.targets

    @classmethod
    def load(cls, path: str | Path) -> "SequenceTargets":
        """Reads what `tfc.generate_targets` wrote.

        Raises:
            FormatError: It is no such file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(Path(path), *(file[name] for name in _ARRAYS))
        except (OSError, ValueError, KeyError) as error:
            raise FormatError(
                f"{path} holds no generated targets ({first_line(error)}). Generate them again."
            ) from error


def generate_targets(
    teacher: keras.Model | Decoder,
    sources: np.ndarray,
    path: str | Path,
    *,
    start: int,
    end: int,
    length: int,
    beams: int = 5,
    length_penalty: float = 0.0,
    padding: int = 0,
    references: Sequence[Sequence[int]] | np.ndarray | None = None,
    batch_size: int = 64,
    force: bool = False,
) -> SequenceTargets:
    """Lets a teacher translate the training sources, and writes its answers as new targets.

    A student that trains on them by plain cross-entropy is drawn to the teacher's whole sequences (sequence-level
    distillation), which are simpler than the data: its greedy answers come near the teacher's beam search. With
    `references` each target is that one of the `beams` that is most like the true one, by smoothed sentence BLEU
    (sequence-level interpolation): meant for a second training at a low learning rate.

    Args:
        teacher: A model that `Decoder.of` takes, or a decoder.
        sources: Shape (samples, ...).
        path: The file to write, in NumPy's npz format.
        start: The word before the first.
        end: The word that finishes a sequence.
        length: The most words of a sequence.
        beams: How many sequences the search keeps: 5 in the paper, 35 with references.
        length_penalty: See `tfc.beam_search`.
        padding: What stands behind the end of a target; what the student's loss leaves out.
        references: The true targets, one for each source: words up to the end, as rows of an array or as lists, which
            may differ in length.
        batch_size: How many sources are decoded at once.
        force: Whether an existing file may be replaced.

    Returns:
        The targets.

    Raises:
        RecipeError: A setting is out of range, or the start or the end is no word of the teacher.
        DataError: There are no sources, or not as many references, or one is no row of words; or the teacher gives NaN.
        ModelError: The teacher has other inputs or outputs, or takes another number of words.
        OutputError: The file exists, or cannot be written.

    Warns:
        TfCompressWarning: Some targets have no end within `length` words.

    Reference:
        Kim and Rush, "Sequence-Level Knowledge Distillation", arXiv:1606.07947.
    """
    path = Path(path)
    check_output(path, force=force)
    if not len(sources):
        raise DataError("generate_targets: there are no sources.")
    if references is not None and len(references) != len(sources):
        raise DataError(f"generate_targets: {len(references)} references stand beside {len(sources)} sources.")
    true = None if references is None else [_true_words(*each, end) for each in enumerate(references)]
    check_count("generate_targets: length", length)
    check_count("generate_targets: batch_size", batch_size)
    length = int(length)  # TensorFlow would make int64 of one of NumPy's
    if isinstance(teacher, keras.Model):
        decoder = Decoder.of(teacher, length)
        check_word("generate_targets: start", start, _words_read(teacher))
        check_word("generate_targets: end", end, teacher.outputs[0].shape[-1])
    else:
        decoder = teacher

    @tf.function(autograph=False, reduce_retracing=True)
    def search(batch: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return beam_search(
            decoder.step,
            decoder.initial(batch),
            start=start,
            end=end,
            length=length,
            beams=beams,
            length_penalty=length_penalty,
            padding=padding,
        ).parts

    chosen = list(_chosen(search, sources, true, batch_size, end))
    targets = np.concatenate([words for words, _ in chosen]).astype("int32")
    log_probabilities = np.concatenate([values for _, values in chosen]).astype("float32")
    finished = (targets == end).any(axis=1)
    if cut_off := int((~finished).sum()):
        warnings.warn(
            f"generate_targets: {cut_off} of the {len(targets)} targets have no end within length={length} words. Give "
            "a greater length, or leave them out: `finished` tells which have their end.",
            TfCompressWarning,
            stacklevel=2,
        )
    arrays = (np.asarray(sources), targets, log_probabilities, finished)
    with replacing(path, force=force) as temporary, temporary.open("wb") as file:
        np.savez(file, **dict(zip(_ARRAYS, arrays, strict=True)))
    return SequenceTargets(path, *arrays)


def _words_read(model: keras.Model) -> int | None:
    """How many words a model can be told before each position, by its embeddings of them; None where that is open."""
    graph = graph_of(model)
    calls, _ = trace(graph, graph.inputs)
    readers = [call.operation for call in calls if any(tensor is graph.inputs[1] for tensor in call.inputs)]
    return min((layer.input_dim for layer in readers if isinstance(layer, keras.layers.Embedding)), default=None)


def _chosen(
    search: Callable[[Any], Any], sources: np.ndarray, true: list[list[int]] | None, batch_size: int, end: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each batch the target of each source and its log probability."""
    with task("decoding", total=len(sources)) as progress:
        for begun in range(0, len(sources), batch_size):
            words, _, log_probabilities, lengths = (
                part.numpy() for part in search(sources[begun : begun + batch_size])
            )
            rows = range(len(words))
            if lost := [begun + row for row in rows if not lengths[row, 0] or np.isnan(log_probabilities[row, 0])]:
                raise DataError(
                    f"generate_targets: the teacher gives source {lost[0]} no sequence with a probability. Look for "
                    "NaN in what it gives, and for a step that excludes every word."
                )
            places = [
                0 if true is None else _nearest(words[row][lengths[row] > 0], true[begun + row], end) for row in rows
            ]
            progress.advance(len(words))
            yield words[rows, places], log_probabilities[rows, places]


def _true_words(place: int, reference: Any, end: int) -> list[int]:
    """The words of a reference before its end."""
    try:
        row = np.asarray(reference)
    except ValueError:  # lists of different lengths in a list
        row = np.array(None)
    if row.ndim != 1 or row.dtype.kind not in "iuf" or not (np.isfinite(row) & (row == np.round(row))).all():
        raise DataError(
            f"generate_targets: reference {place} is {reprlib.repr(reference)}. Give each as a row of whole numbers, "
            "the words of the true target."
        )
    return words_of(row, end)


def _nearest(beams: np.ndarray, true: list[int], end: int) -> int:
    """The number of the beam that is most like the true words; of equals the more probable one."""
    return int(np.argmax([sentence_bleu(words_of(beam, end), true) for beam in beams]))


def words_of(row: np.ndarray, end: int) -> list[int]:
    """The words before the end, or all of them.

    Example:
        >>> words_of(np.array([5, 6, 1, 0]), end=1)
        [5, 6]
    """
    words = row.tolist()
    return words[: words.index(end)] if end in words else words
