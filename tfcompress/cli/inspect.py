"""`tfcompress inspect`: what is inside a `.tflite` or a `.tfz` file."""

import json
from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON, with the keys of a card.")
def command(file: Path, as_json: bool) -> None:
    """Show what is inside a .tflite file: operators and what they compute with, kernels, sparsity, types, sizes.

    Of a .tfz, also how each tensor was packed. The file is read, not run, so a damaged or hostile one is harmless.

    \b
    Example:
      tfcompress inspect model.tflite
      tfcompress inspect model.tflite --json
      tfcompress inspect model.tfz
    """
    from tfcompress.packing.inspection import inspect_packed, is_packed
    from tfcompress.tflite.inspection import inspect

    if not is_packed(file):
        facts = inspect(file)
        click.echo(facts.to_json() if as_json else facts)
        return
    packing, inside = inspect_packed(file)
    if as_json:
        held = json.loads(inside.to_json()) if inside else {}
        click.echo(json.dumps(held | json.loads(packing.to_json()), indent=2, allow_nan=False))
    else:
        click.echo(f"{packing}\n\n{inside}" if inside else packing)
