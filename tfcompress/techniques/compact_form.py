"""What every compact form is: plain convolutions of a flat model in, a flat model with that form out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from tfcompress.errors import RecipeError
from tfcompress.models.surgery import flatten, rebuild


@dataclass(frozen=True)
class Form(ABC):
    """What plain convolutions become."""

    whole: ClassVar[bool] = False
    """Whether the network is rewritten as a whole, so that no layer can be left out."""

    @abstractmethod
    def left_alone(self, flat: keras.Model, convolutions: Collection[keras.layers.Conv2D]) -> dict[str, str]:
        """The convolutions, by name, that this form cannot or need not rewrite, and why.

        Raises:
            UnsupportedLayerError: One cannot be rewritten with these settings; the message names it.
        """

    @abstractmethod
    def rewrite(self, flat: keras.Model, names: Collection[str]) -> keras.Model:
        """A new flat model in which the convolutions of these names have the form, their weights fresh."""


class OneByOne(Form):
    """A form that replaces each convolution by itself, whatever is around it."""

    @abstractmethod
    def replacement(self, source: keras.layers.Conv2D) -> keras.Layer:
        """The layer, or the model, in place of a convolution."""

    @abstractmethod
    def reason(self, source: keras.layers.Conv2D) -> str | None:
        """Why a convolution is left alone, or None."""

    def left_alone(self, flat: keras.Model, convolutions: Collection[keras.layers.Conv2D]) -> dict[str, str]:
        """See `reason`."""
        found = {source.name: self.reason(source) for source in convolutions}
        return {name: reason for name, reason in found.items() if reason}

    def rewrite(self, flat: keras.Model, names: Collection[str]) -> keras.Model:
        """See `replacement`."""

        def replace(clone: keras.Layer, source: keras.Layer) -> keras.Layer:
            return self.replacement(source) if source.name in names else clone

        return flatten(rebuild(flat, replace))


def nested(source: keras.layers.Conv2D, make: Callable[[Any], Any]) -> keras.Model:
    """A block for the inputs of a convolution, of any size, as a model that `flatten` dissolves."""
    inputs = keras.Input((None, None, source.kernel.shape[2]), dtype=source.compute_dtype)
    return keras.Model(inputs, make(inputs), name=f"{source.name}_block")


def check_whole(form: str, setting: str, value: Any, least: int) -> None:
    """Refuses a setting of a form that is no whole number from `least`.

    Raises:
        RecipeError: The message names form and setting.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise RecipeError(f"{form}: {setting} must be a whole number from {least}, not {value!r}.")
