"""Quantization-aware training: kernels and activations are rounded while the model trains, as the file will do it."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import keras
import numpy as np

from tfcompress.errors import RecipeError, TfCompressWarning
from tfcompress.models.surgery import layers_of
from tfcompress.techniques.kernels import Additions, Kernel, WeightTechnique
from tfcompress.techniques.technique import Property
from tfcompress.transforms.activation_range import ActivationRange
from tfcompress.transforms.channels import channel_axes
from tfcompress.transforms.frozen_statistics import FrozenStatistics
from tfcompress.transforms.materialized import Materialized, materialized
from tfcompress.transforms.quantization_kinds import (
    Calibrated,
    MovingAverage,
    PerChannel,
    Ranges,
    WeightGrid,
    check_bits,
    make_ranges,
    make_weight_grid,
)
from tfcompress.transforms.range_after import MakeLayer, named_after
from tfcompress.transforms.transform import Transform
from tfcompress.transforms.weight_grid import GradientGrid


@dataclass(frozen=True)
class QuantizationAware(WeightTechnique):
    """Trains a model under the rounding that an int8 file will do to it.

    Each kernel is used rounded, while its raw values train on and the gradient goes straight through:

        s_c = max|w_c| / (2^(b-1) - 1),   w' = s_c round(w / s_c)        (PerChannel)

    and each activation that TFLite keeps in memory is rounded to the affine grid of its range: inputs, what a chain of
    convolution, batch norm and ReLU ends in, additions, concatenations. Batch norm stays a layer of its own: it scales
    whole channels, so a folded kernel has the same integers.

    `strip` leaves rounded kernels and `FixedRange` layers. `tfc.convert(..., representative=...)` then finds the same
    integers, takes the trained ranges, and calibrates those that there is no rule for (recurrent layers, attention,
    normalization of layers): these stay float while training and are named in one warning.

    Args:
        bits: Of each weight, 2 to 8.
        weights: The kind of grid: `PerChannel()`, `PerTensor()`, `FixedPoint(fraction)` with a power of two as its
            scale, `Binary()`, `BinaryConnect()` or `Ternary()`; or such a name.
        activations: How ranges are found: `MovingAverage()`, `Learned()`, `Fixed(minimum, maximum)`, each with bits of
            its own, or `Calibrated()` to leave all of them to the conversion; or such a name.
        layers: The bits or the kind of grid of particular kernels, by pattern; the first that matches counts, before
            `skip`.
        skip: Patterns of kernels to leave alone, and of layers after which no range is put.
        freeze_batch_norm_after: The number of training batches after which batch norm's statistics stay; by default
            they never do.
        gradients: The bits to which the gradients of kernels are rounded at random; by default they are not.

    Raises:
        RecipeError: Bits are outside 2 to 8, or a kind is unknown.

    Example:
        >>> import tfcompress as tfc
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, activation="relu", name="hidden")])
        >>> quantization = tfc.QuantizationAware(bits=4)
        >>> trained = quantization.wrap(model)
        >>> trained.compile("sgd", "mse")
        >>> _ = trained.fit(np.ones((8, 8)), np.ones((8, 4)), verbose=0)
        >>> plain = quantization.strip(trained)
        >>> [type(layer).__name__ for layer in plain.layers]
        ['InputLayer', 'FixedRange', 'Dense', 'FixedRange']
        >>> kernel = plain.get_layer("hidden").kernel.numpy()
        >>> integers = kernel / np.abs(kernel).max(axis=0) * 7
        >>> bool(np.allclose(integers, np.round(integers), atol=1e-5))
        True

    Reference:
        Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
        arXiv:1712.05877.
    """

    establishes: ClassVar[frozenset[Property]] = frozenset({Property.RANGES})
    preserves: ClassVar[frozenset[Property]] = frozenset({Property.SPARSITY, Property.CLUSTERS, Property.RANGES})

    bits: int = 8
    weights: WeightGrid | Mapping[str, Any] | str = field(default_factory=PerChannel)
    activations: Ranges | Mapping[str, Any] | str | None = field(default_factory=MovingAverage)
    layers: Mapping[str, Any] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    freeze_batch_norm_after: int | None = None
    gradients: int | None = None

    def __post_init__(self) -> None:
        check_bits("QuantizationAware", self.bits)
        if self.gradients is not None:
            check_bits("QuantizationAware: gradients", self.gradients)
        object.__setattr__(self, "weights", make_weight_grid(self.weights))
        object.__setattr__(self, "activations", make_ranges(self.activations))
        object.__setattr__(self, "skip", tuple(self.skip))
        object.__setattr__(self, "layers", {name: _setting(name, value) for name, value in self.layers.items()})
        after = self.freeze_batch_norm_after
        if after is not None and (isinstance(after, bool) or not isinstance(after, int) or after < 0):
            raise RecipeError(
                f"QuantizationAware: freeze_batch_norm_after must be a number of training batches, not {after!r}."
            )

    def stacks(self, model: keras.Model) -> dict[Kernel, list[Transform]]:
        """The grid of each kernel, and that of its gradient."""
        chosen = self.choose(model, None)
        constant = [kernel.name for kernel in chosen if np.ptp(kernel.variable.numpy()) == 0]
        if constant:
            warnings.warn(
                f"QuantizationAware: {', '.join(constant)} has one value only, so a grid for it says nothing. "
                "Is this model trained?",
                TfCompressWarning,
                stacklevel=3,
            )
        return {kernel: self._stack(kernel, setting) for kernel, setting in chosen.items()}

    def additions(self, model: keras.Model) -> Additions:
        """The ranges of activations, and batch norms whose statistics will stay.

        Raises:
            RecipeError: The model is wrapped already.
        """
        if any(isinstance(layer, ActivationRange) for layer in layers_of(model)):
            raise RecipeError(
                f"The model {model.name!r} is wrapped already. Finish that step with tfc.strip(model) first."
            )
        found = materialized(model)
        if found.unknown and not isinstance(self.activations, Calibrated):
            warnings.warn(
                f"QuantizationAware has no rule for the outputs of {', '.join(found.unknown)}: they stay float while "
                "the model trains, and tfc.convert takes their ranges from representative data.",
                TfCompressWarning,
                stacklevel=3,
            )
        return Additions(self._frozen, named_after(model, self._range_for(found)))

    def _stack(self, kernel: Kernel, setting: Any) -> list[Transform]:
        """The transforms of one kernel under its setting in `layers`, or None."""
        bits = setting if isinstance(setting, int) else self.bits
        grid = setting if isinstance(setting, WeightGrid) else make_weight_grid(self.weights)
        stack = [grid.transform(bits, channel_axes(kernel.layer, kernel.variable))]
        return stack if self.gradients is None else [*stack, GradientGrid(self.gradients)]

    def _frozen(self, clone: keras.Layer, source: keras.Layer) -> keras.Layer:
        """A batch norm whose statistics will stay; every other layer as it is."""
        if self.freeze_batch_norm_after is None or not isinstance(clone, keras.layers.BatchNormalization):
            return clone
        return FrozenStatistics(clone, self.freeze_batch_norm_after)

    def _range_for(self, found: Materialized) -> MakeLayer:
        """The range after each call where one belongs."""
        ranges = make_ranges(self.activations)

        def layer(source: keras.Operation, number: int, name: str) -> keras.Layer | None:
            if not found.places[id(source)][number] or self._leaves_alone(source):
                return None
            return ranges.layer(name)

        return layer

    def _leaves_alone(self, source: keras.Operation) -> bool:
        names = source.name, type(source).__name__
        if any(fnmatchcase(name, pattern) for pattern in self.layers for name in names):
            return False
        return any(fnmatchcase(name, pattern) for pattern in self.skip for name in names)


def _setting(pattern: str, value: Any) -> int | WeightGrid:
    """What `layers` says of one pattern: a number of bits, or a kind of grid."""
    if isinstance(value, (WeightGrid, str, Mapping)):
        return make_weight_grid(value)
    check_bits(f"QuantizationAware: layers, {pattern!r}", value)
    return int(value)
