"""A report as plain text and as Markdown, for terminals and pull requests."""

from collections.abc import Callable, Sequence

from tfcompress.reporting.conditions import conditions, notes
from tfcompress.reporting.runs import Run
from tfcompress.reporting.tables import Table, side_by_side, stage_tables
from tfcompress.reporting.verdict import verdict
from tfcompress.table import aligned

_TITLE = "What was gained"


def to_text(runs: Sequence[Run], against: str | None = None) -> str:
    """The report as aligned plain text."""
    return _document(runs, against, lambda level, title: f"{title}\n{'=-'[level - 1] * len(title)}", _text_table)


def to_markdown(runs: Sequence[Run], against: str | None = None) -> str:
    """The report as Markdown, with pipe tables as GitHub shows them."""
    return _document(runs, against, lambda level, title: f"{'#' * (level + 1)} {_escaped(title)}", _markdown_table)


def _document(
    runs: Sequence[Run], against: str | None, heading: Callable[[int, str], str], table: Callable[[Table], str]
) -> str:
    """All parts, a blank line apart; the formats differ in headings and tables only."""
    markdown = table is _markdown_table
    several = len(runs) > 1
    parts = [heading(1, _TITLE)]
    said = [(run.name, sentence) for run in runs for sentence in verdict(run, against)]
    parts.append(_bullets([f"{name}: {sentence}" if several else sentence for name, sentence in said], markdown))
    if several:
        parts.append(table(side_by_side(runs)))
    for run in runs:
        parts += [heading(2, run.name)] if several else []
        parts += map(table, stage_tables(run, against))
        parts += [_recipe(folder, text, markdown) for folder, text in run.recipes.items()]
        parts.append(_bullets([*conditions(run), *notes(run)], markdown))
    return "\n\n".join(part for part in parts if part) + "\n"


def _bullets(lines: Sequence[str], markdown: bool) -> str:
    return "\n".join(f"- {_escaped(line) if markdown else line}" for line in lines)


def _recipe(folder: str, text: str, markdown: bool) -> str:
    where = f"recipe of {folder}" if folder else "recipe"
    if markdown:
        fence = "~~~~" if "```" in text else "```"
        return f"<details><summary>{_escaped(where)}</summary>\n\n{fence}toml\n{text.strip()}\n{fence}\n\n</details>"
    return "\n".join([f"{where}:", *(f"    {line}".rstrip() for line in text.strip().splitlines())])


def _text_table(table: Table) -> str:
    """Headings in two lines: the figure, and below it how it came about."""
    rows = [table.headings, table.kinds, *([str(cell) for cell in row] for row in table.rows)]
    return "\n".join(filter(None, [table.title, aligned(rows), table.note]))


def _markdown_table(table: Table) -> str:
    rule = ["---", *["---:"] * (len(table.headings) - 1)]
    lines = [table.titles, rule, *([str(cell) for cell in row] for row in table.rows)]
    text = "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)
    return "\n\n".join(filter(None, [f"**{_escaped(table.title)}**", text, _escaped(table.note)]))


def _escaped(text: str) -> str:
    """Text in which names from a file cannot end a cell, open a tag or start a link."""
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
