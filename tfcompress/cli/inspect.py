"""`tfcompress inspect`: what is inside a `.tflite` or a `.tfz` file."""

import json
from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--require", multiple=True, help='What it must be, such as "arithmetic == int8", else the exit code is 1.'
)
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON, with the keys of a card.")
def command(file: Path, require: tuple[str, ...], as_json: bool) -> None:
    """Show what is inside a .tflite file: operators, who computes them and in what, tensors, scales, sparsity, sizes.

    Of a .tfz, also how each tensor was packed. The file is read, and loaded but not run in a process of its own, so a
    damaged or hostile one is harmless.

    \b
    Example:
      tfcompress inspect model.tflite
      tfcompress inspect model.tflite --json
      tfcompress inspect model.tflite --require "sparsity >= 0.8" --require "fallbacks == 0"
      tfcompress inspect model.tfz
    """
    from tfcompress.packing.inspection import inspect_packed, is_packed
    from tfcompress.runtime.inspection import inspect
    from tfcompress.tflite.promises import check_promises, promises_of

    promises = promises_of(require)
    if not is_packed(file):
        facts = inspect(file)
        check_promises(promises, facts)
        click.echo(facts.to_json() if as_json else facts)
        return
    packing, inside = inspect_packed(file)
    if inside:
        check_promises(promises, inside)
    if as_json:
        held = json.loads(inside.to_json()) if inside else {}
        click.echo(json.dumps(held | json.loads(packing.to_json()), indent=2, allow_nan=False))
    else:
        click.echo(f"{packing}\n\n{inside}" if inside else packing)
