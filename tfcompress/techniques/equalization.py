"""Cross-layer equalization: channels get scales with which int8 loses least, and the model computes the same."""

import warnings
from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np

from tfcompress.errors import RecipeError, TfCompressWarning
from tfcompress.models.scaling import Link, ScalableChannels, scalable_channels
from tfcompress.models.surgery import copy, layers_of, rebuild
from tfcompress.notes import note
from tfcompress.techniques.technique import Property, Technique, check_ready

_ROUNDS, _SETTLED = 100, 1e-3
_LARGEST_SCALE = 1e6
_FURTHEST = 3.0  # standard deviations that an activation keeps above what is absorbed


@dataclass(frozen=True)
class Equalization(Technique):
    """Gives each channel the scale at which the layers around it have weights of one range, and takes out idle offsets.

    A positive factor passes a ReLU, so channel i may be made s_i times smaller and read s_i times larger. With r1 and
    r2 the largest magnitudes of its weights where it is made and where it is read, batch norm folded in,

        s_i = sqrt(r1_i r2_i) / r2_i

    makes both equal, and with them what each channel has of an int8 range. Then what a batch norm's output never falls
    below is absorbed: c = max(0, beta - 3 |gamma|) goes from its beta to the bias (or the batch norm's mean) of the
    layers that read it.

    The model keeps its layers and needs neither data nor training. Channels that meet in a sum get one scale; those
    whose activation hands no scale on (sigmoid, swish) are left alone and named.

    Args:
        relu6: What becomes of ReLU6, which hands no scale on: with `True` a ReLU, so that the model computes the same
            only where no value passes 6, and the layers are named; with `False` its channels are left alone.
        absorb: Whether offsets are absorbed. It is exact for activations above c, and left out where a layer that reads
            them pads with zeros or has no place for a bias.

    Example:
        >>> import tfcompress as tfc
        >>> layers = [keras.layers.Dense(2, activation="relu", name="one"), keras.layers.Dense(1, name="two")]
        >>> model = keras.Sequential([keras.Input((1,)), *layers])
        >>> model.set_weights([np.array([[1.0, 16.0]]), np.zeros(2), np.array([[1.0], [1.0]]), np.zeros(1)])
        >>> equal = tfc.Equalization().wrap(model)
        >>> print(equal.get_layer("one").kernel.numpy(), equal.get_layer("two").kernel.numpy().T)
        [[1. 4.]] [[1. 4.]]

    Reference:
        Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", arXiv:1906.04721.
    """

    preserves: ClassVar[frozenset[Property]] = frozenset({Property.SPARSITY})

    relu6: bool = True
    absorb: bool = True

    def __post_init__(self) -> None:
        for name in ("relu6", "absorb"):
            if not isinstance(getattr(self, name), bool):
                raise RecipeError(f"Equalization: {name} is true or false, not {getattr(self, name)!r}.")

    @property
    def trains(self) -> bool:
        """False: what the model computes is kept."""
        return False

    def wrap(self, model: keras.Model) -> keras.Model:
        """A new model, equalized; it has the layers of `model`, with ReLU for ReLU6.

        Raises:
            RecipeError: No channel can be scaled, or the model is wrapped already.
            ModelError: A weight is NaN or infinite, the graph is hidden, or the model is one of tf_keras.
        """
        check_ready(model)
        replaced = _ending_in_relu6(model) if self.relu6 else []
        equal = _without_relu6(model) if replaced else copy(model)
        channels = scalable_channels(equal)
        if not channels.free.any():
            why = "; ".join(f"those of {name} {reason}" for name, reason in channels.kept[:3])
            raise RecipeError(
                f"Equalization: the model {model.name!r} has no channels that could be scaled{': ' if why else ''}"
                f"{why}. Leave the step out."
            )
        scales = equalizing_scales(channels)
        _scale(channels, scales)
        absorbed = _absorb(channels) if self.absorb else []
        _tell(channels, scales, absorbed, replaced)
        return equal


def equalizing_scales(channels: ScalableChannels) -> np.ndarray:
    """The scale of each class of channels at which its makers' and its readers' ranges are equal.

    A depthwise layer reads and makes the same channel, so all scales are found together, in rounds.

    Args:
        channels: The channels, of a model in any scale.

    Returns:
        (classes,), 1 where a class may not be scaled or has only zeros on one side.
    """
    kernels = [link.kernel() for link in channels.links]
    logarithms, limit = np.zeros(len(channels.classes)), np.log(_LARGEST_SCALE)
    for _ in range(_ROUNDS):
        scales = np.exp(logarithms)[channels.classes]
        made, read = np.zeros_like(logarithms), np.zeros_like(logarithms)
        for link, kernel in zip(channels.links, kernels, strict=True):
            scaled = link.scaled(kernel, scales)
            np.maximum.at(made, channels.classes[link.makes], link.made_ranges(scaled))
            if link.reads is not None:
                np.maximum.at(read, channels.classes[link.reads], link.read_ranges(scaled))
        usable = channels.free & (made > 0) & (read > 0)
        step = np.zeros_like(logarithms)
        step[usable] = 0.5 * np.log(made[usable] / read[usable])
        logarithms = np.clip(logarithms + step, -limit, limit)
        if np.abs(step).max(initial=0.0) < _SETTLED:
            break
    return np.exp(logarithms)


def _scale(channels: ScalableChannels, scales: np.ndarray) -> None:
    """Multiplies every weight by the scales of what it reads, and divides it by those of what it makes."""
    for factor in channels.factors:
        own = scales[channels.classes[factor.ids]] ** factor.power
        factor.variable.assign(factor.variable.numpy() * own.astype(factor.variable.dtype))


def _absorb(channels: ScalableChannels) -> list[str]:
    """Moves offsets into the layers that read them; the names of the batch norms that lost some."""
    names = []
    for link in channels.links:
        batch_norm = link.batch_norm
        readers = _readers(channels, link)
        if batch_norm is None or batch_norm.beta is None or batch_norm.gamma is None or not readers:
            continue
        gamma, beta = batch_norm.gamma.numpy(), batch_norm.beta.numpy()
        offsets = np.maximum(0.0, beta - _FURTHEST * np.abs(gamma)) * channels.free[channels.classes[link.makes]]
        if not offsets.any():
            continue
        batch_norm.beta.assign(beta - offsets)
        by_class = np.zeros(len(channels.classes))
        by_class[channels.classes[link.makes]] = offsets
        for reader in readers:
            _take_in(reader, by_class[channels.classes[reader.reads]])
        names.append(batch_norm.name)
    return names


def _readers(channels: ScalableChannels, link: Link) -> list[Link]:
    """The links that read what a link makes, where all of them read it rectified and have a place for a constant."""
    own = set(channels.classes[link.makes].tolist())
    makers = [other for other in channels.links if not own.isdisjoint(channels.classes[other.makes].tolist())]
    found = [
        other
        for other in channels.links
        if other.reads is not None and not own.isdisjoint(channels.classes[other.reads].tolist())
    ]
    fit = all(other.shifted is link and other.layer is not None and _has_place(other) for other in found)
    return found if fit and makers == [link] else []


def _has_place(link: Link) -> bool:
    return link.batch_norm is not None or bool(link.layer is not None and link.layer.use_bias)


def _take_in(link: Link, offsets: np.ndarray) -> None:
    """Gives a layer's bias what a constant on each of its inputs adds; without one, the batch norm's mean loses it."""
    kernel = link.layer.kernel.numpy().astype("float64")  # type: ignore[union-attr]
    along = [-1 if axis == link.axis else 1 for axis in range(kernel.ndim)]
    added = link.summed(kernel * offsets.reshape(along))
    target, sign = (link.layer.bias, 1) if link.layer.use_bias else (link.batch_norm.moving_mean, -1)  # type: ignore[union-attr]
    target.assign(target.numpy() + sign * added)


def _ending_in_relu6(model: keras.Model) -> list[keras.Layer]:
    """The layers of a model that are a ReLU6 or end in one."""
    return [
        layer
        for layer in layers_of(model)
        if (isinstance(layer, keras.layers.ReLU) and layer.max_value == 6.0)
        or getattr(layer, "activation", None) is keras.activations.relu6
    ]


def _without_relu6(model: keras.Model) -> keras.Model:
    """The model with a ReLU for each ReLU6."""

    def replace(clone: keras.Layer, source: keras.Layer) -> keras.Layer:
        # Changed in place, since only a clone's weights are copied.
        if isinstance(clone, keras.layers.ReLU) and clone.max_value == 6.0:
            clone.max_value = None
        elif getattr(clone, "activation", None) is keras.activations.relu6:
            clone.activation = keras.activations.relu
        return clone

    return rebuild(model, replace)


def _tell(channels: ScalableChannels, scales: np.ndarray, absorbed: list[str], replaced: list[keras.Layer]) -> None:
    """Notes what was done, and warns of what was left alone or computes otherwise."""
    done = []
    for link in channels.links:
        own = channels.classes[link.makes]
        if channels.free[own].any():
            done.append(f"{link.name} by {scales[own].min():.3g} to {scales[own].max():.3g}")
    note(f"Equalization divided the channels of {', '.join(done)}.")
    if absorbed:
        note(f"Equalization took offsets out of {', '.join(absorbed)}.")
    if replaced:
        names = ", ".join(layer.name for layer in replaced)
        warnings.warn(
            f"Equalization made ReLU out of ReLU6 in {names}. Where values pass 6 the model now computes otherwise: "
            "test it, or write Equalization(relu6=False).",
            TfCompressWarning,
            stacklevel=3,
        )
    left = [f"{name}, whose channels {reason}" for name, reason in channels.kept if "model's output" not in reason]
    if left:
        warnings.warn(f"Equalization left alone {'; '.join(left)}.", TfCompressWarning, stacklevel=3)
