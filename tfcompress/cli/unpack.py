"""`tfcompress unpack`: a `.tfz` becomes the `.tflite` it was made from."""

import json
from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The .tflite file to write.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print the file's name, SHA-256 and size as JSON.")
def command(file: Path, output: Path, force: bool, as_json: bool) -> None:
    """Turn a .tfz file back into the .tflite it was made from, and check its SHA-256.

    \b
    Example:
      tfcompress unpack model.tfz -o model.tflite
    """
    from tfcompress.files import sha256
    from tfcompress.packing.unpacking import unpack

    unpack(file, output, force=force)
    facts = {"model": {"name": output.name, "sha256": sha256(output)}, "size_bytes": output.stat().st_size}
    click.echo(
        json.dumps(facts, indent=2) if as_json else f"{output}: {facts['size_bytes']:,} bytes, SHA-256 as packed"
    )
