"""What a choice will probably cost and lose, told from the trained kernels alone: to propose, never to report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from glob import escape

import keras
import numpy as np

from tfcompress.searching.knowledge import Knowledge, on_few_values
from tfcompress.searching.space import Choice
from tfcompress.searching.structures import Structure
from tfcompress.techniques.kernels import kernels_of
from tfcompress.transforms.masks import magnitude_mask

_FIXED_BYTES = 2_500  # of a small graph without its weights, packed
_MOST_OVER = 2.0  # how far beyond a limit a predicted size may be and still be tried
_SAMPLED = 50_000


@dataclass
class Prediction:
    """Predicts packed and zipped bytes of a choice, and how much of the score it loses before training.

    Attributes:
        kernels: The trained kernels, by name.
        knowledge: The measured losses.
    """

    kernels: dict[str, np.ndarray]
    knowledge: Knowledge
    _bits: dict[tuple[str, float, int], float] = field(default_factory=dict)

    @classmethod
    def of(cls, model: keras.Model, knowledge: Knowledge) -> "Prediction":
        """For a trained model."""
        return cls({kernel.name: kernel.variable.numpy() for kernel in kernels_of(model)}, knowledge)

    def costs(self, choice: Choice, structure: Structure) -> dict[str, float]:
        """The sizes that a choice will have in an int8 file, as the order-0 entropy of its integers says."""
        shares = self.knowledge.shares(choice.sparsity)
        entries = sum(values.size for values in self.kernels.values())
        bits = sum(
            values.size * self._entropy(name, shares.get(escape(name), 0.0), choice.clusters)
            for name, values in self.kernels.items()
        )
        others = structure.parameters - structure.kernel_entries  # biases, in 32 bits
        packed = bits / 8 * structure.kernel_entries / max(entries, 1) + 4 * others + _FIXED_BYTES
        return {"packed_bytes": packed, "zlib_bytes": 1.1 * packed}

    def loss(self, choice: Choice) -> float:
        """What the sensitivities add up to."""
        return self.knowledge.loss(choice.sparsity, choice.clusters)

    def hopeless(self, choice: Choice, structure: Structure, limits: Mapping[str, float]) -> list[str]:
        """The limits that the predicted sizes exceed so far that training cannot make up for it, in words."""
        return [
            f"{name} about {value:,.0f} of at most {limits[name]:,.6g}, predicted"
            for name, value in self.costs(choice, structure).items()
            if name in limits and value > _MOST_OVER * limits[name]
        ]

    def _entropy(self, name: str, share: float, clusters: int) -> float:
        """Bits for each entry of a kernel as integers of its channels' scales, with zeros and few values."""
        key = name, share, clusters
        if key not in self._bits:
            values = self.kernels[name]
            kept = values * np.asarray(magnitude_mask(values, share)) if share else values
            kept = on_few_values(kept, clusters) if clusters else kept
            scale = np.abs(values).max(axis=tuple(range(values.ndim - 1)), keepdims=True) / 127
            integers = kept if clusters else np.round(kept / np.where(scale > 0, scale, 1))
            self._bits[key] = _order0(integers.ravel()[:: max(1, values.size // _SAMPLED)])
        return self._bits[key]


def _order0(values: np.ndarray) -> float:
    """The entropy of values, in bits."""
    shares = np.unique(values, return_counts=True)[1] / max(values.size, 1)
    return float(-(shares * np.log2(shares)).sum())
