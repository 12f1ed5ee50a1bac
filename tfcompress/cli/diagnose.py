"""`tfcompress diagnose`: which layers of a file cost accuracy, why, and with `--fix` the file mended."""

from pathlib import Path
from typing import Any

import click

from tfcompress.cli.function import load_function, samples_from
from tfcompress.cli.quiet import load_tensorflow


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--data", required=True, help="Samples like those of training: an .npz, or package.module:function.")
@click.option("--fix", is_flag=True, help="Try repairs, keep those that help, and write the file to --output.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The mended .tflite file to write, with --fix.")
@click.option("--metric", help="package.module:function(predict) -> a number, the larger the better, with --fix.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print the diagnosis, with --fix also the trials, as JSON.")
def command(
    model: Path,
    file: Path,
    data: str,
    fix: bool,
    output: Path | None,
    metric: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Run a Keras model and the .tflite made from it side by side, and say which layers cost the accuracy.

    With --fix remedies are tried in turn: equalization, ranges and biases, then int16 or float for the layers that
    still cost much. Each is kept only where the metric, or else the likeness of the outputs, gains.

    \b
    Example:
      tfcompress diagnose model.keras model.tflite --data samples.npz
      tfcompress diagnose model.keras model.tflite --data samples.npz --fix -o mended.tflite --metric mydata:accuracy
    """
    if fix != (output is not None):
        raise click.UsageError("--fix and --output go together: the mended file needs a name.")
    if metric is not None and not fix:
        raise click.UsageError("--metric decides between repairs, so it needs --fix.")
    load_tensorflow()
    samples: Any = samples_from(data)
    if output is None:
        from tfcompress.diagnosis.diagnosis import diagnose

        diagnosis = diagnose(model, file, samples)
        click.echo(diagnosis.to_json() if as_json else diagnosis)
        return
    from tfcompress.diagnosis.repairing import repair

    evaluate = None if metric is None else load_function(metric)
    mended = repair(model, file, samples, output, evaluate=evaluate, force=force)
    click.echo(mended.to_json() if as_json else f"{mended.before}\n\n{mended}\n\nfile  {output}")
