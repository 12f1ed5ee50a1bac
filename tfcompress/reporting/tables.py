"""The tables of a report, as cells of text that every format shows in its own way."""

from collections.abc import Sequence
from dataclasses import dataclass

from tfcompress.reporting.comparing import before_of, chosen_file
from tfcompress.reporting.figures import Column, columns, rate
from tfcompress.reporting.runs import Run, Stage

_MOST_NAMED = 3  # baselines in the note of a table


@dataclass(frozen=True)
class Cell:
    """A value, and beside it the rate or difference against the baseline."""

    text: str
    change: str = ""
    good: bool | None = None

    def __str__(self) -> str:
        return f"{self.text} ({self.change})" if self.change else self.text


@dataclass(frozen=True)
class Table:
    """Rows under headings; the second line of a heading is how its figures came about.

    Attributes:
        title: What the rows are.
        note: What the changes are held against.
        headings: Of each column.
        kinds: Of each column, empty for the first.
    """

    title: str
    note: str
    headings: tuple[str, ...]
    kinds: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def titles(self) -> tuple[str, ...]:
        """The headings with their kinds, in one line each."""
        pairs = zip(self.headings, self.kinds, strict=True)
        return tuple(f"{heading}, {kind}" if kind else heading for heading, kind in pairs)


def stage_tables(run: Run, against: str | None = None) -> list[Table]:
    """A table of the files that ship and one of the models that recipes went through."""
    tables = []
    if run.files:
        tables.append(_table("Files that ship", "file", run.files, [before_of(run, one, against) for one in run.files]))
    if run.steps:
        tables.append(_table("Steps (Keras models)", "step", run.steps, [before_of(run, one) for one in run.steps]))
    return tables


def side_by_side(runs: Sequence[Run]) -> Table:
    """What each run ships, or its last model, beside the others; held against the first run's."""
    chosen = [chosen_file(run) or run.stages[-1] for run in runs]
    named = [f"{run.name}: {stage.name}" for run, stage in zip(runs, chosen, strict=True)]
    comparable = [stage.ships == chosen[0].ships for stage in chosen]
    befores = [chosen[0] if i and same else None for i, same in enumerate(comparable)]
    return _table("Runs side by side", "run", chosen, befores, named)


def _table(
    title: str,
    first: str,
    stages: Sequence[Stage],
    befores: Sequence[Stage | None],
    names: Sequence[str] | None = None,
) -> Table:
    shown = columns([stage.figures for stage in stages])
    rows = [
        (Cell(name), *(_cell(column, stage, before) for column in shown))
        for name, stage, before in zip(names or [one.name for one in stages], stages, befores, strict=True)
    ]
    baselines = list(dict.fromkeys(before.name for before in befores if before))
    against = ", ".join(baselines) if len(baselines) <= _MOST_NAMED else "the first of each recipe"
    note = f"In brackets: before / after, and points of accuracy, against {against}." if baselines else ""
    kinds = tuple(_kinds(column, stages) for column in shown)
    return Table(title, note, (first, *(column.title for column in shown)), ("", *kinds), tuple(rows))


def _kinds(column: Column, stages: Sequence[Stage]) -> str:
    """How the figures of a column came about; rarely two ways in one."""
    found = dict.fromkeys(stage.figures[column.key].kind for stage in stages if column.key in stage.figures)
    return " or ".join(found)


def _cell(column: Column, stage: Stage, before: Stage | None) -> Cell:
    figure = stage.figures.get(column.key)
    if figure is None:
        return Cell("-")
    text, previous = format(figure.value, column.form), before.figures.get(column.key) if before else None
    if previous is None:
        return Cell(text)
    if column.key == "accuracy":
        difference = round(100 * (figure.value - previous.value), 2) + 0.0
        return Cell(text, f"{difference:+.2f}", difference >= 0)
    factor = rate(column, previous.value, figure.value)
    return (
        Cell(text) if factor is None else Cell(text, f"{factor:.2f}x", None if 0.995 < factor < 1.005 else factor > 1)
    )
