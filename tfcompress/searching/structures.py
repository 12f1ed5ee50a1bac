"""What the graph of a choice costs, found without training: the part of a budget that can be proven missed."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfcompress.benchmark.measurement import measure
from tfcompress.conversion.converter import convert
from tfcompress.errors import ModelError, RecipeError, TfCompressWarning
from tfcompress.models.profile import profile
from tfcompress.searching.space import Choice, structure_steps
from tfcompress.techniques.kernels import kernels_of
from tfcompress.work_folders import work_folder

_HOST = "host"
_CERTAIN = 0.98  # trained ranges and shared values change a file's tables of scales, and so a little of it


@dataclass(frozen=True)
class Structure:
    """The graph of a choice.

    Attributes:
        parameters: Of the model.
        kernel_entries: The part of them that kernels hold.
        figures: What follows from the graph alone, whatever its weights become: `macs`, `parameters`, and where the
            budget asks for them `size_bytes` and the latency on emulated devices.
        problem: Why the graph cannot be made; empty where it can.
    """

    parameters: int = 0
    kernel_entries: int = 0
    figures: dict[str, float] | None = None
    problem: str = ""


class Structures:
    """Graphs that were looked at, each once.

    Args:
        model: The trained model.
        convert_to: Makes a file of a model at a path, as each trial will.
        costs: The names that the budget limits; only what they need is found out.
    """

    def __init__(
        self, model: keras.Model, convert_to: Callable[[keras.Model, Path], Any], costs: tuple[str, ...]
    ) -> None:
        self._model, self._convert, self._costs = model, convert_to, costs
        self._known: dict[tuple[float, float], Structure] = {}

    def of(self, choice: Choice) -> Structure:
        """The structure of a choice."""
        if choice.structure not in self._known:
            self._known[choice.structure] = self._found(choice)
        return self._known[choice.structure]

    def _found(self, choice: Choice) -> Structure:
        model = self._model
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", TfCompressWarning)  # a trial says it in its card
                for step in structure_steps(choice):
                    model = step.strip(step.wrap(model))
            facts = profile(model)
            figures = {"macs": float(facts.macs), "parameters": float(facts.parameters)}
            return Structure(
                facts.parameters,
                sum(int(np.prod(kernel.variable.shape)) for kernel in kernels_of(model)),
                figures | self._of_file(model),
            )
        except (RecipeError, ModelError) as error:
            return Structure(problem=str(error))

    def _of_file(self, model: keras.Model) -> dict[str, float]:
        """Size and emulated latency of the file; whatever the weights become, they stay almost the same."""
        devices = [name.removeprefix("latency_ms on ") for name in self._costs if name.startswith("latency_ms on ")]
        emulated = [device for device in devices if device != _HOST]
        if not emulated and "size_bytes" not in self._costs:
            return {}
        with work_folder() as folder:
            path = folder / "structure.tflite"
            self._convert(model, path)
            found = {"size_bytes": _CERTAIN * path.stat().st_size}
            for device in emulated:
                latency = measure(path, device, save=False).latency_ms or {}
                found[f"latency_ms on {device}"] = _CERTAIN * latency["median"]
        return found


def converter(mode: str, representative: Any, against: keras.Model) -> Callable[[keras.Model, Path], Any]:
    """What makes a file of a model, the same way for structures and for trials."""

    def made(model: keras.Model, path: Path) -> Any:
        return convert(model, path, mode=mode, representative=representative, against=against, force=True)

    return made
