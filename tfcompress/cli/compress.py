"""`tfcompress compress`: a recipe applied to a model file."""

import json
from pathlib import Path

import click

from tfcompress.cli.quiet import load_tensorflow
from tfcompress.cli.training import Training
from tfcompress.files import check_output


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--recipe", "recipe_path", required=True, type=click.Path(path_type=Path), help="The recipe, a TOML file."
)
@click.option("--data", help="package.module:function that returns (training, validation) datasets.")
@click.option(
    "--epochs", default=1, show_default=True, type=click.IntRange(min=1), help="Epochs of each training step."
)
@click.option("--learning-rate", type=float, help="Instead of the model's own; a tenth of it is a good start.")
@click.option("--seed", default=0, show_default=True, help="For everything random.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The folder of this run.")
@click.option("--json", "as_json", is_flag=True, help="Print the cards as JSON.")
def command(
    model: Path,
    recipe_path: Path,
    data: str | None,
    epochs: int,
    learning_rate: float | None,
    seed: int,
    output: Path,
    as_json: bool,
) -> None:
    """Apply a recipe to a Keras model: wrap, train, strip, step by step.

    Finished steps are kept in the output folder; run the same command again to go on where it was stopped. Training
    uses the optimizer, loss and metrics that the model was compiled with; its first metric with "acc" in its name is
    the accuracy in the cards.

    \b
    Example:
      tfcompress compress lenet5.keras --recipe phone.toml --data mydata:load --epochs 4 -o runs/phone
    """
    check_output(output / "recipe.toml", force=True)
    load_tensorflow()
    from tfcompress.compression import compress
    from tfcompress.models.loading import load
    from tfcompress.recipe import Recipe

    recipe = Recipe.load(recipe_path)
    loaded = load(model)
    training = Training.of(loaded, model, data, epochs, learning_rate) if data else None
    settings = json.dumps({"data": data, "epochs": epochs, "learning_rate": learning_rate})
    fit, evaluate = (training.fit, training.evaluate) if training else (None, None)
    result = compress(loaded, recipe, fit, output, evaluate=evaluate, seed=seed, data=settings)
    if as_json:
        cards = [
            json.loads(step.card.to_json()) | {"step": step.name, "seconds": step.seconds} for step in result.steps
        ]
        click.echo(json.dumps({"directory": str(result.directory), "steps": cards}, indent=2))
    else:
        click.echo(result)
        click.echo(f"The model is {result.steps[-1].directory / 'model.keras'}. Next: tfcompress convert")
