"""A report as one HTML page that needs nothing else: no network, no font, no script from elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

from tfcompress.reporting import plots
from tfcompress.reporting.axes import short
from tfcompress.reporting.comparing import before_of, chosen_file
from tfcompress.reporting.conditions import conditions, notes
from tfcompress.reporting.layers import Bars, layer_bars
from tfcompress.reporting.runs import Run
from tfcompress.reporting.tables import Table, side_by_side, stage_tables
from tfcompress.reporting.verdict import verdict
from tfcompress.version import __version__


@dataclass(frozen=True)
class _Part:
    """One run, as the template shows it."""

    name: str
    anchor: str
    verdict: list[str]
    tables: list[Table]
    bars: list[Bars]
    sensitivity: plots.Plot | None
    recipes: dict[str, str]
    conditions: list[str]
    notes: list[str]


def to_html(runs: Sequence[Run], against: str | None = None) -> str:
    """The page; what comes from cards and files is escaped, and its own policy forbids it every request."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # costs 40 ms, which text need not pay

    environment = Environment(
        loader=PackageLoader("tfcompress.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = short
    return environment.get_template("page.html").render(
        parts=[_part(number, run, against) for number, run in enumerate(runs)],
        side_by_side=side_by_side(runs) if len(runs) > 1 else None,
        plots=plots.pareto_plots(runs),
        sheet=plots,
        version=__version__,
    )


def _part(number: int, run: Run, against: str | None) -> _Part:
    shown = chosen_file(run) or run.stages[-1]
    return _Part(
        name=run.name,
        anchor=f"run-{number}",
        verdict=verdict(run, against),
        tables=stage_tables(run, against),
        bars=layer_bars(shown, before_of(run, shown, against)),
        sensitivity=plots.sensitivity_plot(run.curves),
        recipes=run.recipes,
        conditions=conditions(run),
        notes=notes(run),
    )
