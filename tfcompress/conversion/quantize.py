"""Each layer of a float `.tflite` gets its own bits, found by what they cost, within a budget of bytes or error."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.card import Card
from tfcompress.child import Ending, job_folder, run
from tfcompress.conversion.bit_search import Point, chosen
from tfcompress.conversion.converter import convert
from tfcompress.conversion.difference import difference
from tfcompress.conversion.holding import check_kept
from tfcompress.conversion.precisions import BITS, Scheme
from tfcompress.conversion.representative import Samples, collect
from tfcompress.conversion.signature import Port
from tfcompress.errors import ConversionError, DataError, MissingPackageError, suggestion
from tfcompress.files import check_output, replacing
from tfcompress.progress import task
from tfcompress.runtime.inspection import inspect
from tfcompress.runtime.session import predict
from tfcompress.table import aligned
from tfcompress.tflite.inspection import Inspection, card_of
from tfcompress.tflite.reading import file_bytes, parse

_WORKER = "tfcompress.conversion.quantizer_worker"
_MEASURED, _COMPARED = 64, 100  # samples
_RANDOM, _SEED = 32, 0


@dataclass(frozen=True)
class Quantized:
    """What came out; prints itself as a table of all files that no other beats, the written one marked.

    Attributes:
        card: The card of the written file.
        points: All files that no other beats in bytes and noise, the largest first.
        chosen: The one that was written.
    """

    card: Card
    points: tuple[Point, ...]
    chosen: Point

    def __str__(self) -> str:
        used = [name for name in BITS if any(name in point.precisions.values() for point in self.points)]
        rows = [("", "bytes", "SNR, dB", *(f"layers {name}" for name in used))]
        for point in self.points:
            counts = [sum(found == name for found in point.precisions.values()) for name in used]
            mark = "*" if point == self.chosen else ""
            rows.append((mark, f"{point.bytes:,}", f"{point.snr_db:.2f}", *map(str, counts)))
        return aligned(rows)


def quantize(
    model: Any,
    path: str | Path,
    *,
    precisions: Sequence[str] = ("int8", "int4"),
    activations: str = "int8",
    representative: Any = None,
    max_bytes: int | None = None,
    min_snr_db: float | None = None,
    block: int = 0,
    method: str = "nearest",
    io: str = "float32",
    kept: Mapping[str, str] | None = None,
    every: str | Path | None = None,
    force: bool = False,
    time_limit: float = 3600.0,
) -> Quantized:
    """Writes a `.tflite` whose layers have the precisions that cost least within a budget.

    The model is converted to float once; litert-quantizer makes every candidate from that file. What a layer's bits
    cost is measured at the outputs, `SNR = 10 log10(sum y^2 / sum (y - y')^2)`, first for each layer alone, then along
    the way from the widest to the narrowest file.

    Args:
        model: A Keras model or whatever `tfcompress.load` takes; or the path of a float `.tflite` with a batch of 1.
        path: The file to write; its card goes beside it.
        precisions: What a layer may have, of `"float32"`, `"int16"` (int8 weights, int16 activations), `"int8"` and
            `"int4"`. One that an operator cannot have is left out for it; depthwise convolutions know no int4.
        activations: `"int8"` or `"int16"` (integer arithmetic throughout, calibrated), `"dynamic"` (quantized on the
            fly), or `"float32"` (only weights are stored in few bits; computed in float).
        representative: Samples like those of training, in the forms that `convert` takes; at most 200 are used.
        max_bytes: The largest size; of all files within it the one with the highest SNR is written.
        min_snr_db: The least SNR in decibels; of all files that have it the smallest is written.
        block: How many int4 weights of a dense layer share a scale: 32, 64, 128 or 256, with dynamic activations; 0:
            all of a channel.
        method: How the scales of kernels are found: `"nearest"` (from the largest weight), or `"mse"` and `"octav"` (of
            least squared error, which clips the largest).
        io: The type of inputs and outputs: `"float32"`, or that of the activations.
        kept: By the name of a tensor of the float file the precision, `"int16"` or `"float32"`, in which it is made, of
            whatever `precisions` says: where int8 activations are too coarse. What reads it computes on int16, or in
            float where there is no int16.
        every: A folder into which all files that no other beats are written, each named by its bytes.
        force: Whether an existing file or folder may be replaced.
        time_limit: Seconds after which the search is stopped.

    Returns:
        The written file's card, and the files that no other beats.

    Raises:
        ConversionError: No file keeps the budget, several precisions come without one, or a setting is unknown.
        DataError: Representative data is missing or does not fit.
        MissingPackageError: litert-quantizer is not installed.
        OutputError: The file exists and `force` is false, or it cannot be written.

    Example:
        >>> import keras, tempfile, numpy as np, tfcompress as tfc
        >>> layers = [keras.Input((32,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(64)]
        >>> samples = np.random.default_rng(0).random((50, 32), np.float32)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = f"{folder}/x.tflite"
        ...     found = tfc.quantize(keras.Sequential(layers), path, representative=samples, min_snr_db=10)
        ...     kernels = {kernel.type for kernel in tfc.inspect(path).kernels}
        >>> found.chosen.snr_db >= 10, kernels <= {"int4", "int8"}
        (True, True)

    Reference:
        Dong et al., "HAWQ-V2", arXiv 1911.03852; Sakr et al., "OCTAV", arXiv 2206.06501.
    """
    path, scheme = Path(path), Scheme(activations, block, method, io)
    _check(precisions, max_bytes, min_snr_db)
    for target in [path, *([Path(every)] if every is not None else [])]:
        check_output(target, force=force)
    with task(f"quantizing {path.name}") as progress, job_folder() as folder:
        progress.say("making the float file")
        card = _float_file(model, folder / "float.tflite", time_limit)
        ports = _ports(folder / "float.tflite")
        samples = _samples(representative, ports, scheme)
        check_kept(kept or {}, scheme, folder / "float.tflite")
        progress.say("measuring precisions")
        points = _searched(folder, samples, precisions, scheme, kept or {}, time_limit, path.name)
        point = chosen(points, max_bytes, min_snr_db)
        made = folder / f"point_{points.index(point)}.tflite"
        progress.say("comparing the file with the model")
        gap = _difference(folder / "float.tflite", made, samples)
        origin = "representative" if representative is not None else f"random, seed {_SEED}"
        card = _card(made, path.name, card, point, scheme, {"inputs": origin} | gap)
        if kept:
            card = replace(card, conversion=card.conversion | {"kept": dict(kept)})
        with replacing(path, force=force) as temporary:
            temporary.write_bytes(made.read_bytes())
            card.save_beside(path)
        if every is not None:
            _keep(points, folder, Path(every), force)
    return Quantized(card, tuple(points), point)


def _check(precisions: Sequence[str], max_bytes: int | None, min_snr_db: float | None) -> None:
    """Refuses what cannot be searched."""
    if isinstance(precisions, str) or not precisions:
        raise ConversionError(f"precisions is a list such as ['int8', 'int4']; received {precisions!r}.")
    if unknown := [name for name in precisions if name not in BITS]:
        raise ConversionError(f"There is no precision {unknown[0]!r}. {suggestion(unknown[0], BITS)}")
    if len(set(precisions)) > 1 and max_bytes is None and min_snr_db is None:
        raise ConversionError(
            f"Among {', '.join(precisions)} a budget decides: give max_bytes or min_snr_db (--max-bytes, --min-snr)."
        )
    if find_spec("litert_quantizer") is None:
        raise MissingPackageError(
            "litert-quantizer is not installed, and int4 and mixed precision need it: pip install "
            "'tfcompress[quantizer]'. `convert` does int8 and int16x8 without."
        )


def _float_file(model: Any, target: Path, time_limit: float) -> Card:
    """The float file and its card: the one given with the card that lies beside it, or the model converted."""
    if isinstance(model, (str, Path)) and Path(model).suffix == ".tflite":
        target.write_bytes(file_bytes(model))
        facts = inspect(target, xnnpack=False)
        if any(kernel.type != "float32" for kernel in facts.kernels):
            kinds = ", ".join(sorted({kernel.type for kernel in facts.kernels}))
            raise ConversionError(f"{model} has {kinds} kernels already. Give the float file that it was made from.")
        return card_of(Path(model))
    return convert(model, target, mode="float32", time_limit=time_limit)


def _ports(file: Path) -> tuple[Port, ...]:
    """The inputs by the names of the file's signature, or of its tensors."""
    content = parse(file_bytes(file), str(file))
    graph = content.graphs[0]
    signature = next((item for item in content.signatures if item.graph == 0), None)
    names = {index: name for name, index in signature.inputs.items()} if signature else {}
    tensors = [graph.tensors[index] for index in graph.inputs]
    if any(tensor.shape[:1] not in ((1,), (-1,)) for tensor in tensors):
        raise ConversionError(f"{file.name} has a batch beyond 1. Convert it with a batch of 1.")
    return tuple(Port(names.get(item.index, item.name), tuple(item.shape[1:]), item.type) for item in tensors)


def _samples(source: Any, ports: Sequence[Port], scheme: Scheme) -> Samples:
    """Representative samples; random ones where no ranges depend on them."""
    if source is not None:
        return collect(source, ports)
    if scheme.calibrated:
        raise DataError(
            f"Activations {scheme.activations} take their ranges from representative data, and none was given. Give "
            "100 to 500 samples like those of training (representative=, --representative)."
        )
    generator = np.random.default_rng(_SEED)
    return {port.name: generator.random((_RANDOM, *port.shape)).astype(port.dtype) for port in ports}


def _searched(
    folder: Path,
    samples: Samples,
    precisions: Sequence[str],
    scheme: Scheme,
    kept: Mapping[str, str],
    time_limit: float,
    name: str,
) -> list[Point]:
    """The files that no other beats, made in a child process."""
    for i, array in enumerate(samples.values()):
        np.save(folder / f"input_{i}.npy", array, allow_pickle=False)
    job = {"inputs": len(samples), "scheme": asdict(scheme), "wanted": list(precisions), "measured": _MEASURED}
    job["kept"] = dict(kept)
    ending = run(_WORKER, folder, job, time_limit=time_limit)
    if ending.result is None:
        raise _failure(name, ending, time_limit)
    return [Point(**point) for point in ending.result["points"]]


def _failure(name: str, ending: Ending, time_limit: float) -> ConversionError:
    if ending.timed_out:
        return ConversionError(f"{name}: the search still ran after {time_limit:g} s and was stopped. Give more time.")
    if ending.failure is not None:
        reason = " ".join(ending.failure["message"].split())[:300].rstrip(".")
        return ConversionError(f"{name} could not be quantized: {reason}. `convert` may do it.")
    return ConversionError(f"{name}: litert-quantizer crashed ({ending.signal or 'without a message'}).")


def _keep(points: list[Point], folder: Path, target: Path, force: bool) -> None:
    """Writes the file of each point into a folder."""
    with replacing(target, force=force) as temporary:
        temporary.mkdir()
        for i, point in enumerate(points):
            (temporary / f"{point.bytes}.tflite").write_bytes((folder / f"point_{i}.tflite").read_bytes())


def _difference(float_file: Path, file: Path, samples: Samples) -> dict[str, Any]:
    """How far the file's outputs are from the float file's, on at most 100 of the samples."""
    some = [array[:_COMPARED] for array in samples.values()]
    expected, received = (predict(one, some) for one in (float_file, file))
    lists = [found if isinstance(found, list) else [found] for found in (expected, received)]
    return difference(lists[0], lists[1])


def _card(file: Path, name: str, source: Card, point: Point, scheme: Scheme, gap: dict[str, Any]) -> Card:
    """The facts of the written file, with what is known of the model."""
    facts = inspect(file)
    found = facts.to_card()
    rate = source.compression_rate
    return replace(
        found,
        model={"name": name, "sha256": found.model["sha256"]},
        parameters=source.parameters,
        macs=source.macs,
        layers=source.layers,
        compression_rate=rate * source.size_bytes / found.size_bytes if rate else None,
        conversion={
            "mode": "mixed",
            "io": scheme.io,
            "batch": 1,
            "arithmetic": facts.arithmetic,
            "float_operators": [{"name": item.name, "output": item.output_name} for item in facts.float_operators],
            "activations": scheme.activations,
            "method": scheme.method,
            "precisions": dict(point.precisions),
            "snr_db": round(point.snr_db, 2),
            "difference": gap,
        },
        notes=[*source.notes, *_fallback_notes(facts)],
        versions=source.versions | {"litert-quantizer": version("litert-quantizer")},
    )


def _fallback_notes(facts: Inspection) -> list[str]:
    """Which int4 operators XNNPACK does not take: it knows no int4 convolutions (ai-edge-litert 2.3)."""
    slow = [item.name for item in facts.fallbacks if "int4" in item.inputs]
    if not slow:
        return []
    return [
        f"XNNPACK leaves {len(slow)} operators with int4 kernels ({', '.join(sorted(set(slow)))}) to LiteRT's own "
        "kernels: fewer bytes, not less time."
    ]
