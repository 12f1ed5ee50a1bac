"""An objective of the user's own: any function of what student and teacher give, or one of Keras' losses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from tfcompress.errors import RecipeError, first_line
from tfcompress.teaching.objective import FeatureObjective


@keras.saving.register_keras_serializable("tfcompress")
@dataclass(frozen=True)
class Custom(FeatureObjective):
    """Compares what student and teacher give by any function.

    It is called as `function(student, teacher)` and gives a loss for each sample, or one for the batch. By default it
    sees the outputs as they are, one pair for each; with `layers` the features of these layers. A recipe, and a model
    saved in mid-training, can hold it only under a name: that of a function registered with
    `keras.saving.register_keras_serializable`, or of a loss of Keras, which is called as (teacher, student).

    A `keras.distillation` loss may stand here too: `Custom(keras.distillation.LogitsDistillation(temperature=3))`, or
    directly in the list of objectives.

    Args:
        function: The function, its registered name, or the name of a Keras loss such as `"mae"`.

    Raises:
        RecipeError: It is no function, or no function has this name.

    Example:
        >>> import numpy as np
        >>> objective = Custom(lambda student, teacher: keras.ops.mean(keras.ops.absolute(student - teacher)))
        >>> float(objective.loss(np.array([[1.0]]), np.array([[3.0]])))
        2.0
    """

    pairing: ClassVar[str] = "outputs"

    function: Callable[[Any, Any], Any] | str = "mse"

    def __post_init__(self) -> None:
        super().__post_init__()
        function = self.function
        if callable(function):
            name = keras.saving.get_registered_name(function)
            if keras.saving.get_registered_object(name) is function:
                object.__setattr__(self, "function", name)
        elif isinstance(function, str):
            _named(function)
        elif not isinstance(function, keras.distillation.DistillationLoss):
            raise RecipeError(f"Custom: {function!r} is no function of (student, teacher) and no name of one.")
        if isinstance(self.function, keras.distillation.DistillationLoss) and not self.layers:
            ours, theirs = (getattr(self.function, f"{who}_layer_name", None) for who in ("student", "teacher"))
            object.__setattr__(self, "layers", {ours: theirs} if ours and theirs else {})

    def loss(self, student: Any, teacher: Any) -> Any:
        """What the function gives."""
        if isinstance(self.function, keras.distillation.DistillationLoss):
            return self.function.compute_loss(teacher, student)
        function = _named(self.function) if isinstance(self.function, str) else self.function
        return function(student, teacher)

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


def _named(name: str) -> Callable[[Any, Any], Any]:
    """The function of (student, teacher) with a registered name, or made of the Keras loss of this name."""
    registered = keras.saving.get_registered_object(name)
    if registered is not None:
        return registered
    try:
        loss = keras.losses.get(name)
    except ValueError as error:
        raise RecipeError(
            f"Custom: no function is registered as {name!r}, and Keras has no such loss ({first_line(error)}). "
            "Register it with keras.saving.register_keras_serializable, and import its module first."
        ) from error
    return lambda student, teacher: loss(teacher, student)
