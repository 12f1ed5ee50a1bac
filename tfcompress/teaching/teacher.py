"""What a teacher is: for a batch of inputs it gives a lesson, and it says what its outputs are."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfcompress.errors import DataError, RecipeError
from tfcompress.teaching.features import Feature
from tfcompress.teaching.matching import order_like
from tfcompress.teaching.output_kinds import OutputKind

EXAMPLES = 4
"""How many samples' outputs are looked at to tell what they are."""


@dataclass(frozen=True)
class Lesson:
    """What a teacher says of one batch.

    Attributes:
        outputs: Its outputs, flat, in float32.
        features: The outputs of the layers that were asked for, by name, in float32.
    """

    outputs: list[Any]
    features: dict[str, Any]


class Teacher(ABC):
    """Gives a lesson for a batch of inputs.

    Attributes:
        name: Of the model or file.
        names: The name of each output; none of a model whose graph is hidden.
        kinds: What each output holds; empty where it cannot be told.
        shapes: The shape of each output without the batch; empty where it is not known before the teacher runs.
        input_names: The name of each input; none of a model whose graph is hidden.
        supports_jit: Whether it can be called in a step that XLA compiles.
        in_half: Whether it computes its outputs in half precision.
    """

    name: str
    names: tuple[str, ...]
    kinds: list[OutputKind]
    shapes: list[tuple[int | None, ...]]
    input_names: tuple[str, ...]
    supports_jit = True
    in_half = False

    @abstractmethod
    def __call__(self, inputs: Any) -> Lesson:
        """The lesson for a batch; no gradient passes it."""

    @property
    @abstractmethod
    def weights_hash(self) -> str:
        """16 hexadecimal digits that name the weights it teaches with."""

    @property
    def description(self) -> str:
        """Its name, and what else there is to know of where its outputs are from."""
        return self.name

    @property
    def refusal(self) -> DataError | None:
        """Why no lesson could be given for a batch. TensorFlow hands on the text of an exception only."""
        return None

    def forget_refusal(self) -> None:  # noqa: B027  most refuse nothing
        """Forgets why an earlier batch was refused."""

    def align(
        self, names: Sequence[str], said: Sequence[OutputKind | None] = (), assumed: Sequence[OutputKind] = ()
    ) -> None:
        """Puts the outputs in the order of the student's: by name where the names agree, else as they are.

        Args:
            names: Of the student's outputs, in flat order.
            said: What each of them holds, where the user said it.
            assumed: What each is taken to hold where neither the user nor this teacher says it.
        """
        order = order_like(names, self.names) if self.names else list(range(len(self.shapes)))
        self._reorder(names, order)
        self.names = tuple(self.names[place] for place in order if self.names)
        self.shapes = [self.shapes[place] for place in order if self.shapes]
        own = [self.kinds[place] for place in order if self.kinds] or list(assumed)
        fits = len(said) == len(own)
        self.kinds = [one or other for one, other in zip(said, own, strict=True)] if fits else own

    @abstractmethod
    def _reorder(self, names: Sequence[str], order: list[int]) -> None:
        """Gives the outputs of all lessons to come in this order, which is empty where nothing is known of them."""

    def examples(self, inputs: Any) -> list[tuple[str, list[np.ndarray]]]:
        """What each of the teachers in it, by name, puts out for a few inputs, or did put out for others."""
        return [(self.name, [np.asarray(output) for output in self(inputs).outputs])]

    def features(self) -> list[Feature]:
        """The layers whose features may be asked for.

        Raises:
            RecipeError: This teacher has none.
        """
        raise RecipeError(
            f"The teacher {self.name} gives outputs only. Objectives on layers need one model as their teacher."
        )

    def tap(self, names: Collection[str]) -> None:
        """Asks for the features of these layers in all lessons to come."""
        raise RecipeError(f"The teacher {self.name} has no layers to give features of: {', '.join(sorted(names))}.")
