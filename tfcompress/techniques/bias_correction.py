"""Bias correction: what rounding the weights shifts on average is given back to the biases."""

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np

from tfcompress.errors import RecipeError, TfCompressWarning
from tfcompress.models.expected import expected_means
from tfcompress.models.graph import graph_of
from tfcompress.models.scaling import Link, scalable_channels
from tfcompress.models.surgery import copy, layers_of
from tfcompress.progress import task
from tfcompress.techniques.layerwise import called_once, side_by_side, without_activation
from tfcompress.techniques.samples import Sampling, arrays_for, kept_samples
from tfcompress.techniques.technique import Property, check_ready
from tfcompress.transforms.channels import channel_axes
from tfcompress.transforms.grids import integer_grid
from tfcompress.transforms.quantization_kinds import check_bits


@dataclass(frozen=True)
class BiasCorrection(Sampling):
    """Takes out of each bias what the rounding of the kernel before it adds on average.

    A kernel W becomes W' = W + e on its integer grid, and each output shifts by the mean of e x over what the layer
    reads. The bias takes it back, or the mean of the batch norm that follows a layer without one:

        b' = b - e E[x]

    E[x] comes from samples, layer by layer with all roundings before it in place (empirical), or, without any, from the
    batch norm before: the mean of a normal distribution of mean beta and deviation |gamma|, clipped as the ReLU does it
    (analytic; layers whose inputs come from elsewhere are left alone and named).

    Kernels are not changed: the conversion rounds them. It belongs at the end of a recipe.

    Args:
        bits: Of the integers that kernels will be rounded to, 2 to 8, one scale per output channel.
        samples: Inputs of the model, some dozens to hundreds: arrays in the order of its inputs or by their names, or
            an `.npz` with `x` or with one array by the name of each input.

    Raises:
        RecipeError: Bits are outside 2 to 8.

    Example:
        >>> import tfcompress as tfc
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="head")])
        >>> model.set_weights([np.array([[3.0], [1.4]]), np.zeros(1)])
        >>> corrected = tfc.BiasCorrection(bits=3, samples=np.array([[0.0, 1.0], [0.0, 2.0]])).wrap(model)
        >>> corrected.get_layer("head").bias.numpy().round(4)       # 1.4 will be 1, and x is 1.5 on average
        array([0.6], dtype=float32)

    Reference:
        Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", arXiv:1906.04721.
    """

    preserves: ClassVar[frozenset[Property]] = frozenset(Property)

    bits: int = 8
    samples: Any = None

    def __post_init__(self) -> None:
        check_bits("BiasCorrection", self.bits)
        object.__setattr__(self, "samples", kept_samples(self.samples))

    @property
    def trains(self) -> bool:
        """False: biases are computed."""
        return False

    def wrap(self, model: keras.Model) -> keras.Model:
        """A new model with corrected biases.

        Raises:
            RecipeError: There is no bias to correct, or the model is wrapped already.
            ModelError: A weight is NaN or infinite, the graph is hidden, or the model is one of tf_keras.
            DataError: The samples do not fit the model, or their file cannot be read.
        """
        check_ready(model)
        corrected = copy(model)
        places = _places(corrected)
        if not places:
            raise RecipeError(
                f"BiasCorrection: the model {model.name!r} has no layer with a bias, or a batch norm, to correct. "
                "Leave the step out."
            )
        if self.samples is None:
            done = _by_batch_norms(model, corrected, places, self.bits)
        else:
            done = _by_samples(model, corrected, places, self.bits, arrays_for(graph_of(model), self.samples))
        left = [place.link.name for place in places.values() if id(place) not in done]
        if len(left) == len(places):
            raise RecipeError(
                f"BiasCorrection: the model {model.name!r} has no batch norm that tells what a layer reads. Give "
                "samples."
            )
        if left:
            warnings.warn(
                f"BiasCorrection left alone {', '.join(left)}: no batch norm tells what they read. Give samples.",
                TfCompressWarning,
                stacklevel=2,
            )
        return corrected


@dataclass(frozen=True, eq=False)
class _Place:
    """Where the shift of a layer's outputs can be given back."""

    link: Link

    def give_back(self, shift: np.ndarray) -> None:
        """Takes `shift` from what the layer makes, (channels,)."""
        layer, batch_norm = self.link.layer, self.link.batch_norm
        if layer is not None and layer.use_bias:
            layer.bias.assign(layer.bias.numpy() - shift)
        elif batch_norm is not None:
            batch_norm.moving_mean.assign(batch_norm.moving_mean.numpy() + shift)


def _places(model: keras.Model) -> dict[int, _Place]:
    """By the id of each layer that is called once and can be corrected, where."""
    once = {id(layer) for layer in called_once(model)}
    return {
        id(link.layer): _Place(link)
        for link in scalable_channels(model).links
        if id(link.layer) in once and (link.layer.use_bias or link.batch_norm is not None)  # type: ignore[union-attr]
    }


def _by_samples(
    model: keras.Model, corrected: keras.Model, places: dict[int, _Place], bits: int, arrays: list[np.ndarray]
) -> set[int]:
    """Corrects layer after layer by what samples show; gives the ids of the places that were corrected."""
    kernels: list[tuple[keras.Variable, np.ndarray]] = []
    done: set[int] = set()
    with task("BiasCorrection", total=len(called_once(model))) as progress:

        def visit(layer: keras.Layer, fellow: keras.Layer, inputs: Any, rounded: Any) -> None:
            progress.say(layer.name)
            kernels.append((fellow.kernel, fellow.kernel.numpy()))
            fellow.kernel.assign(integer_grid(fellow.kernel.value, bits, channel_axes(fellow, fellow.kernel)))
            if id(fellow) in places:
                with without_activation(layer), without_activation(fellow):
                    shift = np.asarray(fellow(rounded), "float64") - np.asarray(layer(inputs), "float64")
                first = getattr(layer, "data_format", "channels_last") == "channels_first"
                channels = 1 if first else shift.ndim - 1
                places[id(fellow)].give_back(shift.mean(axis=tuple(i for i in range(shift.ndim) if i != channels)))
                done.add(id(places[id(fellow)]))
            progress.advance()

        side_by_side(copy(model), corrected, arrays, visit)
    for variable, values in kernels:
        variable.assign(values)
    return done


def _by_batch_norms(model: keras.Model, corrected: keras.Model, places: dict[int, _Place], bits: int) -> set[int]:
    """Corrects by what batch norms let one expect; gives the ids of the places that were corrected."""
    means, done = expected_means(model), set()
    for layer, fellow in zip(layers_of(model), layers_of(corrected), strict=True):
        if id(fellow) not in places or id(layer) not in means:
            continue
        link, kernel = places[id(fellow)].link, layer.kernel.numpy()
        change = np.asarray(integer_grid(kernel, bits, channel_axes(layer, layer.kernel)), "float64") - kernel
        along = [-1 if axis == link.axis else 1 for axis in range(kernel.ndim)]
        places[id(fellow)].give_back(link.summed(change * means[id(layer)].reshape(along)))
        done.add(id(places[id(fellow)]))
    return done
