"""What a `.tflite` was promised to be, held against what it is."""

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfcompress.errors import ConversionError, PromiseError, suggestion

if TYPE_CHECKING:
    from tfcompress.tflite.inspection import Inspection, TensorFacts

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {">=": operator.ge, "<=": operator.le, "==": operator.eq}
_FORM = re.compile(r"\s*(\w+)\s*(>=|<=|==)\s*(\S+)\s*")
_NUMBERS = (
    "sparsity",
    "kernel_sparsity",
    "distinct_values",
    "size_bytes",
    "zlib_bytes",
    "float_operators",
    "fallbacks",
)
_WORDS = ("arithmetic", "io")
_FORMS = 'such as "arithmetic == int8", "sparsity >= 0.8", "distinct_values <= 16", "io == int8", "size_bytes <= 50000"'


@dataclass(frozen=True)
class Promise:
    """One fact that a file must have.

    | name | what it is compared with |
    | --- | --- |
    | `arithmetic` | the type in which every operator computes, QUANTIZE and DEQUANTIZE aside |
    | `io` | the type of every input and output |
    | `sparsity` | zeros / all over the kernels |
    | `kernel_sparsity` | zeros / all of the kernel that has the fewest |
    | `distinct_values` | different values in the kernel that has the most |
    | `size_bytes`, `zlib_bytes` | of the file |
    | `float_operators` | how many operators compute on floats |
    | `fallbacks` | how many operators XNNPACK leaves to LiteRT's own kernels on this host |

    Example:
        >>> print(Promise.parse("sparsity>=0.8"))
        sparsity >= 0.8
    """

    name: str
    comparison: str
    value: str

    @classmethod
    def parse(cls, text: str) -> "Promise":
        """Reads a promise from a name, `>=`, `<=` or `==`, and a value.

        Raises:
            ConversionError: The text has another form, or the name is unknown.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise ConversionError(f"{text!r} is no promise. Give a name, >=, <= or ==, and a value, {_FORMS}.")
        name, comparison, value = found.groups()
        if name not in _NUMBERS + _WORDS:
            raise ConversionError(f"Nothing can be promised of {name!r}. {suggestion(name, _NUMBERS + _WORDS)}")
        if name in _WORDS and comparison != "==":
            raise ConversionError(f"{text!r}: {name} is a word, which can only be equal (==) to another.")
        if name in _NUMBERS and not _is_number(value):
            raise ConversionError(f"{text!r}: {value!r} is no number.")
        return cls(name, comparison, value)

    def failure(self, facts: "Inspection") -> str | None:
        """What the file has instead, or None where the promise holds."""
        if self.name in _WORDS:
            found = facts.arithmetic if self.name == "arithmetic" else _io(facts)
            return None if found in (self.value, f"{self.value} throughout") else f"it is {found}"
        measured, detail = _measured(self.name, facts)
        if measured is None:
            return detail
        if _COMPARISONS[self.comparison](measured, float(self.value)):
            return None
        return f"it is {measured:,.6g}{detail}"

    def __str__(self) -> str:
        return f"{self.name} {self.comparison} {self.value}"


def promises_of(texts: Iterable[str]) -> tuple[Promise, ...]:
    """Reads promises, before the long work whose result must hold them; see `Promise.parse`."""
    return tuple(Promise.parse(text) for text in texts)


def ask_xnnpack(promises: Iterable[Promise]) -> bool:
    """Whether LiteRT must be asked before these promises can be held against a file."""
    return any(promise.name == "fallbacks" for promise in promises)


def check_promises(promises: Iterable[Promise], facts: "Inspection") -> None:
    """Holds promises against a file.

    Raises:
        PromiseError: The file breaks at least one; the message says what it has instead.
    """
    broken = [f"{promise}, but {failure}" for promise in promises if (failure := promise.failure(facts))]
    if broken:
        raise PromiseError(f"{facts.name} is not what was promised: {'; '.join(broken)}.")


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def _io(facts: "Inspection") -> str:
    return ", ".join(dict.fromkeys(port["type"] for port in (*facts.inputs, *facts.outputs)))


def _measured(name: str, facts: "Inspection") -> tuple[float | None, str]:
    """What the file has, and where; None with the reason where it has no such thing."""
    if name in ("sparsity", "kernel_sparsity", "distinct_values"):
        kernels = [item for item in facts.kernels if item.sparsity is not None]
        if not kernels:
            return None, "it has no kernels"
        if name == "sparsity":
            return facts.sparsity, f" (least in {_named(min(kernels, key=_zeros))})"
        if name == "kernel_sparsity":
            return _zeros(min(kernels, key=_zeros)), f" in {_named(min(kernels, key=_zeros))}"
        return facts.distinct_values, f" in {_named(max(kernels, key=lambda item: item.distinct_values or 0))}"
    if name == "float_operators":
        return len(facts.float_operators), f": {', '.join(item.output_name for item in facts.float_operators[:4])}"
    if name == "fallbacks":
        reason = facts.load_error or "LiteRT was not asked"
        known = any(item.backend for item in facts.operators)
        return (len(facts.fallbacks) if known else None), (
            f": {', '.join(item.name for item in facts.fallbacks[:4])}" if known else reason
        )
    return (facts.size_bytes if name == "size_bytes" else facts.zlib_bytes), ""


def _zeros(kernel: "TensorFacts") -> float:
    return kernel.sparsity or 0.0


def _named(kernel: "TensorFacts") -> str:
    return f"'{kernel.name}'"
