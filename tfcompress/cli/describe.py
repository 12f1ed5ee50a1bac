"""`tfcompress describe`: labels, normalization and more inside a `.tflite`, or none of it."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import click

from tfcompress.errors import DataError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The .tflite to write; default: FILE itself.")
@click.option("--name", default="", help="Of the model.")
@click.option("--description", default="", help="What it does.")
@click.option("--version", default="", help="Of the model.")
@click.option("--author", default="", help="Who made it.")
@click.option("--license", "terms", default="", help="Its terms.")
@click.option("--labels", type=click.Path(path_type=Path), help="A text file with a class on each line.")
@click.option("--mean", default="", help="What is subtracted from the input: a number, or one for each channel: 1,2,3.")
@click.option("--std", default="", help="What the difference is divided by, likewise.")
@click.option("--recipe", type=click.Path(path_type=Path), help="The recipe of compression, TOML.")
@click.option("--parent", type=click.Path(path_type=Path), help="The file it was made from, named by its SHA-256.")
@click.option("--strip", is_flag=True, help="Take all metadata out instead.")
@click.option("--force", is_flag=True, help="Overwrite an existing output.")
@click.option("--json", "as_json", is_flag=True, help="Print what the file then says about itself as JSON.")
def command(
    file: Path,
    output: Path | None,
    name: str,
    description: str,
    version: str,
    author: str,
    terms: str,
    labels: Path | None,
    mean: str,
    std: str,
    recipe: Path | None,
    parent: Path | None,
    strip: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Put into a .tflite what programs need to use it, in the form that TensorFlow Lite's and MediaPipe's tools read.

    The card beside the file goes in too. The model itself is not touched: --strip gives the same bytes back.

    \b
    Example:
      tfcompress describe model.tflite --labels labels.txt --mean 127.5 --std 127.5
      tfcompress describe model.tflite --strip -o bare.tflite
    """
    from tfcompress.tflite.metadata import Metadata, read_metadata, strip_metadata, write_metadata

    if strip:
        strip_metadata(file, output, force=force)
    else:
        metadata = Metadata(
            name=name,
            description=description,
            version=version,
            author=author,
            license=terms,
            labels=tuple(_read(labels).splitlines()),
            mean=_numbers(mean),
            std=_numbers(std),
            recipe=_read(recipe),
            parent=hashlib.sha256(_read_bytes(parent)).hexdigest() if parent else "",
        )
        write_metadata(file, metadata, output, force=force)
    place = output or file
    if as_json:
        said = read_metadata(place)
        click.echo(
            json.dumps({"size_bytes": place.stat().st_size, "metadata": asdict(said) if said else None}, indent=2)
        )
        return
    click.echo(f"{place}: {place.stat().st_size:,} bytes\nNext: tfcompress inspect {place}")


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def _read(path: Path | None) -> str:
    """The text of a file, or nothing where none was given."""
    try:
        return _read_bytes(path).decode("utf-8-sig") if path else ""
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no UTF-8 text: {error}. Save it as UTF-8.") from error


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError as error:
        raise DataError(f"{text!r} is no number and no list of them. Give 127.5, or 123.7,116.3,103.5.") from error
