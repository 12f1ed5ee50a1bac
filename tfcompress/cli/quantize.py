"""`tfcompress quantize`: a `.tflite` whose layers have bits of their own."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from tfcompress.card import card_path
from tfcompress.cli.function import samples_from
from tfcompress.cli.quiet import load_tensorflow

_PRECISIONS = ("float32", "int16", "int8", "int4")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The .tflite file to write.")
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    default=("int8", "int4"),
    show_default=True,
    type=click.Choice(_PRECISIONS),
    help="What a layer may have; may be repeated.",
)
@click.option(
    "--activations",
    default="int8",
    show_default=True,
    type=click.Choice(["int8", "int16", "dynamic", "float32"]),
    help="What it computes in.",
)
@click.option("--representative", help="Samples like those of training: an .npz, or package.module:function.")
@click.option("--max-bytes", type=click.IntRange(min=1), help="The largest size.")
@click.option("--min-snr", type=float, help="The least signal over noise of the outputs, in decibels.")
@click.option("--block", default="0", show_default=True, type=click.Choice(["0", "32", "64", "128", "256"]))
@click.option("--method", default="nearest", show_default=True, type=click.Choice(["nearest", "mse", "octav"]))
@click.option("--io", default="float32", show_default=True, type=click.Choice(["float32", "int8", "int16"]))
@click.option("--time-limit", default=3600.0, show_default=True, type=click.FloatRange(min=1), help="Seconds.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print the card and all files that no other beats as JSON.")
def command(
    model: Path,
    output: Path,
    precisions: tuple[str, ...],
    activations: str,
    representative: str | None,
    max_bytes: int | None,
    min_snr: float | None,
    block: str,
    method: str,
    io: str,
    time_limit: float,
    force: bool,
    as_json: bool,
) -> None:
    """Give each layer the bits that cost least within a budget of bytes or error, and write that .tflite file.

    MODEL is a Keras model or a float .tflite. The table shows every file that no other beats.

    \b
    Example:
      tfcompress quantize model.keras --representative samples.npz --max-bytes 60000 -o model.tflite
      tfcompress quantize model.tflite --precision int4 --activations dynamic --block 32 -o small.tflite
    """
    load_tensorflow()
    from tfcompress.conversion.quantize import quantize

    found = quantize(
        model,
        output,
        precisions=precisions,
        activations=activations,
        representative=samples_from(representative),
        max_bytes=max_bytes,
        min_snr_db=min_snr,
        block=int(block),
        method=method,
        io=io,
        force=force,
        time_limit=time_limit,
    )
    if as_json:
        points = [asdict(point) | {"snr_db": point.snr_db} for point in found.points]
        click.echo(json.dumps(json.loads(found.card.to_json()) | {"points": points}, indent=2))
    else:
        click.echo(f"{found}\n\nfile  {output}\ncard  {card_path(output)}\nNext: tfcompress inspect {output}")
