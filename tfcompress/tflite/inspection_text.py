"""The facts of a `.tflite` as text that reads well on a terminal."""

from typing import TYPE_CHECKING, Any

from tfcompress.table import aligned, cell

if TYPE_CHECKING:
    from tfcompress.tflite.inspection import Inspection, OperatorFacts, TensorFacts

_LONGEST_KERNEL, _LONGEST_CELL = 44, 36  # letters; tables stay within 100 columns
_LONGEST_LINE = 76
_MOST_NAMED = 4
_BACKENDS = {None: "-", "xnnpack": "XNNPACK", "builtin": "LiteRT"}


def lines_of(facts: "Inspection") -> list[str]:
    """The lines: the file as a whole, its inputs and outputs, operators, kernels, and the other tensors."""
    lines = [f"{facts.name}: {facts.size_bytes:,} bytes, {facts.zlib_bytes:,} zipped (zlib 9), {facts.arithmetic}"]
    if facts.sparsity is not None:
        counts = f"sparsity {facts.sparsity:.4f}, at most {facts.distinct_values} distinct values"
        lines.append(f"{len(facts.kernels)} kernels: {counts}")
    for title, ports in (("input", facts.inputs), ("output", facts.outputs)):
        lines += [f"{title} {port['name']}: {_port_text(port)}" for port in ports]
    lines += [*_described_lines(facts), *_backend_lines(facts), *_buffer_lines(facts)]
    rows = [("#", "operator", "arithmetic", "by", "inputs", "outputs"), *map(_operator_row, facts.operators)]
    lines += ["", aligned(rows, left=6)]
    if facts.kernels:
        columns = ("kernel", "shape", "type", "bytes", "scales", "sparsity", "distinct")
        lines += ["", aligned([columns, *map(_kernel_row, facts.kernels)], left=3)]
    others = [item for item in facts.tensors if not item.kernel]
    if others:
        heads = ("other tensor", "shape", "type", "scale", "zero", "bytes")
        lines += ["", aligned([heads, *map(_tensor_row, others)], left=3)]
    return lines


def _described_lines(facts: "Inspection") -> list[str]:
    """What the file says about itself, a line each."""
    said = facts.described
    if said is None:
        return []
    texts = {name: getattr(said, name) for name in ("name", "description", "version", "author", "license")}
    lines = [
        f"{name} (its own): {_shortened(' '.join(text.split()), _LONGEST_LINE)}" for name, text in texts.items() if text
    ]
    if said.labels:
        some = ", ".join(said.labels[:_MOST_NAMED]) + (", ..." if len(said.labels) > _MOST_NAMED else "")
        lines.append(f"{len(said.labels)} labels: {_shortened(some, _LONGEST_LINE)}")
    if said.mean:
        lines.append(f"input: (x - {_numbers(said.mean)}) / {_numbers(said.std)}")
    held = [f"{name} of {len(text):,} letters" for name in ("recipe", "card") if (text := getattr(said, name))]
    if held:
        lines.append(f"carries its {' and its '.join(held)}")
    return [*lines, f"made from {said.parent}"] if said.parent else lines


def _numbers(values: tuple[float, ...]) -> str:
    return f"{values[0]:g}" if len(values) == 1 else f"({', '.join(f'{value:g}' for value in values)})"


def _backend_lines(facts: "Inspection") -> list[str]:
    """Who computes: XNNPACK, and what it leaves to LiteRT's own kernels."""
    if facts.load_error:
        return [f"LiteRT does not load it: {facts.load_error}"]
    asked = [item for item in facts.operators if item.backend]
    if not asked:
        return []
    taken = len(asked) - len(facts.fallbacks)
    counted: dict[str, int] = {}
    for item in facts.fallbacks:
        counted[item.name] = counted.get(item.name, 0) + 1
    named = [name if count == 1 else f"{count} {name}" for name, count in counted.items()]
    rest = f" and {len(named) - _MOST_NAMED} more kinds" if len(named) > _MOST_NAMED else ""
    fallen = f"; LiteRT's own kernels: {', '.join(named[:_MOST_NAMED])}{rest}" if named else ""
    return [f"XNNPACK takes {taken} of {len(asked)} operators{fallen}"]


def _buffer_lines(facts: "Inspection") -> list[str]:
    """What is stored once for several tensors, twice, or for nobody; tiny values are not worth a line."""
    buffers, lines = facts.buffers, []
    if buffers.shared:
        names = ", ".join(buffers.shared[0].tensors[:2])
        total = sum(item.bytes for item in buffers.shared)
        lines.append(f"{len(buffers.shared)} buffers of {total:,} bytes are shared: {_shortened(names, 60)}, ...")
    if buffers.repeated:
        names = ", ".join(buffers.repeated[0].tensors[:2])
        lines.append(f"{buffers.repeated_bytes:,} bytes are stored more than once: {_shortened(names, 60)}, ...")
    if buffers.unused_bytes:
        lines.append(f"{buffers.unused_bytes:,} bytes are used by nothing")
    return lines


def _shortened(text: str, longest: int) -> str:
    """Text that leaves room for the other columns: a long one loses its middle."""
    half = (longest - 3) // 2
    return text if len(text) <= longest else f"{text[:half]}...{text[-half:]}"


def _port_text(port: dict[str, Any]) -> str:
    coded = f", scale {port['scale']:.6g}, zero point {port['zero_point']}" if port["scale"] is not None else ""
    return f"{port['type']} {_shape_text(port['shape'])}{coded}"


def _shape_text(shape: "list[int] | tuple[int, ...]") -> str:
    return "x".join("?" if size < 0 else str(size) for size in shape)


def _operator_row(item: "OperatorFacts") -> tuple[str, ...]:
    inputs = _shortened(", ".join(item.inputs), _LONGEST_CELL)
    return (
        str(item.index),
        item.name,
        item.arithmetic,
        _BACKENDS[item.backend],
        inputs,
        _shortened(", ".join(item.outputs), 12),
    )


def _kernel_row(item: "TensorFacts") -> tuple[str, ...]:
    return (
        _shortened(item.name, _LONGEST_KERNEL),
        "x".join(map(str, item.shape)),
        item.type,
        cell(item.bytes),
        cell(item.quantization["scales"] if item.quantization else None),
        cell(item.sparsity, ".4f"),
        cell(item.distinct_values),
    )


def _tensor_row(item: "TensorFacts") -> tuple[str, ...]:
    """A bias or an activation: with its scale, or the range of its scales."""
    scale, zero = "-", "-"
    if item.quantization:
        low, high = item.quantization["scale_min"], item.quantization["scale_max"]
        scale = f"{low:.4g}" if low == high else f"{low:.2g} to {high:.2g}"
        zeros = item.quantization["zero_points"]
        zero = str(zeros[0]) if len(zeros) == 1 else f"{zeros[0]} to {zeros[-1]}"
    size = cell(item.bytes) if item.constant else "-"
    return _shortened(item.name, _LONGEST_CELL), _shape_text(item.shape) or "()", item.type, scale, zero, size
