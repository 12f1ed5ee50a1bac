"""What is compared with what: the objectives of a distillation, spelled out for one student and one teacher."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfcompress.errors import DataError, ModelError, RecipeError, TfCompressWarning, suggestion
from tfcompress.table import aligned
from tfcompress.teaching.features import Feature, features_of
from tfcompress.teaching.objective import FeatureObjective, Linear, Objective, OutputObjective
from tfcompress.teaching.output_kinds import OutputKind, class_logits, output_kinds, plain_values, shapes_agree
from tfcompress.teaching.pairing import pair_up
from tfcompress.teaching.teachers import Lesson, Teacher


@dataclass(frozen=True)
class Heard:
    """Everything that terms compute with, for one batch: the student's side, the teacher's, and the user's targets."""

    outputs: Sequence[Any]
    features: Mapping[str, Any]
    lesson: Lesson
    targets: Sequence[Any]


@dataclass(frozen=True)
class OutputTerm:
    """An objective on one output.

    Attributes:
        objective: The objective.
        index: The output's place among all, flat.
        name: Its name.
        kind: What student and teacher put out there.
    """

    objective: OutputObjective
    index: int
    name: str
    kind: OutputKind

    def loss(self, heard: Heard) -> Any:
        """The loss of a batch."""
        read = plain_values if self.objective.of_values else class_logits
        student, teacher = heard.outputs[self.index], heard.lesson.outputs[self.index]
        target = heard.targets[self.index]
        _check_alike(self.name, student, teacher)
        if self.objective.needs_labels and target is None:
            raise DataError(f"{type(self.objective).__name__} needs the labels of output {self.name!r}. Fit with them.")
        return self.objective.loss(
            read(keras.ops.cast(student, "float32"), self.kind), read(teacher, self.kind), target
        )

    @property
    def place(self) -> str:
        """The name of the output."""
        return self.name

    @property
    def row(self) -> tuple[str, str, str]:
        """Who is compared with whom, for the printed plan."""
        side = f"{self.name} ({self.kind.value})"
        return side, side, ""


@dataclass(frozen=True)
class RawTerm:
    """A function of the user's own on one output, as it is."""

    objective: FeatureObjective
    index: int
    name: str

    def loss(self, heard: Heard) -> Any:
        """The loss of a batch."""
        student, teacher = heard.outputs[self.index], heard.lesson.outputs[self.index]
        _check_alike(self.name, student, teacher)
        return self.objective.loss(keras.ops.cast(student, "float32"), teacher)

    @property
    def place(self) -> str:
        """The name of the output."""
        return self.name

    @property
    def row(self) -> tuple[str, str, str]:
        """Who is compared with whom."""
        return self.name, self.name, ""


@dataclass(frozen=True)
class FeatureTerm:
    """An objective on one pair of layers, with the regressor between them where there is one."""

    objective: FeatureObjective
    student: Feature
    teacher: Feature
    regressor: keras.Layer | None
    index: int = 0
    """Of the output whose sample weights count."""

    def loss(self, heard: Heard) -> Any:
        """The loss of a batch."""
        features = keras.ops.cast(heard.features[self.student.name], "float32")
        if self.regressor is not None:
            # `call`, for calling the layer would warn that a convolution drops the mask of a sequence.
            features = self.regressor.call(features)
        return self.objective.loss(features, heard.lesson.features[self.teacher.name])

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


@dataclass(frozen=True)
class Plan:
    """The terms of a distillation; it prints itself as a table.

    Attributes:
        terms: In the order of the objectives.
        names: The names of the student's outputs, flat.
    """

    terms: tuple[Term, ...]
    names: tuple[str, ...]

    @property
    def student_layers(self) -> set[str]:
        """The student's layers whose features are compared."""
        return {term.student.name for term in self.terms if isinstance(term, FeatureTerm)}

    @property
    def teacher_layers(self) -> set[str]:
        """The teacher's."""
        return {term.teacher.name for term in self.terms if isinstance(term, FeatureTerm)}

    @property
    def regressors(self) -> list[keras.Layer]:
        """The layers that are trained along."""
        return [term.regressor for term in self.terms if isinstance(term, FeatureTerm) and term.regressor is not None]

    @property
    def first_steps(self) -> int:
        """The number of training batches for which hints are trained alone."""
        return max(term.objective.first_steps for term in self.terms)

    @property
    def counts_steps(self) -> bool:
        """Whether anything depends on the number of batches seen."""
        return self.first_steps > 0 or any(isinstance(term.objective.weight, Linear) for term in self.terms)

    def __str__(self) -> str:
        rows = [("objective", "weight", "student", "teacher", "")]
        rows += [(type(term.objective).__name__, _weight(term.objective), *term.row) for term in self.terms]
        return aligned(rows)


def make_plan(objectives: Sequence[Objective], student: keras.Model, teacher: Teacher, kind: OutputKind | None) -> Plan:
    """Spells out objectives for a student and a teacher, and checks that they fit.

    Args:
        objectives: The objectives.
        student: A model with a graph.
        teacher: Its teacher; it is told which layers' features are needed.
        kind: What the outputs of both hold, where that is not to be found out.

    Raises:
        RecipeError: An objective does not fit, or a name is unknown.
        ModelError: Outputs that are to be compared differ in shape or kind.
    """
    names = output_names(student)
    kinds = [kind] * len(names) if kind else output_kinds(student)
    terms: list[Term] = []
    for objective in objectives:
        if isinstance(objective, OutputObjective):
            terms += _on_outputs(objective, names, kinds, student, teacher, kind)
        elif isinstance(objective, FeatureObjective) and objective.pairing == "outputs" and not objective.layers:
            terms += [RawTerm(objective, index, name) for index, name in enumerate(names)]
            _check_shapes(range(len(names)), names, student, teacher)
        elif isinstance(objective, FeatureObjective):
            pairs = pair_up(objective, features_of(student), teacher.features())
            terms += [FeatureTerm(objective, a, b, objective.regressor(a.shape, b.shape)) for a, b in pairs]
    plan = Plan(tuple(terms), tuple(names))
    if plan.teacher_layers:
        teacher.tap(plan.teacher_layers)
    return plan


def output_names(model: keras.Model) -> list[str]:
    """The names of a model's outputs in flat order: the keys of a dict, else those of the layers that make them."""
    if isinstance(model.output, dict):
        return [str(path[-1]) for path, _ in keras.tree.flatten_with_path(model.output)]
    return list(model.output_names)


def _on_outputs(
    objective: OutputObjective,
    names: Sequence[str],
    kinds: Sequence[OutputKind],
    student: keras.Model,
    teacher: Teacher,
    kind: OutputKind | None,
) -> list[Term]:
    """The terms of an objective on outputs: the one it names, or each that it fits."""
    title = type(objective).__name__
    if objective.output is not None and objective.output not in names:
        raise RecipeError(
            f"{title}: the student has no output {objective.output!r}. {suggestion(objective.output, names)}"
        )
    asked = [index for index, name in enumerate(names) if objective.output in (None, name)]
    _check_shapes(asked, names, student, teacher)
    unfit = {}
    for index in asked:
        classes = student.outputs[index].shape[-1]
        if not objective.of_values and kinds[index] is OutputKind.LOGITS and classes == 1:
            unfit[index] = "it has one value and no activation, as a regression has; use LogitRegression"
    fitting = [index for index in asked if index not in unfit]
    reasons = "; ".join(f"output {names[index]!r}: {reason}" for index, reason in unfit.items())
    if not fitting:
        raise RecipeError(f"{title} fits no output of the student. {reasons}.")
    if unfit:
        warnings.warn(f"{title} leaves out {reasons}.", TfCompressWarning, stacklevel=2)
    if kind is None:
        _check_kinds(fitting, names, kinds, teacher)
    return [OutputTerm(objective, index, names[index], kinds[index]) for index in fitting]


def _check_shapes(indices: Any, names: Sequence[str], student: keras.Model, teacher: Teacher) -> None:
    if not teacher.shapes:
        return  # a subclassed model says its shapes when it runs
    ours = [tuple(tensor.shape)[1:] for tensor in student.outputs]
    if len(ours) != len(teacher.shapes):
        raise ModelError(
            f"The teacher {teacher.name} has {len(teacher.shapes)} outputs and the student '{student.name}' has "
            f"{len(ours)}. Give both the same."
        )
    for index in indices:
        mine, its = ours[index], teacher.shapes[index]
        if not shapes_agree(mine, its):
            raise ModelError(
                f"Output {names[index]!r}: the teacher {teacher.name} gives shape {its} and the student "
                f"'{student.name}' {mine}. Give both the same classes."
            )


def _check_alike(name: str, student: Any, teacher: Any) -> None:
    """The check of shapes for a teacher that says its own only when it runs."""
    if not shapes_agree(tuple(student.shape)[1:], tuple(teacher.shape)[1:]):
        raise ModelError(
            f"Output {name!r}: the teacher gives shape {tuple(teacher.shape)[1:]} and the student "
            f"{tuple(student.shape)[1:]}. Give both the same classes."
        )


def _check_kinds(indices: Sequence[int], names: Sequence[str], kinds: Sequence[OutputKind], teacher: Teacher) -> None:
    for index in indices:
        if teacher.kinds and teacher.kinds[index] is not kinds[index]:
            raise ModelError(
                f"Output {names[index]!r}: the teacher {teacher.name} gives {teacher.kinds[index].value} and the "
                f"student {kinds[index].value}. End both alike, for instance keras.Model(teacher.input, "
                "keras.layers.Softmax()(teacher.output)); where an activation was not recognised, say what both give: "
                'outputs="logits", "softmax" or "sigmoid".'
            )


def _weight(objective: Objective) -> str:
    weight = objective.weight
    return f"{weight.start:g} to {weight.end:g}" if isinstance(weight, Linear) else f"{weight:g}"
