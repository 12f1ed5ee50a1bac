"""Scatter and line plots as geometry: what a template draws as SVG, without a line of maths in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tfcompress.pareto import front
from tfcompress.reporting.axes import Axis, axis_for, told_apart
from tfcompress.reporting.comparing import download_key
from tfcompress.reporting.figures import columns
from tfcompress.reporting.runs import Curve, Run, Stage

WIDTH, HEIGHT = 360, 260  # of the drawing; small, so that its text can be read on a phone
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 10, 38  # of it, around the points
_MOST_CURVES = 8


@dataclass(frozen=True)
class Tick:
    """A value written beside an axis."""

    position: float
    text: str


@dataclass(frozen=True)
class Mark:
    """A point: where it is, of which series, and what is said of it when it is pointed at."""

    x: float
    y: float
    series: int
    tip: str
    best: bool = False


@dataclass(frozen=True)
class Line:
    """Points joined in order, in the form of SVG's `points`."""

    points: str
    series: int


@dataclass(frozen=True)
class Plot:
    """One plot, ready to be drawn on `WIDTH` x `HEIGHT`."""

    title: str
    x_title: str
    y_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    lines: tuple[Line, ...]
    series: tuple[str, ...]
    note: str = ""


def pareto_plots(runs: Sequence[Run]) -> list[Plot]:
    """Accuracy against download, MACs and the latency on each device, for all stages of a kind that have both.

    Files that ship are drawn where two or more have an accuracy; else the Keras models between the steps.
    """
    for ships in (True, False):
        points = [
            (number, stage)
            for number, run in enumerate(runs)
            for stage in run.stages
            if stage.ships is ships and "accuracy" in stage.figures
        ]
        if len(points) > 1:
            return [plot for key, title in _costs(points) if (plot := _pareto(runs, points, key, title)) is not None]
    return []


def sensitivity_plot(curves: Sequence[Curve]) -> Plot | None:
    """The loss of score with a growing share of zeros in one kernel alone, for the kernels that lose most."""
    if not curves:
        return None
    shown = sorted(curves, key=lambda curve: max(curve.losses), reverse=True)[:_MOST_CURVES]
    x, y = _axes([share for curve in shown for share in curve.shares], [v for curve in shown for v in curve.losses])
    marks, lines = [], []
    for number, curve in enumerate(shown):
        places = [(x.at(share), y.at(loss)) for share, loss in zip(curve.shares, curve.losses, strict=True)]
        lines.append(Line(_joined(places), number))
        for place, share, loss in zip(places, curve.shares, curve.losses, strict=True):
            marks.append(Mark(*place, number, f"{curve.name}\n{share:g} zeros: loses {loss:.4f}", best=True))
    left = len(curves) - len(shown)
    note = f"The {len(shown)} most sensitive kernels; {left} more lose less." if left else ""
    ticks = _ticks(x), _ticks(y)
    names = tuple(curve.name for curve in shown)
    titles = "Sensitivity of each kernel (measured)", "share of zeros in one kernel alone", "loss of score"
    return Plot(*titles, *ticks, tuple(marks), tuple(lines), names, note)


def _costs(points: list[tuple[int, Stage]]) -> list[tuple[str, str]]:
    """The figures that are worth a plot: of each at least two points have a value."""
    stages = [stage for _, stage in points]
    keys = [download_key(stages), "macs"]
    titles = {column.key: column.title for column in columns([stage.figures for stage in stages])}
    keys += [key for key in titles if key.startswith("latency_ms on ")]
    return [(key, titles[key]) for key in keys if sum(key in stage.figures for stage in stages) > 1]


def _pareto(runs: Sequence[Run], points: list[tuple[int, Stage]], key: str, title: str) -> Plot | None:
    """Accuracy over one cost; the points that no other dominates are joined as steps."""
    known = [(number, stage) for number, stage in points if key in stage.figures]
    costs = [stage.figures[key].value for _, stage in known]
    accuracies = [stage.figures["accuracy"].value for _, stage in known]
    if len(set(costs)) < 2:  # on one vertical line there is nothing to trade
        return None
    x, y = _axes(costs, accuracies)
    best = front([(cost, -accuracy) for cost, accuracy in zip(costs, accuracies, strict=True)])
    marks = tuple(
        Mark(x.at(costs[i]), y.at(accuracies[i]), number, _tip(runs[number], stage, key, title), i in best)
        for i, (number, stage) in enumerate(known)
    )
    corners = sorted((costs[i], accuracies[i]) for i in best)
    line = Line(_joined(_stairs([(x.at(cost), y.at(accuracy)) for cost, accuracy in corners])), -1)
    kinds = " or ".join(dict.fromkeys(stage.figures[key].kind for _, stage in known))
    names = tuple(run.name for run in runs) if len(runs) > 1 else ()
    heading = f"Accuracy (measured) against {title} ({kinds})"
    note = "Filled points are on the Pareto front: no other is better in both."
    return Plot(heading, title, "accuracy", _ticks(x), _ticks(y), marks, (line,), names, note)


def _axes(xs: Sequence[float], ys: Sequence[float]) -> tuple[Axis, Axis]:
    return axis_for(xs, LEFT, WIDTH - RIGHT), axis_for(ys, HEIGHT - BOTTOM, TOP)


def _ticks(axis: Axis) -> tuple[Tick, ...]:
    values = axis.ticks()
    return tuple(Tick(axis.at(value), text) for value, text in zip(values, told_apart(values), strict=True))


def _tip(run: Run, stage: Stage, key: str, title: str) -> str:
    figure, accuracy = stage.figures[key], stage.figures["accuracy"]
    return f"{run.name}: {stage.name}\n{title} {figure.value:,.6g} ({figure.kind})\naccuracy {accuracy.value:.4f}"


def _stairs(corners: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Between two points of a front nothing better is known than the cheaper one: a step, not a slope."""
    places = corners[:1]
    for x, y in corners[1:]:
        places += [(x, places[-1][1]), (x, y)]
    return places


def _joined(places: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in places)
