"""`tfcompress export-demo`: models and images become the folder that a demo app reads."""

from pathlib import Path

import click


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="[NAME=]FILE...")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The folder to write.")
@click.option("--images", required=True, help="An .npz: pixels x, uint8 (images, height, width[, 1 or 3]); classes y.")
@click.option("--labels", required=True, help="A text file with one label a line, or the labels with commas between.")
@click.option(
    "--mean", default="0", show_default=True, help="A pixel becomes (pixel - mean) / std; one or per channel."
)
@click.option("--std", default="255", show_default=True, help="255 brings pixels to [0, 1]; one, or 1,2,3 per channel.")
@click.option("--count", default=20, show_default=True, type=click.IntRange(min=1), help="Images bundled at most.")
@click.option("--title", default="", help="What the demo shows.")
@click.option("--credits", default="", help="Whom models and images are due to; shown in the app.")
@click.option("--force", is_flag=True, help="Replace an older demo folder.")
@click.option("--json", "as_json", is_flag=True, help="Print demo.json.")
def command(
    models: tuple[str, ...],
    output: Path,
    images: str,
    labels: str,
    mean: str,
    std: str,
    count: int,
    title: str,
    credits: str,  # noqa: A002 - the option's name
    force: bool,
    as_json: bool,
) -> None:
    """Write the folder that a demo app shows: models, images, and what the models answer on them.

    The first FILE is what the others are held against. Each takes one image and answers with one row of scores, both
    float32, as `tfcompress convert` writes it.

    \b
    Example:
      tfcompress export-demo original=a.tflite pruned=b.tflite --images digits.npz --labels 0,1,2,3,4,5,6,7,8,9 -o demo
      android_demo/build_apk demo -o demo.apk
    """
    from tfcompress.demo.export import export_demo

    demo = export_demo(
        _named(models),
        output,
        images=images,
        labels=labels.split(",") if "," in labels and not Path(labels).is_file() else labels,
        mean=_numbers("--mean", mean),
        std=_numbers("--std", std),
        count=count,
        title=title,
        credits=credits,
        force=force,
    )
    click.echo(demo.to_json() if as_json else demo)


def _named(models: tuple[str, ...]) -> dict[str, Path]:
    """The files by their names; one without a name is called like the file."""
    named = dict[str, Path]()
    for item in models:
        name, equals, file = item.partition("=")
        if not equals or Path(item).is_file():
            name, file = Path(item).stem, item
        if name in named:
            raise click.BadParameter(f"two models are called {name!r}; give them names: NAME=FILE", param_hint="FILE")
        named[name] = Path(file)
    return named


def _numbers(option: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no number, nor several with commas between", param_hint=option
        ) from error
