"""Range setting: each activation gets the range that serves it best, by one of several methods; the effect is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np

from tfcompress.errors import RecipeError
from tfcompress.models.graph import graph_of
from tfcompress.models.surgery import flatten, rebuild
from tfcompress.models.watching import watched_outputs
from tfcompress.notes import note
from tfcompress.progress import task
from tfcompress.table import aligned
from tfcompress.techniques.samples import Sampling, arrays_for, kept_samples
from tfcompress.techniques.technique import Property, check_ready
from tfcompress.transforms.activation_range import FixedRange
from tfcompress.transforms.fidelity import outputs_snr_db
from tfcompress.transforms.kept_tensors import KeptTensor, Place, kept_tensors, rounded_outputs
from tfcompress.transforms.quantization_kinds import check_bits
from tfcompress.transforms.range_after import named_after
from tfcompress.transforms.range_methods import RANGE_METHODS, Range, RangeMethod, make_range_method

_MOST_TRIED = 32


@dataclass(frozen=True)
class RangeChoice:
    """What was tried for one tensor.

    Attributes:
        name: The layer that makes it.
        ranges: By the name of each method its range.
        snr_db: By the name of each method the signal-to-noise ratio of the model's outputs with this tensor alone
            rounded; the larger the better.
        chosen: The method that is used.
    """

    name: str
    ranges: Mapping[str, Range]
    snr_db: Mapping[str, float]
    chosen: str


@dataclass(frozen=True)
class RangePlan:
    """The ranges of a model's tensors; prints itself."""

    choices: tuple[RangeChoice, ...]

    def __str__(self) -> str:
        methods = list(self.choices[0].snr_db)
        rows = [("tensor", "chosen", "min", "max", *(f"{name}, dB" for name in methods))]
        for choice in self.choices:
            low, high = choice.ranges[choice.chosen]
            effects = (f"{choice.snr_db[name]:.1f}" for name in methods)
            rows.append((choice.name, choice.chosen, f"{low:.4g}", f"{high:.4g}", *effects))
        return aligned(rows, left=2)


@dataclass(frozen=True)
class RangeSetting(Sampling):
    """Gives every activation that TFLite keeps in memory a range, found on samples, as `FixedRange` layers.

    A range that takes in the rarest value leaves few of its 2^bits steps to the others; a narrower one cuts values off.
    Which of the two costs more differs from tensor to tensor, so for each of them every method is tried, with this
    tensor alone rounded, and the one is taken after which the model's outputs have the least error.

    Ranges that are there already, of quantization-aware training, stay. `tfc.convert(..., representative=...)` takes
    all of them and calibrates the tensors that there is no rule for.

    Args:
        samples: Inputs of the model, some dozens to hundreds: arrays in the order of its inputs or by their names, or
            an `.npz` with `x` or with one array by the name of each input.
        method: One for all tensors: `MinMax()`, `Percentile(percent)`, `LeastSquares()`, `Entropy()`, or such a name;
            by default the best of these for each.
        bits: 2 to 8.

    Raises:
        RecipeError: Bits are outside 2 to 8, or a method is unknown.

    Example:
        >>> import tfcompress as tfc
        >>> model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.ReLU(name="relu")])
        >>> setting = tfc.RangeSetting(samples=np.array([[-1.0, 2.0], [0.5, 4.0]]), method="MinMax")
        >>> [type(layer).__name__ for layer in setting.wrap(model).layers]
        ['InputLayer', 'FixedRange', 'ReLU', 'FixedRange']

    Reference:
        Nagel et al., "A White Paper on Neural Network Quantization", arXiv:2106.08295, section 3.1.
    """

    establishes: ClassVar[frozenset[Property]] = frozenset({Property.RANGES})
    preserves: ClassVar[frozenset[Property]] = frozenset(Property)

    samples: Any = None
    method: RangeMethod | Mapping[str, Any] | str | None = None
    bits: int = 8

    def __post_init__(self) -> None:
        check_bits("RangeSetting", self.bits)
        object.__setattr__(self, "samples", kept_samples(self.samples))
        object.__setattr__(self, "method", None if self.method is None else make_range_method(self.method))

    @property
    def trains(self) -> bool:
        """False: ranges are found on samples."""
        return False

    def wrap(self, model: keras.Model) -> keras.Model:
        """A new model, nested models dissolved, with a range after each activation that TFLite keeps.

        Raises:
            RecipeError: There are no samples, no tensor without a range, or the model is wrapped already.
            ModelError: A weight is NaN or infinite, the graph is hidden, or the model is one of tf_keras.
            DataError: The samples do not fit the model, or their file cannot be read.
        """
        flat, chosen = self._chosen(model)
        ranges = {place: choice.ranges[choice.chosen] for place, choice in chosen.items()}
        counts: dict[str, int] = {}
        for choice in chosen.values():
            counts[choice.chosen] = counts.get(choice.chosen, 0) + 1
        note(f"RangeSetting took {', '.join(f'{name} for {count} tensors' for name, count in counts.items())}.")

        def layer(source: keras.Operation, number: int, name: str) -> keras.Layer | None:
            low, high = ranges.get((id(source), number), (0.0, 0.0))
            return FixedRange(low, high, self.bits, name=name) if high > low else None

        return rebuild(flat, after=named_after(flat, layer))

    def plan(self, model: keras.Model) -> RangePlan:
        """What was tried for each tensor and with what effect; the same errors.

        Example:
            >>> model = keras.Sequential([keras.Input((1,), name="x"), keras.layers.ReLU(name="relu")])
            >>> samples = np.append(np.linspace(0, 1, 999), 100.0)[:, None]
            >>> print(RangeSetting(samples=samples, method="MinMax").plan(model))
            tensor  chosen  min  max  MinMax, dB
            x       MinMax    0  100        ...
        """
        return RangePlan(tuple(self._chosen(model)[1].values()))

    def _chosen(self, model: keras.Model) -> tuple[keras.Model, dict[Place, RangeChoice]]:
        check_ready(model)
        if self.samples is None:
            raise RecipeError(
                f"RangeSetting finds the ranges of {model.name!r} on samples, and there are none. Give them."
            )
        flat = flatten(model)
        arrays = arrays_for(graph_of(flat), self.samples)
        methods = {name: kind() for name, kind in RANGE_METHODS.items()}
        if self.method is not None:
            made = make_range_method(self.method)
            methods = {type(made).__name__: made}
        with task("RangeSetting: looking at tensors"):
            tensors = kept_tensors(flat, arrays)
        if not tensors:
            raise RecipeError(f"RangeSetting: the model {model.name!r} has no tensor that lacks a range.")
        few = [array[np.linspace(0, len(array) - 1, min(_MOST_TRIED, len(array))).astype(int)] for array in arrays]
        exact = watched_outputs(flat, few, lambda operation, number, output: output)
        chosen = {}
        with task("RangeSetting: trying ranges", total=len(tensors)) as progress:
            for place, tensor in tensors.items():
                progress.say(tensor.name)
                chosen[place] = self._choice(flat, few, exact, place, tensor, methods)
                progress.advance()
        return flat, chosen

    def _choice(
        self,
        flat: keras.Model,
        arrays: list[np.ndarray],
        exact: list[np.ndarray],
        place: Place,
        tensor: KeptTensor,
        methods: Mapping[str, RangeMethod],
    ) -> RangeChoice:
        ranges = {name: method.range(tensor.values, self.bits) for name, method in methods.items()}
        effects: dict[str, float] = {}
        by_range: dict[Range, float] = {}
        for name, ends in ranges.items():
            if ends not in by_range:
                by_range[ends] = outputs_snr_db(exact, rounded_outputs(flat, arrays, {place: ends}, self.bits))
            effects[name] = by_range[ends]
        return RangeChoice(tensor.name, ranges, effects, max(effects, key=lambda name: effects[name]))
