"""Adaptive rounding: weights go up or down, whichever lets each layer answer as it did, instead of to the nearest."""

import warnings
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import keras
import numpy as np

from tfcompress.errors import RecipeError, TfCompressWarning
from tfcompress.models.graph import graph_of
from tfcompress.models.surgery import copy
from tfcompress.notes import note
from tfcompress.progress import task
from tfcompress.techniques.layerwise import called_once, side_by_side
from tfcompress.techniques.samples import Sampling, arrays_for, kept_samples, patches
from tfcompress.techniques.technique import Property, check_ready
from tfcompress.transforms.adaptive_rounding import Moments, adaptive_integers
from tfcompress.transforms.channels import channel_axes
from tfcompress.transforms.grids import integer_grid
from tfcompress.transforms.quantization_kinds import check_bits

_L = keras.layers
_WHOLE = (_L.Dense, _L.Conv1D, _L.Conv2D)
_BY_CHANNEL = (_L.DepthwiseConv1D, _L.DepthwiseConv2D)


@dataclass(frozen=True)
class AdaptiveRounding(Sampling):
    """Rounds kernels to integers so that each layer's answers on samples change least.

    Rounding to the nearest makes each weight's error small, not that of their sum. On the grid of an int8 or int4 file,
    s_c = max|w_c| / (2^(b-1) - 1), each weight may go up or down, and layer by layer, with all roundings before it in
    place,

        min over q of E[(x' s q - x w)^2]

    is solved by a continuous relaxation; x and x' are what the exact and the rounded layer read. Weights are still
    float and lie on the grid, so a conversion finds the same integers. No training is needed, and no labels.

    Dense, Conv1D, Conv2D and depthwise layers that are called once; all others are rounded to the nearest.

    Args:
        bits: 2 to 8; from 6 on there is little to gain.
        samples: Inputs of the model, some hundreds: arrays in the order of its inputs or by their names, or an `.npz`
            with `x` or with one array by the name of each input.
        steps: Of the descent for each layer, 1 or more.

    Raises:
        RecipeError: Bits are outside 2 to 8, or steps are none.

    Example:
        >>> import tfcompress as tfc
        >>> keras.utils.set_random_seed(0)
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="head")])
        >>> x = np.random.default_rng(0).random((100, 8)).astype("float32")
        >>> rounded = tfc.AdaptiveRounding(bits=3, samples=x).wrap(model)
        >>> kernel = rounded.get_layer("head").kernel.numpy()
        >>> len(np.unique(np.round(kernel / np.abs(kernel).max(axis=0) * 3, 4))) <= 7
        True

    Reference:
        Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", arXiv:2004.10568.
    """

    establishes: ClassVar[frozenset[Property]] = frozenset({Property.RANGES})
    preserves: ClassVar[frozenset[Property]] = frozenset({Property.SPARSITY, Property.RANGES})

    bits: int = 4
    samples: Any = None
    steps: int = 1000

    def __post_init__(self) -> None:
        check_bits("AdaptiveRounding", self.bits)
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise RecipeError(f"AdaptiveRounding: steps must be a whole number from 1, not {self.steps!r}.")
        object.__setattr__(self, "samples", kept_samples(self.samples))

    @property
    def trains(self) -> bool:
        """False: weights are rounded."""
        return False

    def wrap(self, model: keras.Model) -> keras.Model:
        """A new model with rounded kernels.

        Raises:
            RecipeError: There are no samples or no kernel to round, or the model is wrapped already.
            ModelError: A weight is NaN or infinite, the graph is hidden, or the model is one of tf_keras.
            DataError: The samples do not fit the model, or their file cannot be read.
        """
        check_ready(model)
        if self.samples is None:
            raise RecipeError(f"AdaptiveRounding rounds {model.name!r} by samples, and there are none. Give them.")
        arrays = arrays_for(graph_of(model), self.samples)
        rounded, layers = copy(model), called_once(model)
        if not layers:
            raise RecipeError(f"AdaptiveRounding: the model {model.name!r} has no layer that it could round.")
        nearest: list[str] = []
        with task("AdaptiveRounding", total=len(layers)) as progress:

            def visit(layer: keras.Layer, fellow: keras.Layer, inputs: Any, given: Any) -> None:
                progress.say(layer.name)
                if _is_solved(layer):
                    exact, actual = (np.asarray(item, "float32") for item in (inputs, given))
                    fellow.kernel.assign(_rounded(layer, exact, actual, self.bits, self.steps))
                else:
                    nearest.append(layer.name)
                    axes = channel_axes(fellow, fellow.kernel)
                    fellow.kernel.assign(integer_grid(fellow.kernel.value, self.bits, axes))
                progress.advance()

            side_by_side(copy(model), rounded, arrays, visit)
        note(f"AdaptiveRounding rounded {', '.join(layer.name for layer in layers)} to {self.bits} bits.")
        if nearest:
            warnings.warn(
                f"AdaptiveRounding rounded {', '.join(nearest)} to the nearest: it has no rule for such layers.",
                TfCompressWarning,
                stacklevel=2,
            )
        return rounded


def _is_solved(layer: keras.Layer) -> bool:
    plain = type(layer) in _WHOLE and getattr(layer, "groups", 1) == 1
    return plain or (type(layer) in _BY_CHANNEL and layer.data_format == "channels_last")


def _rounded(layer: keras.Layer, inputs: np.ndarray, given: np.ndarray, bits: int, steps: int) -> np.ndarray:
    """The kernel of a layer on its grid, by what it reads in the exact model and in the rounded one."""
    kernel, most = layer.kernel.numpy().astype("float64"), 2 ** (bits - 1) - 1
    if type(layer) in _WHOLE:
        matrix = kernel.reshape(-1, kernel.shape[-1])
        scales = _scales(matrix, most)
        moments = _moments(patches(inputs, layer), patches(given, layer), matrix)
        return (adaptive_integers(matrix, scales, most, moments, steps) * scales).reshape(kernel.shape)
    window, channels = int(np.prod(kernel.shape[:-2])), kernel.shape[-2]
    own = np.moveaxis(kernel.reshape(window, channels, -1), 1, 0)  # each channel has a kernel of its own
    scales = _scales(own, most)
    parts = [
        _moments(
            patches(inputs[..., channel : channel + 1], layer),
            patches(given[..., channel : channel + 1], layer),
            own[channel],
        )
        for channel in range(channels)
    ]
    moments = Moments(*(np.stack([getattr(part, item.name) for part in parts]) for item in fields(Moments)))
    solved = adaptive_integers(own, scales, most, moments, steps) * scales[:, np.newaxis, :]
    return np.moveaxis(solved, 0, 1).reshape(kernel.shape)


def _scales(matrix: np.ndarray, most: int) -> np.ndarray:
    """The step of each column's grid; 1 for a column of zeros."""
    largest = np.abs(matrix).max(axis=-2)
    return np.where(largest > 0, largest, most) / most


def _moments(exact: np.ndarray, given: np.ndarray, matrix: np.ndarray) -> Moments:
    answers, count = exact @ matrix, len(exact)
    return Moments(given.T @ given / count, given.T @ answers / count, np.square(answers).mean(axis=0))
