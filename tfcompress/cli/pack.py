"""`tfcompress pack`: a `.tflite` becomes a `.tfz`."""

from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The .tfz file to write.")
@click.option("--card/--no-card", default=True, show_default=True, help="Write packed_bytes into the card beside FILE.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print what was chosen as JSON.")
def command(file: Path, output: Path, card: bool, force: bool, as_json: bool) -> None:
    """Pack a .tflite file into a .tfz: its weights are entropy-coded, and unpack gives the same bytes back.

    For each tensor it prints the coding that was cheapest, its bytes, and the order-0 Shannon bound beside them.

    \b
    Example:
      tfcompress pack model.tflite -o model.tfz
      tfcompress pack model.tflite -o model.tfz --force --json
    """
    from tfcompress.packing.packing import pack

    packing = pack(file, output, force=force, card=card)
    click.echo(packing.to_json() if as_json else packing)
