"""Which operators keep a tensor of a float `.tflite` in more than eight bits: the one that makes it and its readers."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from tfcompress.conversion.precisions import INT16, Held, Scheme
from tfcompress.errors import ConversionError, suggestion
from tfcompress.tflite.reading import Graph, Operator, read

_HANDING_ON = {"EXPAND_DIMS", "MAX_POOL_2D", "PAD", "RESHAPE", "SLICE", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE"}
"""Operators whose outputs hold values of their inputs: what reads them reads these."""


def held_operators(graph: Graph, kept: Mapping[str, str]) -> list[Held]:
    """The operators that must compute in other precisions for some tensors to be kept in them.

    An operator rounds what it reads to its own precision, so a tensor that int8 operators read has eight bits, whatever
    made it. Its readers therefore compute on int16, or in float where litert-quantizer knows no int16 for them; past
    operators that only hand values on, theirs do too.

    Args:
        graph: The graph of the float file.
        kept: By the name of a tensor the precision that it is made in, `"int16"` or `"float32"`.
    """
    readers: dict[int, list[Operator]] = {}
    for operator in graph.operators:
        for index in operator.inputs:
            readers.setdefault(index, []).append(operator)
    held: dict[str, Held] = {}
    for operator in graph.operators:
        wanted = {kept[name] for name in _outputs(graph, operator) if name in kept}
        if wanted:
            _hold(held, graph, operator, "float32" if "float32" in wanted else "int16")
    for index, tensor in enumerate(graph.tensors):
        if tensor.name in kept:
            for reader in _all_readers(index, readers):
                _hold(held, graph, reader, "int16")
    return list(held.values())


def check_kept(kept: Mapping[str, str], scheme: Scheme, file: Path) -> None:
    """Refuses tensors that a float file does not have, and precisions that none can be kept in.

    Raises:
        ConversionError: There is no such tensor or precision, or activations are float anyway.
    """
    names = [tensor.name for tensor in read(file).graphs[0].tensors]
    for name, precision in kept.items():
        if name not in names:
            raise ConversionError(f"The float file has no tensor {name!r}. {suggestion(name, names)}")
        if precision not in ("int16", "float32"):
            raise ConversionError(f"A tensor can be kept in int16 or float32; {name!r} was to be {precision!r}.")
    if kept and not scheme.calibrated:
        raise ConversionError(
            f"With {scheme.activations} activations every tensor is float, and none has to be kept so. Leave out "
            "kept=, or choose activations int8 or int16."
        )


def scope_of(graph: Graph, operator: Operator) -> str:
    """The names of all outputs of an operator, as litert-quantizer joins them."""
    return "".join(f"{name};" for name in _outputs(graph, operator))


def _hold(held: dict[str, Held], graph: Graph, operator: Operator, precision: str) -> None:
    """Notes an operator; one that is float already stays so."""
    scope = scope_of(graph, operator)
    possible = precision if operator.name in INT16 else "float32"
    if scope not in held or possible == "float32":
        held[scope] = Held(operator.name, scope, possible)


def _all_readers(index: int, readers: Mapping[int, list[Operator]]) -> Iterator[Operator]:
    for reader in readers.get(index, []):
        yield reader
        if reader.name in _HANDING_ON:
            for output in reader.outputs:
                yield from _all_readers(output, readers)


def _outputs(graph: Graph, operator: Operator) -> list[str]:
    return [graph.tensors[index].name for index in operator.outputs if index >= 0]
