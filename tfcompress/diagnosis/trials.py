"""The files that a repair tries, each on top of those that helped, and the best of them so far."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfcompress.runtime.session import predict

Predict = Callable[[Any], Any]
"""A function from inputs to outputs, as `keras.Model.predict`."""


@dataclass(frozen=True)
class Trial:
    """A file that was tried.

    Attributes:
        steps: The names of the repairs in it; none for the file as it was.
        score: The user's metric, or the signal-to-noise ratio of the outputs where there is none.
        bytes: The size of the file.
        kept: Whether the next trials build on it.
    """

    steps: tuple[str, ...]
    score: float
    bytes: int
    kept: bool


@dataclass
class Trials:
    """What was tried so far.

    Attributes:
        score: Gives the score of whatever predicts, the larger the better.
        file: The best file.
        done: The trials, the file as it was first.
    """

    score: Callable[[Predict], float]
    file: Path
    done: list[Trial] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.attempt((), self.file)

    @property
    def best(self) -> Trial:
        """The trial of the best file."""
        return [trial for trial in self.done if trial.kept][-1]

    def attempt(self, steps: tuple[str, ...], file: Path) -> bool:
        """Scores a file and says whether it is the best so far."""
        score = self.score(lambda inputs: predict(file, inputs))
        better = not self.done or score > self.best.score
        self.done.append(Trial(steps, score, file.stat().st_size, better))
        if better:
            self.file = file
        return better
