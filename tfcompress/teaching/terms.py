"""One comparison of a distillation: an objective on one output, or on one pair of layers, and its loss for a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfcompress.errors import DataError, ModelError
from tfcompress.teaching.features import Feature
from tfcompress.teaching.objective import (
    FeatureObjective,
    OutputObjective,
    of_samples,
    over_real,
    real_share,
    without_padding,
)
from tfcompress.teaching.output_kinds import OutputKind, class_logits, plain_values, shapes_agree
from tfcompress.teaching.relations import RelationObjective
from tfcompress.teaching.teacher import Lesson


@dataclass(frozen=True)
class Heard:
    """Everything that terms compute with, for one batch: the student's side, the teacher's, and the user's targets.

    Attributes:
        weights: The weights of the samples of each output; None where there are none.
    """

    outputs: Sequence[Any]
    features: Mapping[str, Any]
    lesson: Lesson
    targets: Sequence[Any]
    weights: Sequence[Any]

    @property
    def weights_of_samples(self) -> Any:
        """For what belongs to no output: the mean of the weights that a sample has, shape (batch,); None for none."""
        given = [of_samples(keras.ops.cast(weights, "float32")) for weights in self.weights if weights is not None]
        return sum(given) / len(given) if given else None


@dataclass(frozen=True)
class OutputTerm:
    """An objective on one output.

    Attributes:
        objective: The objective.
        index: The output's place among all, flat.
        name: Its name.
        taught_by: The name of the teacher's output.
        kind: What student and teacher put out there.
        said: Whether the user said so.
    """

    objective: OutputObjective
    index: int
    name: str
    taught_by: str
    kind: OutputKind
    said: bool

    def loss(self, heard: Heard) -> Any:
        """The loss of a batch."""
        read = plain_values if self.objective.of_values else class_logits
        student, teacher = heard.outputs[self.index], heard.lesson.outputs[self.index]
        target = heard.targets[self.index]
        _check_alike(self.name, student, teacher)
        if self.objective.needs_labels and target is None:
            raise DataError(f"{type(self.objective).__name__} needs the labels of output {self.name!r}. Fit with them.")
        values = read(keras.ops.cast(student, "float32"), self.kind), read(teacher, self.kind)
        mask = _mask(student)
        if mask is None or len(mask.shape) >= len(student.shape):
            return self.objective.loss(*values, target)
        return self.objective.masked_loss(*values, target, mask)

    def weights(self, heard: Heard) -> Any:
        """The weights of the samples, which are the output's."""
        return heard.weights[self.index]

    @property
    def place(self) -> str:
        """The name of the output."""
        return self.name

    @property
    def row(self) -> tuple[str, str, str]:
        """Who is compared with whom, for the printed plan."""
        return f"{self.name} ({self.kind.value})", f"{self.taught_by} ({self.kind.value})", ""


@dataclass(frozen=True)
class RawTerm:
    """A function of the user's own on one output, as it is."""

    objective: FeatureObjective
    index: int
    name: str
    taught_by: str

    def loss(self, heard: Heard) -> Any:
        """The loss of a batch."""
        student, teacher = heard.outputs[self.index], heard.lesson.outputs[self.index]
        _check_alike(self.name, student, teacher)
        loss, mask = self.objective.loss(keras.ops.cast(student, "float32"), teacher), _mask(student)
        return loss if mask is None or not _begins(loss, mask) else over_real(loss, mask)

    def weights(self, heard: Heard) -> Any:
        """The weights of the samples, which are the output's."""
        return heard.weights[self.index]

    @property
    def place(self) -> str:
        """The name of the output."""
        return self.name

    @property
    def row(self) -> tuple[str, str, str]:
        """Who is compared with whom."""
        return self.name, self.taught_by, ""


@dataclass(frozen=True)
class FeatureTerm:
    """An objective on one pair of layers, with the regressor between them where there is one."""

    objective: FeatureObjective
    student: Feature
    teacher: Feature
    regressor: keras.Layer | None

    def loss(self, heard: Heard) -> Any:
        """The loss of a batch; positions of a sequence that the student's mask calls padding do not count."""
        mask = _mask(heard.features[self.student.name])
        features = keras.ops.cast(heard.features[self.student.name], "float32")
        if self.regressor is not None:
            # `call`, for calling the layer would warn that a convolution drops the mask of a sequence.
            features = self.regressor.call(features)
        theirs = heard.lesson.features[self.teacher.name]
        padded = mask is not None and _begins(features, mask) and _begins(theirs, mask)
        if padded:
            features, theirs = (without_padding(both, mask) for both in (features, theirs))
        if isinstance(self.objective, RelationObjective):
            return self.objective.loss(features, theirs, heard.weights_of_samples)
        loss = self.objective.loss(features, theirs)
        if padded and (self.objective.over_positions or len(loss.shape) >= len(mask.shape)):
            loss = loss / keras.ops.cast(real_share(mask), loss.dtype)
        return loss

    def weights(self, heard: Heard) -> Any:
        """The weights of the samples over all outputs."""
        return heard.weights_of_samples

    @property
    def place(self) -> str:
        """The name of the student's layer."""
        return self.student.name

    @property
    def row(self) -> tuple[str, str, str]:
        """Who is compared with whom."""
        layer = self.regressor
        note = "" if layer is None else f"regressor {type(layer).__name__}, {layer.count_params():,} parameters"
        return str(self.student), str(self.teacher), note


Term = OutputTerm | RawTerm | FeatureTerm


def _mask(tensor: Any) -> Any:
    """The mask that Keras keeps with a tensor, where its own losses look for it; it has no public name."""
    return getattr(tensor, "_keras_mask", None)


def _begins(tensor: Any, mask: Any) -> bool:
    """Whether the axes of a mask are the first of a tensor that has more, or the same."""
    return len(tensor.shape) >= len(mask.shape) and shapes_agree(
        tuple(mask.shape)[1:], tuple(tensor.shape)[1 : len(mask.shape)]
    )


def _check_alike(name: str, student: Any, teacher: Any) -> None:
    """The check of shapes for a teacher that says its own only when it runs."""
    if not shapes_agree(tuple(student.shape)[1:], tuple(teacher.shape)[1:]):
        raise ModelError(
            f"Output {name!r}: the teacher gives shape {tuple(teacher.shape)[1:]} and the student "
            f"{tuple(student.shape)[1:]}. Give both the same classes."
        )
