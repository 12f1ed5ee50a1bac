"""Distillation: a student trains on labels and on what a teacher says, plain or while its weights are compressed."""

import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar

import keras

from tfcompress.errors import RecipeError, TfCompressWarning
from tfcompress.teaching.distilled import Distilled
from tfcompress.teaching.logits_cache import LogitsCache
from tfcompress.teaching.objective import store_plain
from tfcompress.teaching.objectives import make_objective
from tfcompress.teaching.output_kinds import make_said
from tfcompress.teaching.soft_targets import SoftTargets
from tfcompress.teaching.teachers import Source
from tfcompress.techniques.kernels import WeightTechnique, wrap_kernels
from tfcompress.techniques.technique import Property, Technique, check_ready


@dataclass(frozen=True)
class Distillation(Technique):
    """Trains the model, as the student, on the loss that it is compiled with and on what a teacher says.

        L = (1 - alpha) * the user's loss + alpha * sum over objectives of weight * objective

    The student may be the model to be compressed itself: without a `teacher` the model as it was is the teacher of what
    `during` makes of it. `during` puts the transforms of a weight technique to work in the same training (low-precision
    or pruned students). A smaller student is a model of the user's own, or `tfc.student(model)`.

    The wrapped model is a Keras model with the student's graph: compile it with the loss, metrics and optimizer that
    the student would have without a teacher. Where the teacher runs and what Keras' own Distiller would have done, see
    `teaching.distilled.Distilled`.

    Args:
        teacher: A Keras model, a file of one, what `tfc.cache_logits` wrote or gave, or several of these as an ensemble
            whose logits are averaged; by default the model as it is wrapped. It is never changed. A recipe names files;
            checkpoints of the training have the weights of a model in them, and of a file its name.
        objectives: What the student is to have in common with it: objects such as `tfc.SoftTargets(temperature=4)`,
            their names or tables, functions of (student output, teacher output), or losses of `keras.distillation`.
        alpha: The share of the objectives in the loss, in [0, 1].
        during: A weight technique to train with, such as `tfc.QuantizationAware(bits=4)`.
        outputs: What student and teacher put out, where their last layer does not tell: `"logits"` of classes that
            exclude each other, `"softmax"`, `"sigmoid"`, or `"sigmoid_logits"`, of which a sigmoid makes the
            probabilities of independent labels; for several outputs a table of these by the student's names.

    Raises:
        RecipeError: A setting is out of range or of another kind.

    Example:
        >>> import numpy as np
        >>> import tfcompress as tfc
        >>> def classifier(units):
        ...     layers = [keras.layers.Dense(units, activation="relu"), keras.layers.Dense(3, activation="softmax")]
        ...     return keras.Sequential([keras.Input((8,)), *layers])
        >>> teacher, student = classifier(32), classifier(4)
        >>> distillation = tfc.Distillation(teacher, [tfc.SoftTargets(temperature=3.0)], alpha=0.7)
        >>> learning = distillation.wrap(student)
        >>> learning.compile("sgd", "sparse_categorical_crossentropy")
        >>> _ = learning.fit(np.ones((8, 8)), np.zeros(8), verbose=0)
        >>> [type(layer).__name__ for layer in distillation.strip(learning).layers]
        ['InputLayer', 'Dense', 'Dense']

    Reference:
        Hinton et al., arXiv:1503.02531; around low precision: Mishra and Marr, "Apprentice", arXiv:1711.05852.
    """

    nested: ClassVar[tuple[str, ...]] = ("during",)

    teacher: Source | Sequence[Source] | None = None
    objectives: Sequence[Any] = (SoftTargets(),)
    alpha: float = 0.9
    during: WeightTechnique | None = None
    outputs: str | Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        objectives = self.objectives if isinstance(self.objectives, (tuple, list)) else [self.objectives]
        object.__setattr__(self, "objectives", tuple(make_objective(item) for item in objectives))
        if not self.objectives:
            raise RecipeError("Distillation needs an objective, such as tfc.SoftTargets(temperature=4).")
        store_plain(self)
        if isinstance(self.alpha, bool) or not isinstance(self.alpha, Real) or not 0 <= self.alpha <= 1:
            raise RecipeError(f"Distillation: alpha must be a share in [0, 1], not {self.alpha!r}.")
        if self.during is not None and not isinstance(self.during, WeightTechnique):
            raise RecipeError(
                f"Distillation cannot take {type(self.during).__name__} as `during`: it takes a technique that "
                "transforms weights. Make the other one a step of its own."
            )
        make_said("Distillation: outputs", self.outputs)
        object.__setattr__(self, "teacher", _checked(self.teacher))

    @property
    def trains(self) -> bool:
        """True: a student learns."""
        return True

    @property
    def establishes(self) -> frozenset[Property]:  # type: ignore[override]
        """What `during` establishes."""
        return self.during.establishes if self.during else frozenset()

    @property
    def preserves(self) -> frozenset[Property]:  # type: ignore[override]
        """What `during` preserves; alone it keeps zeros and clusters as they are."""
        return self.during.preserves if self.during else frozenset({Property.SPARSITY, Property.CLUSTERS})

    @property
    def reads(self) -> tuple[Path, ...]:
        """The files of teachers, and those that `during` reads."""
        own = tuple(Path(source) for source in _listed(self.teacher) if isinstance(source, str))
        return own + (self.during.reads if self.during else ())

    def conflict(self, earlier: Technique) -> str | None:
        """The conflict that `during` has."""
        return super().conflict(earlier) or (self.during.conflict(earlier) if self.during else None)

    def wrap(self, model: keras.Model) -> keras.Model:
        """A new model that learns from the teacher when it is compiled and fitted; the plan is printed on stderr.

        Raises:
            RecipeError: A setting or an objective does not fit model or teacher, or the model is wrapped already.
            ModelError: Outputs differ in shape or kind, a file cannot be read, or a weight is NaN or infinite.
            FormatError: A file of cached logits is damaged.

        Warns:
            TfCompressWarning: Outputs that are compared have other names, so they are paired in order; or the model is
                its own teacher, and nothing happens to it that it could learn.
        """
        check_ready(model)
        own_step = next((name for name in ("train_step", "compute_loss") if _overrides(model, name)), None)
        if own_step:
            raise RecipeError(
                f"The model {model.name!r} is a {type(model).__name__} with a {own_step} of its own, which would not "
                "see the teacher. Give the plain graph: keras.Model(model.inputs, model.outputs)."
            )
        student = self.during.wrap(model) if self.during else wrap_kernels(model, {})
        if self.teacher is None and self.during is None:
            warnings.warn(
                "Distillation has neither a teacher nor a technique to train with: the model learns from itself as it "
                "is, with objectives that begin at 0 (but for dropout) and only hold it there. Give a teacher, or "
                "during=tfc.QuantizationAware(bits=4).",
                TfCompressWarning,
                stacklevel=2,
            )
        said = make_said("Distillation: outputs", self.outputs)
        learning = Distilled(student, _listed(self.teacher) or [model], self.objectives, self.alpha, said)
        learning.check_values()
        print(learning.plan, file=sys.stderr)
        return learning

    def to_settings(self) -> dict[str, Any]:
        """See `Technique.to_settings`.

        Raises:
            RecipeError: A teacher is no file, or an objective is a function without a name: a recipe is a text.
        """
        settings = super().to_settings()
        if any(isinstance(source, keras.Model) for source in _listed(self.teacher)):
            raise RecipeError(
                "A recipe names the teacher's file, and this Distillation has a model. Save it, "
                'teacher.save("teacher.keras"), and give the path.'
            )
        for objective in self.objectives:
            function = getattr(objective, "function", "")
            if not isinstance(function, str):
                raise RecipeError(
                    f"A recipe holds names, and {function!r} has none. Register the function with "
                    "keras.saving.register_keras_serializable and give it again."
                )
        return settings


def _overrides(model: keras.Model, name: str) -> bool:
    return getattr(type(model), name) is not getattr(keras.Model, name)


def _listed(teacher: Any) -> list[Source]:
    if teacher is None:
        return []
    return list(teacher) if isinstance(teacher, tuple) else [teacher]


def _checked(teacher: Any) -> Any:
    """The teacher with several as a tuple, and files as texts, which compare and print alike."""
    several = isinstance(teacher, Iterable) and not isinstance(teacher, (str, keras.Model))
    sources = list(teacher) if several else [teacher]
    if not sources:
        raise RecipeError(
            "Distillation: the list of teachers is empty. Give one, or leave `teacher` out: then the model as it was "
            "teaches what `during` makes of it."
        )
    for source in sources:
        if (several or source is not None) and not isinstance(source, (str, Path, keras.Model, LogitsCache)):
            raise RecipeError(
                f"Distillation: the teacher is {source!r}. Give a Keras model, the file of one, or what "
                "tfc.cache_logits gave; several for an ensemble."
            )
    files = [source.path if isinstance(source, LogitsCache) else source for source in sources]
    plain = [str(file) if isinstance(file, Path) else file for file in files]
    return tuple(plain) if several else plain[0]
