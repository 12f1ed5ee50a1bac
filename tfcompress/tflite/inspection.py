"""The facts of one `.tflite`, read back out of its bytes: the proof of what a file is."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfcompress.card import Card, card_path
from tfcompress.errors import FormatError
from tfcompress.files import sha256, zlib_bytes
from tfcompress.tflite.arithmetic import arithmetic, computes_in_float
from tfcompress.tflite.buffers import Buffers, buffers_of
from tfcompress.tflite.inspection_text import lines_of
from tfcompress.tflite.kernels import kernels
from tfcompress.tflite.metadata import Metadata, metadata_of
from tfcompress.tflite.reading import Content, Graph, Quantization, Tensor, file_bytes, parse
from tfcompress.tflite.values import Values, count_values

_VISITS_PER_BYTE = 32  # constants that share their bytes must not multiply the work


@dataclass(frozen=True)
class TensorFacts:
    """One tensor. `sparsity` and `distinct_values` are None where the file does not hold its values.

    Attributes:
        graph: Which graph it belongs to; 0 is the one that runs.
        quantization: `{"scales", "axis", "scale_min", "scale_max", "zero_points"}`: how many scales, along which axis
            (None: one for the tensor, or by blocks of `"block"` values), their range, and the different zero points;
            None for unquantized tensors.
        bytes: What the file holds of it.
        constant: Whether the file holds its values.
        kernel: Whether an operator multiplies activations with it (`tfcompress.tflite.kernels`).
        sparsity: Zeros / all, where a zero is a stored value that equals its zero point.
        distinct_values: How many different stored values there are.
    """

    graph: int
    index: int
    name: str
    shape: tuple[int, ...]
    type: str
    quantization: dict[str, Any] | None
    bytes: int
    constant: bool
    kernel: bool
    sparsity: float | None
    distinct_values: int | None


@dataclass(frozen=True)
class OperatorFacts:
    """One operator, in the order of execution; `arithmetic` as `tfcompress.tflite.arithmetic` tells it.

    Attributes:
        backend: Who computes it on this host: `"xnnpack"`, or `"builtin"` where LiteRT falls back to its own kernel;
            None where that was not asked, or LiteRT does not load the file.
    """

    graph: int
    index: int
    name: str
    arithmetic: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    output_name: str
    backend: str | None = None


@dataclass(frozen=True)
class Inspection:
    """What a `.tflite` holds; prints itself as tables.

    Attributes:
        name: The file's name.
        sha256: Of its bytes.
        sparsity: Zeros / all over the kernels (constants of rank 2 and more that operators multiply activations with;
            biases and embedding tables are none), None without kernels.
        distinct_values: The largest number of different stored values in one kernel, None without kernels.
        inputs: `{"name", "shape", "type", "scale", "zero_point"}` of each input, in the file's order.
        outputs: The same for the outputs.
        metadata: The names of the pieces of metadata.
        described: What the file says about itself, None where it says nothing.
        buffers: Which values are shared, and which the file holds more than once.
        load_error: Why LiteRT does not load the file, where it was asked and does not.
    """

    name: str
    sha256: str
    size_bytes: int
    zlib_bytes: int
    sparsity: float | None
    distinct_values: int | None
    inputs: tuple[dict[str, Any], ...]
    outputs: tuple[dict[str, Any], ...]
    operators: tuple[OperatorFacts, ...]
    tensors: tuple[TensorFacts, ...]
    metadata: tuple[str, ...]
    described: Metadata | None
    buffers: Buffers
    load_error: str | None = None

    @property
    def float_operators(self) -> tuple[OperatorFacts, ...]:
        """The operators that compute on floats."""
        return tuple(item for item in self.operators if computes_in_float(item.arithmetic))

    @property
    def fallbacks(self) -> tuple[OperatorFacts, ...]:
        """The operators that XNNPACK does not take, as far as it was asked."""
        return tuple(item for item in self.operators if item.backend == "builtin")

    @property
    def kernels(self) -> tuple[TensorFacts, ...]:
        """The tensors that are kernels."""
        return tuple(item for item in self.tensors if item.kernel)

    @property
    def arithmetic(self) -> str:
        """In one phrase: `"int8 throughout"`, or how many operators compute in what.

        An integer file is integer throughout also where QUANTIZE and DEQUANTIZE stand at its edges.
        """
        counted: dict[str, int] = {}
        for item in self.operators:
            if item.arithmetic not in {"conversion", "index"}:
                counted[item.arithmetic] = counted.get(item.arithmetic, 0) + 1
        if len(counted) == 1 and "custom" not in counted:
            return f"{next(iter(counted))} throughout"
        phrases = [f"{count} operator{'s' if count > 1 else ''} {kind}" for kind, count in counted.items()]
        return ", ".join(phrases) or "no arithmetic"

    def to_json(self) -> str:
        """The facts as JSON text, with the keys of a card."""
        facts = asdict(self)
        model = {"name": facts.pop("name"), "sha256": facts.pop("sha256")}
        return json.dumps({"model": model, "arithmetic": self.arithmetic} | facts, indent=2, allow_nan=False)

    def to_card(self) -> Card:
        """A card of these facts alone; what made the file and how fast it is are for others to add."""
        return Card(
            model={"name": self.name, "sha256": self.sha256},
            size_bytes=self.size_bytes,
            zlib_bytes=self.zlib_bytes,
            sparsity=self.sparsity,
            distinct_values=self.distinct_values,
            inputs=list(self.inputs),
            outputs=list(self.outputs),
            operators=[_plain(item) for item in self.operators],
            tensors=[_plain(item) for item in self.tensors],
        )

    def __str__(self) -> str:
        return "\n".join(lines_of(self))


def inspect(path: str | Path) -> Inspection:
    """Reads what a `.tflite` holds, without TensorFlow and without loading it.

    Args:
        path: Any file; one that is truncated, damaged or hostile gives a FormatError in limited time.

    Raises:
        FormatError: There is no such file, or it is no `.tflite`, truncated or damaged.

    Example:
        The example of `tfcompress.convert` runs this.

        >>> inspect("phone.tflite").arithmetic  # doctest: +SKIP
        'int8 throughout'
    """
    path = Path(path)
    data = file_bytes(path)
    content = parse(data, str(path))
    try:
        tensors = _tensor_facts(content, len(data))
        buffers = buffers_of(content, len(data))
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    operators = tuple(fact for i, graph in enumerate(content.graphs) for fact in _operator_facts(i, graph))
    weights = [(fact, math.prod(fact.shape)) for fact in tensors if fact.kernel and fact.sparsity is not None]
    total = sum(count for _, count in weights)
    first = content.graphs[0]
    return Inspection(
        name=path.name,
        sha256=sha256(path),
        size_bytes=len(data),
        zlib_bytes=zlib_bytes(path),
        sparsity=sum((fact.sparsity or 0.0) * count for fact, count in weights) / total if total else None,
        distinct_values=max((fact.distinct_values or 0 for fact, _ in weights), default=None),
        inputs=tuple(_port(first.tensors[index]) for index in first.inputs if index >= 0),
        outputs=tuple(_port(first.tensors[index]) for index in first.outputs if index >= 0),
        operators=operators,
        tensors=tensors,
        metadata=content.metadata,
        described=metadata_of(content, data, str(path)),
        buffers=buffers,
    )


def card_of(path: Path) -> Card:
    """The card beside the file if it is of the same bytes, else a new one from the file itself."""
    if card_path(path).is_file():
        card = Card.load_beside(path)
        if card.model.get("sha256") == sha256(path):
            return card
    return inspect(path).to_card()


def _plain(fact: TensorFacts | OperatorFacts) -> dict[str, Any]:
    """A fact as JSON has it, so that a card equals the one read back."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(fact).items()}


def _tensor_facts(content: Content, size: int) -> tuple[TensorFacts, ...]:
    facts, counted, left = [], dict[tuple[Any, ...], Values | None](), _VISITS_PER_BYTE * size
    for number, graph in enumerate(content.graphs):
        weights = kernels(graph)
        for tensor in graph.tensors:
            key = (tensor.buffer, tensor.type, tensor.shape, tensor.quantization, tensor.sparse)
            if key not in counted:
                left -= len(tensor.data)
                if left < 0:
                    raise FormatError(
                        "too many tensors share the same bytes, so the file is damaged. Convert it again."
                    )
                counted[key] = count_values(tensor)
            facts.append(_tensor_fact(number, tensor, counted[key], tensor.index in weights))
    return tuple(facts)


def _tensor_fact(graph: int, tensor: Tensor, values: Values | None, kernel: bool) -> TensorFacts:
    return TensorFacts(
        graph=graph,
        index=tensor.index,
        name=tensor.name,
        shape=tensor.shape,
        type=tensor.type,
        quantization=_quantization(tensor.quantization),
        bytes=len(tensor.data),
        constant=tensor.constant,
        kernel=kernel,
        sparsity=values.zeros / values.count if values and values.count else None,
        distinct_values=values.distinct if values else None,
    )


def _quantization(quantization: Quantization | None) -> dict[str, Any] | None:
    if quantization is None:
        return None
    facts = {
        "scales": len(quantization.scales),
        "axis": quantization.axis,
        "scale_min": min(quantization.scales),
        "scale_max": max(quantization.scales),
        "zero_points": sorted(set(quantization.zero_points)),
    }
    return facts | {"block": quantization.block} if quantization.block else facts


def _operator_facts(number: int, graph: Graph) -> list[OperatorFacts]:
    return [
        OperatorFacts(
            graph=number,
            index=index,
            name=operator.name,
            arithmetic=arithmetic(graph, operator),
            inputs=tuple(graph.tensors[item].type for item in operator.inputs if item >= 0),
            outputs=tuple(graph.tensors[item].type for item in operator.outputs if item >= 0),
            output_name=next((graph.tensors[item].name for item in operator.outputs if item >= 0), ""),
        )
        for index, operator in enumerate(graph.operators)
    ]


def _port(tensor: Tensor) -> dict[str, Any]:
    """An input or output as a program needs it that feeds the file."""
    quantization = tensor.quantization
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "type": tensor.type,
        "scale": quantization.scales[0] if quantization else None,
        "zero_point": quantization.zero_points[0] if quantization else None,
    }
