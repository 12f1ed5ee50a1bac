"""`tfcompress convert`: a Keras model becomes a proven `.tflite` file."""

from pathlib import Path

import click

from tfcompress.card import Card, card_path
from tfcompress.cli.function import samples_from
from tfcompress.cli.quiet import load_tensorflow
from tfcompress.conversion.modes import IO_TYPES, MODES


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The .tflite file to write.")
@click.option(
    "--mode", default="int8", show_default=True, type=click.Choice(list(MODES)), help="What it computes with."
)
@click.option(
    "--representative",
    help="Samples like those of training, for int8 and int16x8: an .npz, or package.module:function.",
)
@click.option(
    "--io", default="float32", show_default=True, type=click.Choice(IO_TYPES), help="Type of inputs and outputs."
)
@click.option("--batch", default=1, show_default=True, type=click.IntRange(min=1), help="The fixed batch of the file.")
@click.option("--compare", help="Samples on which to compare file and model, in the same forms.")
@click.option(
    "--against", type=click.Path(path_type=Path), help="The model before compression, for the compression rate."
)
@click.option("--scale-check/--no-scale-check", default=True, help="Refuse representative data of a wrong scale.")
@click.option(
    "--sparse", is_flag=True, help="Try TFLite's sparse encoding; kept where the file gets smaller or faster."
)
@click.option("--require", multiple=True, help='What the file must be, such as "sparsity >= 0.8"; may be repeated.')
@click.option("--shape", multiple=True, help="Sizes of an input with free axes, as name=64x4; may be repeated.")
@click.option("--time-limit", default=900.0, show_default=True, type=click.FloatRange(min=1), help="Seconds.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
def command(
    model: Path,
    output: Path,
    mode: str,
    representative: str | None,
    io: str,
    batch: int,
    compare: str | None,
    against: Path | None,
    scale_check: bool,
    sparse: bool,
    require: tuple[str, ...],
    shape: tuple[str, ...],
    time_limit: float,
    force: bool,
    as_json: bool,
) -> None:
    """Turn a Keras model into a .tflite file, read it back, and write what was found into a card beside it.

    \b
    Example:
      tfcompress convert model.keras --representative samples.npz -o model.tflite
      tfcompress convert model.keras --mode float16 -o model.tflite
      tfcompress convert model.keras --representative samples.npz --require "io == int8" --io int8 -o model.tflite
    """
    load_tensorflow()
    from tfcompress.conversion.converter import convert

    card = convert(
        model,
        output,
        mode=mode,
        representative=samples_from(representative),
        io=io,
        batch=batch,
        compare=samples_from(compare),
        against=against,
        force=force,
        check_scale=scale_check,
        sparse=sparse,
        require=require,
        shapes=_shapes(shape),
        time_limit=time_limit,
    )
    click.echo(card.to_json() if as_json else "\n".join(_lines(card, output, against)))


def _shapes(given: tuple[str, ...]) -> dict[str, tuple[int, ...]] | None:
    """The shapes that `--shape name=64x4` asks for."""
    shapes = {}
    for text in given:
        name, equals, sizes = text.partition("=")
        if not equals or not all(size.strip().isdigit() for size in sizes.split("x")):
            raise click.UsageError(f"--shape {text!r} is not of the form name=64x4.")
        shapes[name] = tuple(int(size) for size in sizes.split("x"))
    return shapes or None


def _lines(card: Card, output: Path, against: Path | None) -> list[str]:
    gap = card.conversion["difference"]
    baseline = f"{card.parameters:,} float32 parameters" if against is None else f"the float32 parameters of {against}"
    lines = [
        f"file         {output}",
        f"size         {card.size_bytes:,} bytes, {card.zlib_bytes:,} zipped",
        f"compression  rate {card.compression_rate:.2f}: bytes of {baseline} / bytes of the file",
        f"arithmetic   {card.conversion['arithmetic']}, {card.conversion['io']} inputs and outputs",
    ]
    if card.sparsity is not None:
        lines.append(f"kernels      sparsity {card.sparsity:.4f}, at most {card.distinct_values} distinct values")
    same = "" if gap["top1_agreement"] is None else f", same class on {gap['top1_agreement']:.1%}"
    lines.append(
        f"difference   max {gap['max']:.3g}, mean {gap['mean']:.3g} to the Keras model on {gap['samples']} samples "
        f"({gap['inputs']}){same}"
    )
    lines += [f"note         {note}" for note in card.notes]
    return [
        *lines,
        f"card         {card_path(output)}",
        f"Next: tfcompress inspect {output}, tfcompress measure {output}",
    ]
