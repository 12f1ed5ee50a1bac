"""`tfcompress report`: cards become a page, Markdown, JSON or text."""

from pathlib import Path

import click


@click.command()
@click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write; without it, print text.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "md", "json", "text"]),
    help="By default what the name of the file says.",
)
@click.option(
    "--against", help="The file of a run that its others are held against; default: its largest float32 file."
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def command(
    directories: tuple[Path, ...],
    output: Path | None,
    form: str | None,
    against: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Say what a run gained, from the cards in its folder: in words, stage by stage, layer by layer.

    Several folders are shown side by side. The page is one file that works offline, on a phone and on paper.

    \b
    Example:
      tfcompress report runs/phone -o report.html
      tfcompress report runs/phone runs/smaller --format md
    """
    from tfcompress.reporting.report import report

    form = "json" if as_json else form
    found = report(directories, output, format=form, against=against, force=force)
    if output is None:
        click.echo(found.render(form or "text").rstrip("\n"))
    else:
        click.echo(f"The report is {output}.")
