"""`report`: the cards of one or more runs become a page, Markdown, JSON or text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfcompress.errors import OutputError, suggestion
from tfcompress.files import check_output, write_text
from tfcompress.reporting.machine import to_json
from tfcompress.reporting.page import to_html
from tfcompress.reporting.runs import Run, read_runs
from tfcompress.reporting.text import to_markdown, to_text

FORMATS: dict[str, Callable[[Sequence[Run], str | None], str]] = {
    "html": to_html,
    "md": to_markdown,
    "json": to_json,
    "text": to_text,
}
"""What a report can be written as."""

_SUFFIXES = {".html": "html", ".htm": "html", ".md": "md", ".json": "json", ".txt": "text"}


@dataclass(frozen=True)
class Report:
    """What `report` found; `print` shows it as text."""

    runs: tuple[Run, ...]
    against: str | None = None

    def render(self, format: str) -> str:  # noqa: A002 - the word of the option and of the issue's reader
        """The report in one of `FORMATS`.

        Raises:
            OutputError: There is no such format.
        """
        if format not in FORMATS:
            raise OutputError(f"A report has no format '{format}'. {suggestion(format, FORMATS)}")
        return FORMATS[format](self.runs, self.against)

    def __str__(self) -> str:
        return self.render("text").rstrip("\n")


def report(
    directory: str | Path | Sequence[str | Path],
    path: str | Path | None = None,
    *,
    format: str | None = None,  # noqa: A002 - the word that everybody expects
    against: str | None = None,
    force: bool = True,
) -> Report:
    """Says what a run gained, from its cards alone: in words, stage by stage, layer by layer.

    Every figure is shown with how it came about (measured, exact, simulated, estimated) and with its rate before over
    after. Files are held against files, Keras models against Keras models. A page is one file that works offline.

    Args:
        directory: The folder of a run, with cards anywhere below it; or several, to be shown side by side.
        path: The file to write; nothing is written where it is left out.
        format: `"html"`, `"md"`, `"json"` or `"text"`; by default what the name of the file says.
        against: The name of the file that a run's other files are held against; by default its largest float32 file.
        force: Whether an existing file may be replaced.

    Returns:
        The report, which prints itself as text.

    Raises:
        FormatError: A folder is not there or holds no card that can be read, or `against` is not among its files.
        OutputError: The file cannot be written, or the format is unknown.

    Example:
        >>> import tempfile
        >>> from tfcompress.card import Card
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name, mode, size in (("before", "float32", 4000), ("after", "int8", 1000)):
        ...         card = Card({"name": name, "sha256": "0" * 64}, size, accuracy=0.9, conversion={"mode": mode})
        ...         _ = card.save_beside(f"{folder}/{name}.tflite")
        ...     found = report(folder, f"{folder}/report.html")
        >>> print(str(found).splitlines()[3])
        - after against before: 75 % smaller download (file of 4,000 to 1,000 bytes), latency not compared: no device \
has both, accuracy +0.00 points (0.9000 to 0.9000).
    """
    directories = [directory] if isinstance(directory, (str, Path)) else list(directory)
    chosen = format or ("html" if path is None else _format_of(Path(path)))
    if path is not None:
        check_output(path, force=force)
    result = Report(read_runs(directories), against)
    if path is not None:
        write_text(path, result.render(chosen), force=force)
    return result


def _format_of(path: Path) -> str:
    if path.suffix.lower() not in _SUFFIXES:
        known = ", ".join(_SUFFIXES)
        raise OutputError(f"{path}: the name does not say a format. End it in {known}, or give one (--format).")
    return _SUFFIXES[path.suffix.lower()]
