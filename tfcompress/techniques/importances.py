"""What says how much the channels of a group matter: norms, scales, distances, chance, or gradients on data."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfcompress.errors import RecipeError
from tfcompress.models.channel_labels import Role
from tfcompress.models.channels import ChannelGroup
from tfcompress.techniques.taylor import taylor_scores
from tfcompress.transforms.channel_scores import distances, norms, voted
from tfcompress.transforms.named import named

_VALUES = (Role.MAKES, Role.FILTERS, Role.READS, Role.WITHIN, Role.SCALES)


class Importance(ABC):
    """Scores the channels of each group; the lowest go first."""

    @property
    def reads(self) -> tuple[Path, ...]:
        """The files that it reads."""
        return ()

    @abstractmethod
    def scores(self, model: keras.Model, groups: Sequence[ChannelGroup]) -> list[np.ndarray | None]:
        """The scores of each group's channels, none negative; None for a group that it cannot judge.

        Args:
            model: The model that has the groups. It is not changed.
            groups: The groups.

        Returns:
            For each group an array (channels,). Scores of different groups compare.
        """


class _OfWeights(Importance):
    """Scores from the weights of each group alone; each weight has an equal voice, see `channel_scores.voted`."""

    roles: tuple[Role, ...] = _VALUES

    @abstractmethod
    def score(self, rows: np.ndarray) -> np.ndarray:
        """The scores that one weight gives: (channels, values) to (channels,)."""

    def scores(self, model: keras.Model, groups: Sequence[ChannelGroup]) -> list[np.ndarray | None]:
        """The mean over a group's weights, each divided by its own mean."""
        return [
            voted([self.score(item.rows()) for item in group.slices if item.role in self.roles]) for group in groups
        ]


@dataclass(frozen=True)
class L1(_OfWeights):
    """The sum of magnitudes of a channel's weights, wherever the channel is made, filtered, scaled or read.

    Example:
        >>> L1().score(np.array([[3.0, -4.0], [1.0, 0.0]]))
        array([7., 1.])

    Reference:
        Li et al., "Pruning Filters for Efficient ConvNets", arXiv:1608.08710; for groups: Fang et al., "DepGraph",
        arXiv:2301.12900.
    """

    def score(self, rows: np.ndarray) -> np.ndarray:
        """See `channel_scores.norms`."""
        return norms(rows, 1)


@dataclass(frozen=True)
class L2(_OfWeights):
    """The Euclidean norm of a channel's weights, wherever the channel is made, filtered, scaled or read.

    Example:
        >>> L2().score(np.array([[3.0, -4.0], [1.0, 0.0]]))
        array([5., 1.])

    Reference:
        Fang et al., "DepGraph: Towards Any Structural Pruning", arXiv:2301.12900.
    """

    def score(self, rows: np.ndarray) -> np.ndarray:
        """See `channel_scores.norms`."""
        return norms(rows, 2)


@dataclass(frozen=True)
class GeometricMedian(_OfWeights):
    """How far a channel's filter is from all others of its layer: one among many alike is the least missed (FPGM).

    Example:
        >>> GeometricMedian().score(np.array([[0.0], [1.0], [5.0]]))
        array([6., 5., 9.])

    Reference:
        He et al., "Filter Pruning via Geometric Median", arXiv:1811.00250.
    """

    roles: tuple[Role, ...] = (Role.MAKES,)

    def score(self, rows: np.ndarray) -> np.ndarray:
        """See `channel_scores.distances`."""
        return distances(rows)


@dataclass(frozen=True)
class Gamma(Importance):
    """The magnitude of a channel's factor in its batch norms; groups without one stay whole.

    It tells most where training drove factors towards zero, with an L1 regularizer on gamma. Factors of all layers
    compare, so that `Global()` goes with it.

    Reference:
        Liu et al., "Learning Efficient Convolutional Networks through Network Slimming", arXiv:1708.06519.
    """

    def scores(self, model: keras.Model, groups: Sequence[ChannelGroup]) -> list[np.ndarray | None]:
        """The mean over a group's batch norms."""
        return [self._of(group) for group in groups]

    @staticmethod
    def _of(group: ChannelGroup) -> np.ndarray | None:
        factors = [
            np.abs(item.rows()).mean(axis=1)
            for item in group.slices
            if item.role is Role.SCALES and isinstance(item.layer, keras.layers.BatchNormalization)
        ]
        return np.asarray(np.mean(factors, axis=0)) if factors else None


@dataclass(frozen=True)
class Random(Importance):
    """Chance, the baseline that every other importance must beat.

    Args:
        seed: Which draw.
    """

    seed: int = 0

    def scores(self, model: keras.Model, groups: Sequence[ChannelGroup]) -> list[np.ndarray | None]:
        """Uniform draws in (0, 1), the same for the same seed and groups."""
        return [np.random.default_rng([self.seed, n]).random(group.channels) for n, group in enumerate(groups)]


class InMemory:
    """Samples that a Python program holds; a recipe's file cannot."""

    def __init__(self, samples: Any) -> None:
        self.samples = samples


@dataclass(frozen=True)
class Taylor(Importance):
    """How much the loss on data would change without a channel, by a first-order expansion.

    Without channel k all weights that read it could as well be zero, so with the gradients g of the loss

        I_k = mean over batches of (sum of g w over the weights w that read channel k)^2

    Queries and keys of an attention layer are multiplied with each other and not read by weights; there w are the
    weights that make channel k.

    Args:
        samples: `(inputs, targets)` as arrays, some hundred to some thousand of the training samples; or an `.npz` with
            the arrays `x` and `y`, for a recipe in a file.
        loss: The training loss: the name of a Keras loss, a `keras.losses.Loss`, or its table, see `Taylor.loss`.
        batch_size: The samples in a batch, from 1.

    Raises:
        RecipeError: There are no samples or no loss, or a setting is out of range.

    Reference:
        Molchanov et al., "Importance Estimation for Neural Network Pruning", arXiv:1906.10771.
    """

    samples: Any = None
    loss: Any = None
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.samples is None or self.loss is None:
            raise RecipeError(
                f"The importance Taylor needs data and has no {'samples' if self.samples is None else 'loss'}. Write "
                'Taylor(samples=(x, y), loss="mse"), or samples="batch.npz" with the arrays x and y; without data, L2.'
            )
        if not isinstance(self.batch_size, int) or self.batch_size < 1:
            raise RecipeError(f"Taylor: batch_size must be a whole number from 1, not {self.batch_size!r}.")
        if isinstance(self.samples, Path):
            object.__setattr__(self, "samples", str(self.samples))
        elif not isinstance(self.samples, (str, InMemory)):
            object.__setattr__(self, "samples", InMemory(self.samples))
        object.__setattr__(self, "loss", _loss_settings(self.loss))

    @property
    def reads(self) -> tuple[Path, ...]:
        """The `.npz`."""
        return (Path(self.samples),) if isinstance(self.samples, str) else ()

    def scores(self, model: keras.Model, groups: Sequence[ChannelGroup]) -> list[np.ndarray | None]:
        """Squares of what the loss would change by, as a mean over the batches; they compare across groups.

        Raises:
            DataError: The samples do not fit the model, or a file of them cannot be read.
        """
        samples = self.samples.samples if isinstance(self.samples, InMemory) else Path(self.samples)
        loss = keras.losses.get(dict(self.loss) if isinstance(self.loss, Mapping) else self.loss)
        return list(taylor_scores(model, groups, samples, loss, self.batch_size))


def _loss_settings(loss: Any) -> Any:
    """A loss as its name or as the table that `keras.losses.get` reads."""
    if isinstance(loss, keras.losses.Loss):
        loss = keras.losses.serialize(loss)
    if isinstance(loss, Mapping):
        config = {key: value for key, value in loss.get("config", {}).items() if value is not None}
        loss = {"class_name": loss.get("class_name"), "config": config}
    try:
        keras.losses.get(dict(loss) if isinstance(loss, Mapping) else loss)
    except (ValueError, TypeError) as error:
        raise RecipeError(f"Taylor: {loss!r} is no loss that Keras knows. Name one, such as 'mse'.") from error
    return loss


_IMPORTANCES: dict[str, type[Importance]] = {
    "Gamma": Gamma,
    "GeometricMedian": GeometricMedian,
    "L1": L1,
    "L2": L2,
    "Random": Random,
    "Taylor": Taylor,
}


def make_importance(importance: Importance | Mapping[str, Any] | str) -> Importance:
    """An importance as it is, or the one that a recipe names.

    Raises:
        RecipeError: The name or a setting is unknown.

    Example:
        >>> make_importance("L2")
        L2()
    """
    if isinstance(importance, Importance):
        return importance
    return named("importance", importance, _IMPORTANCES)
