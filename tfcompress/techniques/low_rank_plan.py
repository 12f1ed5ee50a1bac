"""What factorizing a model comes to, layer by layer: ranks, costs, errors, and why other layers are left alone."""

from collections.abc import Iterable
from dataclasses import dataclass

from tfcompress.table import aligned, cell
from tfcompress.transforms.stages import Cost

ASKED = "skip has "
"""How the reason begins where the user's own pattern leaves a layer alone."""


@dataclass(frozen=True)
class FactorizedLayer:
    """One layer that becomes a chain.

    Attributes:
        name: Its name.
        factorization: The kind of chain.
        ranks: Its ranks.
        before: Multiply-accumulates and entries of the kernel as it is.
        after: Those of the chain.
        error: ||K - K'|| / ||K|| of the kernel, as it is approximated without samples and before any training.
        output_errors: The same of the layer's outputs on the samples, before and after the fit to them.
    """

    name: str
    factorization: str
    ranks: tuple[int, ...]
    before: Cost
    after: Cost
    error: float
    output_errors: tuple[float, float] | None = None

    def __str__(self) -> str:
        ranks, fewer = ", ".join(map(str, self.ranks)), self.before.macs / self.after.macs
        fitted = ""
        if self.output_errors is not None:
            fitted = ", of the outputs {:.3f}, fitted {:.3f}".format(*self.output_errors)
        return f"{self.name} ({self.factorization} {ranks}: {fewer:.1f}x fewer MACs, error {self.error:.3f}{fitted})"


@dataclass(frozen=True)
class LowRankPlan:
    """What becomes of each layer with a kernel; it prints itself as a table.

    Attributes:
        layers: Those that are factorized, in the order of the graph.
        left: The name of each of the others, and why it is left alone.
    """

    layers: tuple[FactorizedLayer, ...]
    left: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [
            ("layer", "factorization", "ranks", "MACs", "become", "weights", "become", "error", "fitted")
        ]
        for one in self.layers:
            macs, weights = (one.before.macs, one.after.macs), (one.before.weights, one.after.weights)
            numbers = (f"{number:,}" for number in (*macs, *weights))
            ranks = ", ".join(map(str, one.ranks))
            fitted = cell(one.output_errors[1] if one.output_errors else None, ".3f")
            rows.append((one.name, one.factorization, ranks, *numbers, f"{one.error:.3f}", fitted))
        if not any(one.output_errors for one in self.layers):
            rows = [row[:-1] for row in rows]
        table = [aligned(rows, left=2)] if self.layers else ["no layer is factorized"]
        return "\n".join([*table, *([f"left alone: {_by_reason(self.left)}"] if self.left else [])])


def unasked(left: Iterable[tuple[str, str]]) -> str:
    """The layers that are left alone though no pattern says so, with the reasons; empty where there are none."""
    return _by_reason([(name, reason) for name, reason in left if not reason.startswith(ASKED)])


def _by_reason(left: Iterable[tuple[str, str]]) -> str:
    """Names with their reasons, those with the same reason together."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in left:
        by_reason.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(names)} ({reason})" for reason, names in by_reason.items())
