"""What is measured before the first trial: the loss of each kernel under zeros and under few values."""

import json
import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path

import keras
import kmeans1d
import numpy as np

from tfcompress.errors import DataError, FormatError, RecipeError
from tfcompress.files import write_text
from tfcompress.models.surgery import copy
from tfcompress.progress import task
from tfcompress.techniques.kernels import kernels_of
from tfcompress.techniques.sensitivity import sensitivity
from tfcompress.transforms.sensitivity_table import SensitivityTable

_SHARES = (0.5, 0.7, 0.8, 0.9, 0.95)
_SAMPLED = 20_000  # entries of a kernel that its shared values are found on


@dataclass(frozen=True)
class Knowledge:
    """The score of the whole model, and what it loses with one kernel changed alone; nothing is trained for it.

    Attributes:
        zeros: The losses under zeros.
        clusters: Numbers of values, ascending.
        values: For each kernel, the loss under each number of `clusters`.
    """

    zeros: SensitivityTable
    clusters: tuple[int, ...]
    values: dict[str, tuple[float, ...]]

    def shares(self, sparsity: float) -> dict[str, float]:
        """Each kernel's share of zeros for a total, at the least loss for each weight removed.

        Where the measured shares do not reach the total, all kernels get it alike.
        """
        if not sparsity:
            return {}
        try:
            found = self.zeros.allocate(total=sparsity)
        except RecipeError:
            return {escape(kernel.name): sparsity for kernel in self.zeros.kernels}
        return {name: round(share, 4) for name, share in found.items()}

    def loss(self, sparsity: float, clusters: int) -> float:
        """The losses of all kernels added up: an estimate, before training wins part of it back."""
        shares = self.shares(sparsity)
        lost = sum(
            self._loss_of_zeros(kernel.name, shares.get(escape(kernel.name), 0)) for kernel in self.zeros.kernels
        )
        if clusters:
            at = min(bisect_left(self.clusters, clusters), len(self.clusters) - 1)
            lost += sum(losses[at] for losses in self.values.values())
        return float(lost)

    def _loss_of_zeros(self, name: str, share: float) -> float:
        curve = next(kernel for kernel in self.zeros.kernels if kernel.name == name)
        return float(np.interp(share, (0.0, *self.zeros.shares), (0.0, *self.zeros.losses(curve))))

    def save(self, folder: Path) -> None:
        """Writes both tables; the first as `tfc.report` reads it."""
        write_text(folder / "sensitivity.json", self.zeros.to_json())
        content = {"clusters": self.clusters, "values": self.values}
        write_text(folder / "sensitivity_to_clusters.json", json.dumps(content, indent=2, allow_nan=False))

    @classmethod
    def load(cls, folder: Path) -> "Knowledge | None":
        """Reads back what `save` wrote; None where it is not there."""
        first, second = folder / "sensitivity.json", folder / "sensitivity_to_clusters.json"
        if not (first.is_file() and second.is_file()):
            return None
        zeros = SensitivityTable.from_json(first.read_text(encoding="utf-8"))
        try:
            content = json.loads(second.read_text(encoding="utf-8"))
            values = {str(name): tuple(map(float, losses)) for name, losses in content["values"].items()}
            return cls(zeros, tuple(map(int, content["clusters"])), values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FormatError(f"{second} is damaged ({error!r}). Remove it, and it is measured again.") from error


def measure_knowledge(
    model: keras.Model, evaluate: Callable[[keras.Model], float | None], clusters: Sequence[int]
) -> Knowledge:
    """Changes each kernel alone and evaluates the model.

    Args:
        model: The trained model. It is not changed.
        evaluate: Gives its accuracy.
        clusters: The numbers of values to try.

    Raises:
        DataError: `evaluate` gave no finite number.
    """

    def score(changed: keras.Model) -> float:
        value = evaluate(changed)
        if value is None or not math.isfinite(value):
            raise DataError(f"evaluate gave {value!r}; a search needs the accuracy of a model as a finite number.")
        return float(value)

    zeros = sensitivity(model, score, _SHARES)
    counts = tuple(sorted({count for count in clusters if count}))
    return Knowledge(zeros, counts, _losses_of_values(model, score, counts, zeros.score))


def _losses_of_values(
    model: keras.Model, score: Callable[[keras.Model], float], counts: tuple[int, ...], whole: float
) -> dict[str, tuple[float, ...]]:
    """The loss with each kernel alone on few values; as with zeros, never less than under more values."""
    changed, losses = copy(model), dict[str, tuple[float, ...]]()
    kernels = list(kernels_of(changed))
    with task(f"sensitivity of {model.name} to shared values", total=len(kernels) * len(counts)) as progress:
        for kernel in kernels:
            trained, worst, found = kernel.variable.numpy(), 0.0, list[float]()
            for count in sorted(counts, reverse=True):
                kernel.variable.assign(on_few_values(trained, count))
                worst = max(worst, whole - score(changed))
                found.append(worst)
                progress.advance()
            kernel.variable.assign(trained)
            losses[kernel.name] = tuple(reversed(found))
    return losses


def on_few_values(values: np.ndarray, count: int) -> np.ndarray:
    """Each entry becomes the nearest of `count` values, which are optimal for a regular sample of the entries.

    Example:
        >>> on_few_values(np.array([0.0, 0.1, 5.0, 5.1]), 2).tolist()
        [0.05, 0.05, 5.05, 5.05]
    """
    flat = np.sort(values, axis=None)
    sample = flat[:: max(1, len(flat) // _SAMPLED)]
    if len(np.unique(sample)) <= count:
        return values
    centres = np.sort(np.asarray(kmeans1d.cluster(sample.astype(float), count).centroids))
    borders = (centres[1:] + centres[:-1]) / 2
    return np.asarray(centres[np.searchsorted(borders, values)], values.dtype)
