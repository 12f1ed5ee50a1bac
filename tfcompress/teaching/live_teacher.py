"""A model as the teacher: it runs on each batch, in inference mode, and is not changed by it."""

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

import keras
import numpy as np
from tensorflow.python.eager import record

from tfcompress.errors import ModelError
from tfcompress.models.generation import check_generation
from tfcompress.models.graph import graph_of
from tfcompress.models.loading import check_finite
from tfcompress.teaching.features import Feature, Tapped, features_of
from tfcompress.teaching.matching import in_order, input_names, output_names
from tfcompress.teaching.output_kinds import in_half, output_kinds
from tfcompress.teaching.teacher import Lesson, Teacher


class LiveTeacher(Teacher):
    """A model that runs on each batch, in inference mode.

    Args:
        model: A built model.
        student_inputs: The names of the inputs of the model that learns, in flat order.

    Raises:
        ModelError: It is no Keras 3 model, is not built yet, or a weight is NaN or infinite.
    """

    def __init__(self, model: keras.Model, student_inputs: Sequence[str] = ()) -> None:
        check_generation(model)
        if not model.built:
            raise ModelError(
                f"The teacher '{model.name}' has no weights yet. Call it once on data, or load it trained."
            )
        check_finite(model)
        self.model, self.name = model, model.name
        self.supports_jit = all(layer.supports_jit for layer in model._flatten_layers())
        self.names, self.input_names, self.kinds = output_names(model), input_names(model), output_kinds(model)
        self.shapes = [tuple(tensor.shape)[1:] for tensor in model.outputs] if self.kinds else []
        self.in_half = bool(self.kinds) and in_half(model)
        self._student_inputs = student_inputs
        self._wanted: Sequence[str] = ()
        self._order: list[int] = []
        self._tapped = Tapped(model, ())

    def __call__(self, inputs: Any) -> Lesson:
        """What the model says of a batch."""
        # Whatever a layer assigns while it runs, such as the state of a recurrent one, is dropped with this scope. A
        # tape would keep what each layer gives; a `tf.GradientTape` of the user's own is not at hand to be stopped, and
        # TensorFlow 2.21 has no public way to stop whichever tapes there are.
        with keras.StatelessScope(), record.stop_recording():
            outputs, features = self._tapped(self._arranged(inputs), training=False)
        return Lesson(
            [_heard(output) for output in self._in_order(outputs)],
            {name: _heard(feature) for name, feature in features.items()},
        )

    @property
    def weights_hash(self) -> str:
        """Of the values of all its variables, in their order."""
        digest = hashlib.sha256()
        for variable in self.model.weights:
            digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes())
        return digest.hexdigest()[:16]

    def features(self) -> list[Feature]:
        """The outputs of all of the model's layers."""
        return features_of(self.model)

    def tap(self, names: Collection[str]) -> None:
        """Keeps what these layers give."""
        self._tapped = Tapped(self.model, names)

    def _reorder(self, names: Sequence[str], order: list[int]) -> None:
        self._wanted, self._order = names, order

    def _arranged(self, inputs: Any) -> Any:
        """A batch for the student as this model takes it: by the names of inputs where they agree, else in order."""
        flat = in_order(inputs, self.input_names, self._student_inputs)
        fits = len(flat) == len(self.input_names)
        return keras.tree.pack_sequence_as(graph_of(self.model).input, flat) if fits else inputs

    def _in_order(self, outputs: Any) -> list[Any]:
        """The outputs, flat, in the order of the student's.

        Raises:
            ModelError: A model whose graph is hidden gives another number of outputs than the student.
        """
        if not self._order and isinstance(outputs, dict) and self._wanted and set(self._wanted) <= set(outputs):
            return keras.tree.flatten([outputs[name] for name in self._wanted])
        flat = keras.tree.flatten(outputs)
        if self._order:
            return [flat[place] for place in self._order]
        if self._wanted and len(flat) != len(self._wanted):
            raise ModelError(
                f"The teacher {self.name} gives {len(flat)} outputs and the student has {len(self._wanted)}: "
                f"{', '.join(self._wanted)}. Give both the same, or let the teacher give a dict that has these names."
            )
        return flat


def _heard(tensor: Any) -> Any:
    return keras.ops.stop_gradient(keras.ops.cast(tensor, "float32"))
