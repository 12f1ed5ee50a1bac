"""An objective of the user's own: any function of what student and teacher give, or one of Keras' losses."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeAlias

import keras

from tfcompress.errors import RecipeError, first_line
from tfcompress.teaching.objective import FeatureObjective
from tfcompress.teaching.output_kinds import OutputKind

Comparison: TypeAlias = Callable[[Any, Any], Any]


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class Custom(FeatureObjective):
    """Compares what student and teacher give by any function.

    It is called as `function(student, teacher)` and gives a loss for each sample, or for each position of a sequence,
    of which those that Keras masks are left out; or one for the batch, in which neither weights nor masks can count. A
    loss of Keras is called as `loss(teacher, student)`, whether it comes by name, as a function or as an object: the
    teacher stands for the truth. By default the outputs are compared as they are, each by itself; with `layers` the
    features of these layers.

    A recipe can hold it only under a name: that of a function registered with
    `keras.saving.register_keras_serializable`, or of a loss of Keras. A model saved in mid-training can hold a loss
    object too.

    A `keras.distillation` loss may stand here, or directly in the list of objectives. Keras 3.15 takes softmax and T^2
    only for an object of `KLDivergence`, so the default function of `LogitsDistillation` is refused:
    `LogitsDistillation(temperature=3, loss=keras.losses.KLDivergence())` on logits is what `tfc.SoftTargets` computes.

    Args:
        function: The function, its registered name, or a loss of Keras: an object, a function, or a name such as
            `"mae"`.

    Raises:
        RecipeError: It is no function, no function has this name, or `LogitsDistillation` would compare logits by a
            loss for probabilities.

    Example:
        >>> import numpy as np
        >>> objective = Custom(lambda student, teacher: keras.ops.mean(keras.ops.absolute(student - teacher)))
        >>> float(objective.loss(np.array([[1.0]]), np.array([[3.0]])))
        2.0
    """

    pairing: ClassVar[str] = "outputs"

    function: Comparison | str | keras.distillation.DistillationLoss = "mse"

    def __post_init__(self) -> None:
        super().__post_init__()
        function = self.function
        if isinstance(function, str):
            _named(function)
        elif isinstance(function, keras.distillation.DistillationLoss):
            _check_logits(function)
            ours, theirs = (getattr(function, f"{who}_layer_name", None) for who in ("student", "teacher"))
            if ours and theirs and not self.layers:
                object.__setattr__(self, "layers", {ours: theirs})
        elif isinstance(function, type):
            raise RecipeError(f"Custom: {function.__name__} is a class. Make an object of it: {function.__name__}().")
        elif not callable(function):
            raise RecipeError(f"Custom: {function!r} is no function of (student, teacher) and no name of one.")
        else:
            object.__setattr__(self, "function", _name_of(function) or function)

    def loss(self, student: Any, teacher: Any) -> Any:
        """What the function gives."""
        return _comparison(self.function)(student, teacher)

    def doubt(self, kind: Any) -> str | None:
        """Keras' own `LogitsDistillation` takes whatever it is given for logits, and some losses for probabilities."""
        if kind in (OutputKind.LOGITS, OutputKind.SIGMOID_LOGITS) and _takes_probabilities(self.function):
            return (
                "the loss of Custom takes probabilities, and the output gives logits, of which it takes those below 0 "
                "for 0. Take tfc.SoftTargets, or tfc.LogitRegression."
            )
        if kind is OutputKind.LOGITS or not isinstance(self.function, keras.distillation.LogitsDistillation):
            return None
        return (
            f"{type(self.function).__name__} takes logits, and the output gives {kind.value}, which it softens "
            "once more. Take tfc.SoftTargets, which recovers the logits."
        )

    def get_config(self) -> dict[str, Any]:
        """The fields as plain data; a function that has no name is left to Keras, which says how to register it."""
        config = super().get_config()
        if not isinstance(self.function, str):
            config["function"] = keras.saving.serialize_keras_object(self.function)
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Custom":
        """Makes the objective from what `get_config` gave; a recipe, which is not trusted as such, has names only."""
        function = config["function"]
        if isinstance(function, Mapping):
            function = keras.saving.deserialize_keras_object(dict(function))
        return cls(**{**config, "function": function})


def _comparison(function: Any) -> Comparison:
    """The function of (student, teacher) that any of the accepted forms stands for."""
    if isinstance(function, str):
        function = _named(function)
    if isinstance(function, keras.distillation.DistillationLoss):
        function = function.compute_loss
    elif isinstance(function, keras.losses.Loss):
        # `call` gives a value for each sample, in which weights can count; calling the object gives their mean.
        function = function if function.reduction == "sum" else function.call
    elif not _is_loss_of_keras(function):
        return function
    return lambda student, teacher: function(teacher, student)


def _named(name: str) -> Any:
    """What is registered under a name, or the Keras loss of this name."""
    registered = keras.saving.get_registered_object(name)
    if isinstance(registered, type) and issubclass(registered, keras.losses.Loss):
        return registered()
    if registered is not None and not isinstance(registered, type):
        return registered
    try:
        return keras.losses.get(name)
    except ValueError as error:
        raise RecipeError(
            f"Custom: no function is registered as {name!r}, and Keras has no such loss ({first_line(error)}). "
            "Register it with keras.saving.register_keras_serializable, and import its module first."
        ) from error


def _name_of(function: Any) -> str | None:
    """The name under which `_named` finds a function again; None where there is none."""
    name = getattr(function, "__name__", None)
    if not isinstance(name, str) or not isinstance(function, Hashable):
        return None
    registered = keras.saving.get_registered_name(function)
    for known in (registered, name):
        try:
            if _named(known) is function:
                return known
        except RecipeError:
            continue
    return None


def _is_loss_of_keras(function: Any) -> bool:
    """Whether a function takes (truth, prediction) because it is one of Keras' losses, perhaps with settings bound."""
    while isinstance(function, partial) and not function.args:
        function = function.func
    # Not `keras.losses.get`, which does not know every function that stands in `keras.losses`.
    name = getattr(function, "__name__", None)
    return isinstance(name, str) and getattr(keras.losses, name, None) is function


def _takes_probabilities(function: Any) -> bool:
    """Whether it is a loss of Keras for probabilities, with no setting that says it is given logits."""
    function = _named(function) if isinstance(function, str) else function
    settings: dict[str, Any] = {}
    while isinstance(function, partial):
        settings, function = {**function.keywords, **settings}, function.func
    if isinstance(function, keras.losses.Loss):
        settings = function.get_config()
    known = (
        *(keras.losses.kl_divergence, keras.losses.categorical_crossentropy, keras.losses.binary_crossentropy),
        *(keras.losses.KLDivergence, keras.losses.CategoricalCrossentropy, keras.losses.BinaryCrossentropy),
    )
    return (function in known or type(function) in known) and not settings.get("from_logits", False)


def _check_logits(loss: keras.distillation.DistillationLoss) -> None:
    """Refuses Keras' `LogitsDistillation` with a loss that needs the probabilities which it does not make."""
    if not isinstance(loss, keras.distillation.LogitsDistillation):
        return
    for held in keras.tree.flatten(loss.loss):
        if held in (keras.losses.kl_divergence, keras.losses.categorical_crossentropy):
            raise RecipeError(
                f"Custom: {type(loss).__name__} holds the function {held.__name__}, which takes probabilities, and "
                "Keras hands it logits: it takes softmax and T^2 only for an object. Give "
                "loss=keras.losses.KLDivergence(), or take tfc.SoftTargets, which does the same."
            )
