"""What is compared with what: the objectives of a distillation, spelled out for one student and one teacher."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfcompress.errors import ModelError, RecipeError, TfCompressWarning, suggestion
from tfcompress.table import aligned
from tfcompress.teaching.features import features_of
from tfcompress.teaching.matching import output_names
from tfcompress.teaching.objective import FeatureObjective, Linear, Objective, OutputObjective
from tfcompress.teaching.output_kinds import OutputKind, Said, in_half, output_kinds, said_kinds, shapes_agree
from tfcompress.teaching.pairing import pair_up
from tfcompress.teaching.teacher import Teacher
from tfcompress.teaching.terms import FeatureTerm, OutputTerm, RawTerm, Term


@dataclass(frozen=True)
class Plan:
    """The terms of a distillation; it prints itself as a table.

    Attributes:
        terms: In the order of the objectives.
        names: The names of the student's outputs, flat.
        student: The name of the student.
        teacher: Who teaches it, described.
    """

    terms: tuple[Term, ...]
    names: tuple[str, ...]
    student: str
    teacher: str

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

    def weight_at(self, term: Term, step: Any) -> Any:
        """The weight of a term at a training batch, counted from 0.

        While hints are trained alone, all else has the weight 0, and its schedules begin after that stage; the hints
        that are trained first have the weight 0 from then on.
        """
        first = self.first_steps
        if not first:
            return term.objective.weight_at(step)
        early = keras.ops.cast(step < first, "float32")
        if term.objective.first_steps:
            return early * term.objective.weight_at(step)
        return (1.0 - early) * term.objective.weight_at(keras.ops.maximum(step - first, 0.0))

    def __str__(self) -> str:
        rows = [("objective", "weight", "student", "teacher", "")]
        rows += [(type(term.objective).__name__, _weight(term.objective), *term.row) for term in self.terms]
        return f"{self.student} learns from {self.teacher}\n{aligned(rows)}"


def make_plan(objectives: Sequence[Objective], student: keras.Model, teacher: Teacher, said: Said = None) -> Plan:
    """Spells out objectives for a student and a teacher, and checks that they fit.

    Args:
        objectives: The objectives.
        student: A model with a graph.
        teacher: Its teacher, whose outputs are in the order of the student's (`Teacher.align`); it is told which
            layers' features are needed.
        said: What the outputs of both hold, where that is not to be found out.

    Raises:
        RecipeError: An objective does not fit, or a name is unknown.
        ModelError: Outputs that are to be compared differ in shape or kind.
    """
    outputs = _outputs(student, teacher, said)
    terms: list[Term] = []
    for objective in objectives:
        if isinstance(objective, OutputObjective):
            terms += _on_outputs(objective, outputs, student, teacher)
        elif isinstance(objective, FeatureObjective) and objective.pairing == "outputs" and not objective.layers:
            terms += [RawTerm(objective, output.index, output.name, output.taught_by) for output in outputs]
            _warn_of_doubts(objective, outputs)
            _check_shapes(outputs, student, teacher)
        elif isinstance(objective, FeatureObjective):
            pairs = pair_up(objective, features_of(student), teacher.features())
            terms += [FeatureTerm(objective, a, b, objective.regressor(a.shape, b.shape)) for a, b in pairs]
    stages = sorted({objective.first_steps for objective in objectives if objective.first_steps})
    if len(stages) > 1:
        raise RecipeError(
            f"Hints are trained first for {' and for '.join(map(str, stages))} steps, and there is one first stage. "
            "Give all the same steps, or make each stage a step of a recipe."
        )
    plan = Plan(tuple(terms), tuple(output.name for output in outputs), student.name, teacher.description)
    if any(not isinstance(term, FeatureTerm) for term in terms):
        _warn_of_other_names(outputs, teacher)
    if plan.teacher_layers:
        teacher.tap(plan.teacher_layers)
    return plan


@dataclass(frozen=True)
class _Output:
    """One output of the student: what it holds, and which of the teacher's it learns from."""

    index: int
    name: str
    taught_by: str
    kind: OutputKind
    said: bool


def _outputs(student: keras.Model, teacher: Teacher, said: Said) -> list[_Output]:
    names = output_names(student)
    theirs = teacher.names if len(teacher.names) == len(names) else names
    each = zip(names, theirs, said_kinds(names, said), output_kinds(student), strict=True)
    return [
        _Output(index, name, taught_by, kind or found, kind is not None)
        for index, (name, taught_by, kind, found) in enumerate(each)
    ]


def _warn_of_doubts(objective: FeatureObjective, outputs: Sequence[_Output]) -> None:
    for output in outputs:
        if doubt := objective.doubt(output.kind):
            warnings.warn(f"Output {output.name!r}: {doubt}", TfCompressWarning, stacklevel=2)


def _warn_of_other_names(outputs: Sequence[_Output], teacher: Teacher) -> None:
    """Says it where several outputs are paired in order, as their names do not tell which belong together."""
    if len(outputs) > 1 and any(output.name != output.taught_by for output in outputs):
        pairs = ", ".join(f"{output.name!r} from {output.taught_by!r}" for output in outputs)
        warnings.warn(
            f"The outputs of the teacher {teacher.name} have other names than the student's, so they are paired in "
            f"order: {pairs}. Name them alike to pair them by name.",
            TfCompressWarning,
            stacklevel=2,
        )


def _warn_of_half(outputs: Sequence[_Output], student: keras.Model, teacher: Teacher) -> None:
    """Says it where the logits of probabilities are lost: half precision has no small ones, and no gradient at 0."""
    rounded = [output.name for output in outputs if output.kind in (OutputKind.SOFTMAX, OutputKind.SIGMOID)]
    sides = {f"the student '{student.name}'": in_half(student), f"the teacher {teacher.name}": teacher.in_half}
    if rounded and any(sides.values()):
        where = " and ".join(who for who, half in sides.items() if half)
        warnings.warn(
            f"The probabilities of {', '.join(map(repr, rounded))} are in half precision in {where}, where small ones "
            'become 0 and teach nothing. Give the layer that makes them dtype="float32", as Keras advises for mixed '
            "precision.",
            TfCompressWarning,
            stacklevel=2,
        )


def _on_outputs(
    objective: OutputObjective, outputs: Sequence[_Output], student: keras.Model, teacher: Teacher
) -> list[Term]:
    """The terms of an objective on outputs: the one it names, or each that it fits."""
    title, names = type(objective).__name__, [output.name for output in outputs]
    if objective.output is not None and objective.output not in names:
        raise RecipeError(
            f"{title}: the student has no output {objective.output!r}. {suggestion(objective.output, names)}"
        )
    asked = [output for output in outputs if objective.output in (None, output.name)]
    _check_shapes(asked, student, teacher)
    unfit = [
        output
        for output in asked
        if not objective.of_values and output.kind is OutputKind.LOGITS and student.outputs[output.index].shape[-1] == 1
    ]
    fitting = [output for output in asked if output not in unfit]
    reason = (
        "it has one value and no activation. Of a regression, use LogitRegression; where a sigmoid belongs to it, say "
        f'outputs="{OutputKind.SIGMOID_LOGITS.value}"'
    )
    reasons = "; ".join(f"output {output.name!r}: {reason}" for output in unfit)
    if not fitting:
        raise RecipeError(f"{title} fits no output of the student. {reasons}.")
    if unfit:
        warnings.warn(f"{title} leaves out {reasons}.", TfCompressWarning, stacklevel=2)
    _check_kinds(fitting, teacher)
    _warn_of_half(fitting, student, teacher)
    return [
        OutputTerm(objective, output.index, output.name, output.taught_by, output.kind, output.said)
        for output in fitting
    ]


def _check_shapes(outputs: Sequence[_Output], student: keras.Model, teacher: Teacher) -> None:
    if not teacher.shapes:
        return  # a subclassed model says its shapes when it runs
    ours = [tuple(tensor.shape)[1:] for tensor in student.outputs]
    if len(ours) != len(teacher.shapes):
        raise ModelError(
            f"The teacher {teacher.name} has {len(teacher.shapes)} outputs and the student '{student.name}' has "
            f"{len(ours)}. Give both the same."
        )
    for output in outputs:
        mine, its = ours[output.index], teacher.shapes[output.index]
        if not shapes_agree(mine, its):
            raise ModelError(
                f"Output {output.name!r}: the teacher {teacher.name} gives shape {its} and the student "
                f"'{student.name}' {mine}. Give both the same classes."
            )


def _check_kinds(outputs: Sequence[_Output], teacher: Teacher) -> None:
    for output in outputs:
        if teacher.kinds and (its := teacher.kinds[output.index]) is not output.kind:
            raise ModelError(
                f"Output {output.name!r}: the teacher {teacher.name} gives {its.value} and the student "
                f"{output.kind.value}. End both alike{_activation(output, its)}; where an activation was not "
                'recognised, say what both give: outputs="logits", "softmax", "sigmoid" or "sigmoid_logits".'
            )


def _activation(output: _Output, its: OutputKind) -> str:
    """The line that gives the side without an activation the one of the other."""
    layers = {OutputKind.SOFTMAX: "Softmax()", OutputKind.SIGMOID: 'Activation("sigmoid")'}
    kinds = {"teacher": its, "student": output.kind}
    for who, other in (("teacher", "student"), ("student", "teacher")):
        if kinds[who] not in layers and kinds[other] in layers:
            ends = f"keras.layers.{layers[kinds[other]]}({who}.outputs[{output.index}])"
            then = ", and compile it with a loss for probabilities (from_logits=False)" if who == "student" else ""
            return f", the {who} with the {kinds[other].value} it lacks: keras.Model({who}.inputs, {ends}){then}"
    return ""


def _weight(objective: Objective) -> str:
    weight = objective.weight
    return f"{weight.start:g} to {weight.end:g}" if isinstance(weight, Linear) else f"{weight:g}"
