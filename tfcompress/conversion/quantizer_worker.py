"""The child process in which litert-quantizer makes files and LiteRT measures them, without TensorFlow."""

import logging
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.child import read_job, report_result, stage
from tfcompress.conversion.activation_extremes import Statistics, outputs_of, statistics
from tfcompress.conversion.bit_search import Point, Precisions, search
from tfcompress.conversion.holding import held_operators, scope_of
from tfcompress.conversion.precisions import OPERATORS, Held, Layer, Scheme, options_for, recipe_for
from tfcompress.tflite.kernels import KERNEL_INPUTS
from tfcompress.tflite.reading import parse


def main(folder: Path) -> None:
    """Does the job that lies in `folder`: `float.tflite` becomes `point_<i>.tflite` for each point of the front."""
    job = read_job(folder)
    logging.disable(logging.WARNING)  # the quantizer announces each entry of a recipe
    with stage(folder, "quantize"):
        content = (folder / "float.tflite").read_bytes()
        samples = [np.load(folder / f"input_{i}.npy", allow_pickle=False) for i in range(job["inputs"])]
        scheme, layers = Scheme(**job["scheme"]), layers_of(content)
        seen = statistics(content, samples) if scheme.calibrated else None
        held = held_operators(parse(content, "the float file").graphs[0], job["kept"])
        make = _maker(content, layers, scheme, seen, held)
        measure = _measure(make, content, [array[: job["measured"]] for array in samples])
        options = {layer.name: options_for(layer, job["wanted"], scheme) for layer in layers}
        fixed = {item.scope: (item.precision,) for item in held}
        options |= {layer.name: fixed[layer.scope] for layer in layers if layer.scope in fixed}
        points = search(options, measure)
        for number, point in enumerate(points):
            (folder / f"point_{number}.tflite").write_bytes(make(point.precisions))
    report_result(folder, {"points": [asdict(point) for point in points]})


def layers_of(content: bytes) -> list[Layer]:
    """The operators of a file's first graph that multiply with a stored kernel."""
    graph = parse(content, "the float file").graphs[0]
    found = []
    for operator in graph.operators:
        kernels = [operator.inputs[i] for i in KERNEL_INPUTS.get(operator.name, ()) if i < len(operator.inputs)]
        stored = [graph.tensors[i] for i in kernels if i >= 0 and graph.tensors[i].constant]
        if operator.name in OPERATORS and stored:
            scope = scope_of(graph, operator)
            found.append(Layer(graph.tensors[operator.outputs[0]].name, operator.name, scope, stored[0].shape[-1]))
    return found


def _maker(
    content: bytes, layers: list[Layer], scheme: Scheme, seen: Statistics | None, held: list[Held]
) -> Callable[[Precisions], bytes]:
    """Makes the file of some precisions."""
    from litert_quantizer.quantizer import Quantizer

    def make(precisions: Precisions) -> bytes:
        recipe = recipe_for(precisions, layers, scheme, held)
        if all(entry["algorithm_key"] == "no_quantize" for entry in recipe):
            return content
        quantizer = Quantizer(bytearray(content))
        quantizer.load_quantization_recipe(recipe)
        result = quantizer.quantize(seen, enable_progress_bar=False, enable_progress_report=False)
        return bytes(result.quantized_model)

    return make


def _measure(make: Callable[[Precisions], bytes], content: bytes, samples: list[np.ndarray]) -> Any:
    """Measures the file of some precisions, each only once."""
    expected = outputs_of(content, samples)
    known: dict[tuple[tuple[str, str], ...], Point] = {}

    def measure(precisions: Precisions) -> Point:
        key = tuple(sorted(precisions.items()))
        if key not in known:
            file = make(precisions)
            known[key] = Point(len(file), _noise(expected, outputs_of(file, samples)), dict(precisions))
        return known[key]

    return measure


def _noise(expected: list[np.ndarray], received: list[np.ndarray]) -> float:
    """The power of the differences over that of the outputs, as a mean over the outputs."""
    shares = [
        float(((given - right) ** 2).sum() / max((right**2).sum(), np.finfo(float).tiny))
        for right, given in zip(expected, received, strict=True)
    ]
    return sum(shares) / len(shares)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
