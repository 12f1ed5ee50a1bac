"""Cached logits as the teacher: what a model once said of each sample, found by the sample's content."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcompress.errors import DataError
from tfcompress.teaching.logits_cache import LogitsCache
from tfcompress.teaching.matching import in_order
from tfcompress.teaching.output_kinds import OutputKind
from tfcompress.teaching.teacher import EXAMPLES, Lesson, Teacher


class CachedTeacher(Teacher):
    """The outputs that a model once gave, found by the content of each sample.

    Args:
        cache: The opened file.
        student_inputs: The names of the inputs of the model that learns, in flat order.
    """

    supports_jit = False  # rows are read by Python, which XLA cannot compile

    def __init__(self, cache: LogitsCache, student_inputs: Sequence[str] = ()) -> None:
        self.cache, self.name = cache, cache.path.name
        self.kinds = [OutputKind(kind) for kind in cache.kinds]
        self.shapes = [output.shape[1:] for output in cache.outputs]
        self.names, self.input_names = cache.origin.outputs, cache.origin.inputs
        self._student_inputs, self._order = student_inputs, list(range(len(self.shapes)))
        self._refusal: DataError | None = None

    def __call__(self, inputs: Any) -> Lesson:
        """What the file has for a batch.

        Raises:
            DataError: A sample is not in it. Inside TensorFlow's graph this comes as an error of TensorFlow's, and
                `refusal` has the reason.
        """
        flat = [tf.convert_to_tensor(tensor) for tensor in in_order(inputs, self.input_names, self._student_inputs)]
        try:
            found = keras.tree.flatten(tf.numpy_function(self._look_up, flat, [tf.float32] * len(self.shapes)))
        except tf.errors.OpError as error:
            if self._refusal is None:
                raise
            raise self._refusal from error
        outputs = [found[place] for place in self._order]
        for output, shape in zip(outputs, self.shapes, strict=True):
            output.set_shape((flat[0].shape[0], *shape))
        return Lesson(outputs, {})

    @property
    def weights_hash(self) -> str:
        """That of the teacher that gave the outputs."""
        return self.cache.origin.weights

    @property
    def description(self) -> str:
        """The file, and whose outputs are in it."""
        return f"{self.name} ({self.cache.origin})"

    @property
    def refusal(self) -> DataError | None:
        """Which samples are not in the file."""
        return self._refusal

    def forget_refusal(self) -> None:
        """Forgets why an earlier batch was refused."""
        self._refusal = None

    def examples(self, inputs: Any) -> list[tuple[str, list[np.ndarray]]]:
        """The first outputs in the file, whatever the inputs."""
        return [(self.name, [np.asarray(self.cache.outputs[place][:EXAMPLES]) for place in self._order])]

    def _reorder(self, names: Sequence[str], order: list[int]) -> None:
        self._order = [self._order[place] for place in order]

    def _look_up(self, *inputs: np.ndarray) -> list[np.ndarray]:
        try:
            return self.cache.look_up(inputs)
        except DataError as error:
            self._refusal = error
            raise
