"""Which precision each kind of operator can have, and how litert-quantizer is told: its recipes are plain data."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfcompress.errors import ConversionError, suggestion

BITS = {"float32": 32, "int16": 8, "int8": 8, "int4": 4}
"""The precisions a layer can have, the widest first, with the bits of a weight; int16 has int8 weights and int16
activations."""

ACTIVATIONS = ("int8", "int16", "dynamic", "float32")
BLOCKS = (0, 32, 64, 128, 256)

OPERATORS = frozenset({"BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})
"""The operators whose kernels can be quantized."""

# The methods by which a kernel's scales are found: the key in litert-quantizer, and the operators that it serves.
# Its GPTQ is left out: fed with statistics, version 0.11.0 wrote float bytes into an int4 tensor; why is unknown.
METHODS = {
    "nearest": ("min_max_uniform_quantize", OPERATORS),
    "mse": ("MSE", OPERATORS - {"BATCH_MATMUL"}),
    "octav": ("OCTAV", OPERATORS),
}
_INT4 = {"int8": {"CONV_2D", "FULLY_CONNECTED"}, "dynamic": {"CONV_2D", "FULLY_CONNECTED"}}
_INT4 |= {"int16": _INT4["int8"], "float32": {"BATCH_MATMUL", "CONV_2D", "FULLY_CONNECTED"}}
_THEIR_NAMES = {"TRANSPOSE_CONV": "CONV_2D_TRANSPOSE"}

INT16 = OPERATORS | {
    *("ADD", "AVERAGE_POOL_2D", "CONCATENATION", "DIV", "GATHER", "GELU", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D", "MEAN"),
    *("MIRROR_PAD", "MUL", "PACK", "PAD", "PADV2", "RELU", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"),
    *("RSQRT", "SLICE", "SOFTMAX", "SPLIT", "SQRT", "STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE", "UNPACK"),
}
"""The operators that litert-quantizer 0.11 lets compute on int16 activations."""
_ENDS = ("INPUT", "OUTPUT")


@dataclass(frozen=True)
class Layer:
    """An operator with a kernel: its name is that of its output.

    Attributes:
        operator: Its name in the schema.
        scope: The names of all its outputs, as litert-quantizer joins them.
        depth: How many inputs each of its units has, which blocks must divide.
    """

    name: str
    operator: str
    scope: str
    depth: int


@dataclass(frozen=True)
class Held:
    """An operator, with or without a kernel, that computes in a precision of its own.

    Attributes:
        operator: Its name in the schema.
        scope: As that of a `Layer`.
        precision: `"int16"` or `"float32"`.
    """

    operator: str
    scope: str
    precision: str


@dataclass(frozen=True)
class Scheme:
    """What holds for all layers.

    Attributes:
        activations: `"int8"` and `"int16"` (calibrated), `"dynamic"` (float in the file, int8 on the fly), or
            `"float32"` (weights are unpacked before each use).
        block: How many int4 weights of a dense layer share a scale; 0: all of a channel.
        method: A key of `METHODS`.
        io: The type of inputs and outputs, `"float32"` or that of the activations.
    """

    activations: str = "int8"
    block: int = 0
    method: str = "nearest"
    io: str = "float32"

    def __post_init__(self) -> None:
        for value, known, what in (
            (self.activations, ACTIVATIONS, "activations"),
            (self.method, METHODS, "method"),
        ):
            if value not in known:
                raise ConversionError(f"There is no {what} {value!r}. {suggestion(value, known)}")
        if self.block not in BLOCKS:
            raise ConversionError(f"A block has {', '.join(map(str, BLOCKS[1:]))} weights; received {self.block}.")
        if self.block and self.activations != "dynamic":
            raise ConversionError(f"LiteRT computes blocks with dynamic activations only, not {self.activations}.")
        if self.block and self.method != "nearest":
            raise ConversionError(f"Method {self.method} knows no blocks; take nearest, or no block.")
        if self.io not in ("float32", self.activations) or self.io == "dynamic":
            raise ConversionError(f"With {self.activations} activations, io is float32 or {self.activations}.")

    @property
    def calibrated(self) -> bool:
        """Whether activations take their ranges from samples."""
        return self.activations in ("int8", "int16")


def options_for(layer: Layer, wanted: Sequence[str], scheme: Scheme) -> tuple[str, ...]:
    """Those of the wanted precisions that a layer can have, the widest first; int8 where it can have none of them.

    Example:
        >>> options_for(Layer("x", "DEPTHWISE_CONV_2D", "x;", 9), ["int4", "int8"], Scheme())
        ('int8',)
    """
    possible = ["float32", "int8"]
    if scheme.activations == "int8":
        possible.append("int16")
    fits = not scheme.block or (layer.operator == "FULLY_CONNECTED" and layer.depth % scheme.block == 0)
    if layer.operator in _INT4[scheme.activations] and (fits or layer.operator != "FULLY_CONNECTED"):
        possible.append("int4")
    return tuple(name for name in BITS if name in wanted and name in possible) or ("int8",)


def recipe_for(
    precisions: Mapping[str, str], layers: Sequence[Layer], scheme: Scheme, held: Sequence[Held] = ()
) -> list[dict[str, Any]]:
    """A recipe of litert-quantizer; where two entries fit an operator, it takes the later one.

    Args:
        precisions: Each layer's precision by its name.
        layers: The layers.
        scheme: What holds for all.
        held: Operators for which that does not hold.
    """
    entries = []
    if scheme.calibrated:
        entries.append(_entry(".*", "*", _config(8, scheme.activations), "nearest"))
        if scheme.io == "float32":
            entries += [_left_alone(".*", name) for name in _ENDS]
    for layer in layers:
        precision, place = precisions[layer.name], f"^{re.escape(layer.scope)}$"
        operator = _THEIR_NAMES.get(layer.operator, layer.operator)
        if precision == "float32":
            entries.append(_left_alone(place, operator))
            continue
        activations = "int16" if precision == "int16" else scheme.activations
        block = scheme.block if precision == "int4" and layer.operator == "FULLY_CONNECTED" else 0
        method = scheme.method if layer.operator in METHODS[scheme.method][1] else "nearest"
        entries.append(_entry(place, operator, _config(BITS[precision], activations, block), method))
    return [*entries, *map(_held_entry, held)]


def _held_entry(item: Held) -> dict[str, Any]:
    place, operator = f"^{re.escape(item.scope)}$", _THEIR_NAMES.get(item.operator, item.operator)
    if item.precision == "float32":
        return _left_alone(place, operator)
    return _entry(place, operator, _config(8, "int16"), "nearest")


def _entry(place: str, operator: str, config: dict[str, Any], method: str) -> dict[str, Any]:
    return {"regex": place, "operation": operator, "algorithm_key": METHODS[method][0], "op_config": config}


def _left_alone(place: str, operator: str) -> dict[str, Any]:
    return {"regex": place, "operation": operator, "algorithm_key": "no_quantize", "op_config": {}}


def _config(bits: int, activations: str, block: int = 0) -> dict[str, Any]:
    """How one operator stores its weights and computes."""
    granularity = f"BLOCKWISE_{block}" if block else "CHANNELWISE"
    weights = {"num_bits": bits, "symmetric": True, "granularity": granularity, "dtype": "INT"}
    config: dict[str, Any] = {"weight_tensor_config": weights, "compute_precision": "INTEGER"}
    config["explicit_dequantize"] = activations == "float32"
    if activations == "float32":
        config["compute_precision"] = "FLOAT"
    if activations in ("int8", "int16"):
        config["activation_tensor_config"] = {
            "num_bits": BITS[activations] if activations == "int8" else 16,
            "symmetric": activations == "int16",  # LiteRT's int16 kernels know no zero point
            "granularity": "TENSORWISE",
            "dtype": "INT",
        }
    return config
