"""What an objective is: one thing that a student is to have in common with its teacher, as a loss."""

import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any, ClassVar

import keras
import tensorflow as tf

from tfcompress.errors import RecipeError, TfCompressWarning
from tfcompress.transforms.named import as_table, named


@dataclass(frozen=True)
class Linear:
    """A weight that goes from `start` to `end` in equal parts over the first `steps` training batches, then stays.

    Args:
        start: The weight at the first batch, from 0.
        end: The weight from batch `steps` on, from 0.
        steps: The number of batches in between, from 1.

    Raises:
        RecipeError: A number is out of range.

    Example:
        >>> float(Linear(4.0, 1.0, steps=3).at(1.0))
        3.0
    """

    start: float = 0.0
    end: float = 1.0
    steps: int = 1000

    def __post_init__(self) -> None:
        store_plain(self)
        check_number("Linear: start", self.start)
        check_number("Linear: end", self.end)
        check_count("Linear: steps", self.steps)

    def at(self, step: Any) -> Any:
        """The weight at a training batch, counted from 0; a float32 scalar."""
        return self.start + (self.end - self.start) * keras.ops.minimum(step / float(self.steps), 1.0)


@dataclass(frozen=True)
class Objective(ABC):  # noqa: B024  what is abstract differs between objectives on outputs and on features
    """A loss between student and teacher. A subclass is a frozen dataclass; its fields are the keys of its table.

    It is registered with `keras.saving.register_keras_serializable("tfcompress")`, so that models saved in mid-training
    carry it.

    `sample_weight` of `fit` multiplies the loss of each sample, as it does the user's own loss; so does `class_weight`,
    which Keras turns into weights of the samples by their labels. What a teacher says of a class that weighs more
    counts more.
    """

    weight: float | Linear = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        store_plain(self)
        if isinstance(self.weight, Mapping):
            object.__setattr__(self, "weight", named("weight", {"type": "Linear", **self.weight}, {"Linear": Linear}))
        if not isinstance(self.weight, Linear):
            check_number(f"{type(self).__name__}: weight", self.weight)

    def weight_at(self, step: Any) -> Any:
        """The weight at a training batch, counted from 0."""
        return self.weight.at(step) if isinstance(self.weight, Linear) else self.weight

    @property
    def first_steps(self) -> int:
        """The number of training batches, from the start, in which only objectives that have such steps are trained."""
        return 0

    @property
    def title(self) -> str:
        """The name under which training logs show the loss."""
        return re.sub("(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()

    def get_config(self) -> dict[str, Any]:
        """The fields as plain data, for Keras."""
        return {item.name: as_table(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Objective":
        """Makes the objective from what `get_config` gave."""
        return cls(**config)


@dataclass(frozen=True)
class OutputObjective(Objective):
    """An objective on what student and teacher put out.

    Args:
        output: The name of the output it is for, in a student that has several; by default each one that it fits.
    """

    of_values: ClassVar[bool] = False
    """Whether it compares values as they are, so that it fits regression; otherwise distributions over classes."""
    needs_labels: ClassVar[bool] = False

    output: str | None = field(default=None, kw_only=True)

    @abstractmethod
    def loss(self, student: Any, teacher: Any, target: Any) -> Any:
        """The loss of one output.

        Args:
            student: What the student gave, shape (batch, ..., classes): logits, or values where `of_values` is set.
            teacher: The same of the teacher; no gradient passes it.
            target: The user's own target of this output, or None.

        Returns:
            One value for each sample, or for each position of it, whose mean is the loss.
        """

    def masked_loss(self, student: Any, teacher: Any, target: Any, mask: Any) -> Any:
        """`loss` of a sequence, with what is padding left out of the sum and of the number of positions.

        Args:
            student: See `loss`.
            teacher: See `loss`.
            target: See `loss`.
            mask: The mask that Keras keeps with the student's output, true where a position is no padding.
        """
        return over_real(self.loss(student, teacher, target), mask)


@dataclass(frozen=True)
class FeatureObjective(Objective):
    """An objective on what layers of student and teacher give.

    Positions of a sequence that the student's mask calls padding are 0 on both sides, and do not count where a loss is
    a mean over positions. Weights of samples that differ between outputs are averaged.

    Args:
        layers: For names of the student's layers, the names of the teacher's layers to be compared with. By default
            they are paired automatically, and the pairs are printed.
    """

    pairing: ClassVar[str] = "stages"
    """How layers are paired automatically; see `pairing`."""
    over_positions: ClassVar[bool] = False
    """Whether the loss of a sample is a mean over its positions, so that padding must not count among them."""

    layers: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    @abstractmethod
    def loss(self, student: Any, teacher: Any) -> Any:
        """The loss of one pair of features: a value for each sample, or one for the batch."""

    def misfit(self, student: tuple[Any, ...], teacher: tuple[Any, ...]) -> str | None:
        """Why features of these shapes, the batch in front, cannot be compared; None where they can."""
        return None

    def doubt(self, kind: Any) -> str | None:
        """Why an output of this `OutputKind`, taken as it is, is hardly meant; None where it may be."""
        return None

    def regressor(self, student: tuple[Any, ...], teacher: tuple[Any, ...]) -> keras.Layer | None:
        """A layer to be trained along, that brings the student's features to the teacher's shape; None for none."""
        return None


def weighted_mean(values: Any, sample_weight: Any) -> Any:
    """The mean of losses, each multiplied by the weight of its sample where there are weights, as Keras does it.

    Args:
        values: A scalar, or losses of shape (batch, ...).
        sample_weight: None, or weights of shape (batch, ...). Those of positions that the losses do not have, such as
            of words where a loss stands for a whole sequence, are averaged for each sample.

    Warns:
        TfCompressWarning: There are weights, and a scalar, in which they cannot count.
    """
    if sample_weight is None:
        return keras.ops.mean(values)
    if not len(values.shape):
        warnings.warn(
            "An objective gives one loss for the whole batch, so weights of samples and classes do not count in it. "
            "Let its function give one for each sample.",
            TfCompressWarning,
            stacklevel=2,
        )
        return values
    weights = keras.ops.cast(sample_weight, values.dtype)
    common = list(zip(weights.shape, values.shape, strict=False))
    if any(one not in (None, 1, loss) and loss is not None for one, loss in common[1:]):
        weights = of_samples(weights)
    elif len(weights.shape) > len(values.shape):
        weights = keras.ops.mean(weights, axis=tuple(range(len(values.shape), len(weights.shape))))
    while len(weights.shape) < len(values.shape):
        weights = keras.ops.expand_dims(weights, -1)
    return keras.ops.mean(values * weights)


def over_real(losses: Any, real: Any) -> Any:
    """Losses of positions, 0 where these are padding, and scaled so that their mean is that over the others.

    Args:
        losses: Shape (batch, ...).
        real: Which positions are no padding, of the shape of the first axes of `losses`.

    Example:
        >>> import numpy as np
        >>> over_real(np.array([[3.0, 5.0]]), np.array([[True, False]])).numpy()
        array([[6., 0.]])
    """
    return without_padding(losses, real) / keras.ops.cast(real_share(real), losses.dtype)


def without_padding(values: Any, real: Any) -> Any:
    """Values of positions, 0 where these are padding; the axes of `real` are the first of `values`."""
    real = keras.ops.cast(real, values.dtype)
    while len(real.shape) < len(values.shape):
        real = keras.ops.expand_dims(real, -1)
    return values * real


def real_share(real: Any) -> Any:
    """The share of the positions of a batch that are no padding, above 0; a float32 scalar."""
    return keras.ops.maximum(keras.ops.mean(keras.ops.cast(real, "float32")), keras.config.epsilon())


def difference(student: Any, teacher: Any) -> Any:
    """What the student gives less what the teacher gives, where both must have one shape.

    Features of open sizes may turn out to be of different ones, and a plain difference would broadcast the smaller.

    Example:
        >>> difference(keras.ops.ones((1, 2, 1)), keras.ops.ones((1, 1, 1)))        # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        tensorflow.python.framework.errors_impl.InvalidArgumentError: ...must have the same size and shape...
    """
    return tf.add_n([student, keras.ops.negative(teacher)])


def of_samples(weights: Any) -> Any:
    """Weights of shape (batch, ...) as one for each sample, the mean of its positions."""
    axes = tuple(range(1, len(weights.shape)))
    return keras.ops.mean(weights, axis=axes) if axes else weights


def store_plain(settings: Any) -> None:
    """Makes the numbers among the fields of a frozen dataclass, such as NumPy's, Python's own: recipes hold no others.

    Example:
        >>> import numpy as np
        >>> Linear(end=np.float32(0.5), steps=np.int64(30))
        Linear(start=0.0, end=0.5, steps=30)
    """
    for item in fields(settings):
        value: Any = getattr(settings, item.name)
        if isinstance(value, Real) and not isinstance(value, bool):
            object.__setattr__(settings, item.name, int(value) if isinstance(value, Integral) else float(value))


def check_number(what: str, value: Any, *, above: float | None = None) -> None:
    """Refuses what is no finite number from 0, or none above `above`; numbers of NumPy are numbers too."""
    known = isinstance(value, Real) and not isinstance(value, bool)
    if known and 0 <= value < float("inf") and (above is None or value > above):
        return
    range_text = "a number from 0" if above is None else f"a number above {above:g}"
    raise RecipeError(f"{what} must be {range_text}, not {value!r}.")


def check_temperature(name: str, value: Any) -> None:
    """Refuses a temperature that is not above 0."""
    check_number(f"{name}: temperature", value, above=0)


def check_count(what: str, value: Any) -> None:
    """Refuses what is no whole number from 1; those of NumPy are whole numbers too."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < 1:
        raise RecipeError(f"{what} must be a whole number from 1, not {value!r}.")
