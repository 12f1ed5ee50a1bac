"""`tfcompress search`: the best recipes under a budget."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tfcompress.cli.function import samples_from
from tfcompress.cli.quiet import load_tensorflow
from tfcompress.cli.training import Training
from tfcompress.errors import RecipeError, SearchError

if TYPE_CHECKING:
    from tfcompress.searching.results import SearchResult


class _Limit(click.ParamType):
    """A limit such as `packed_bytes=20000` or `latency_ms.cortex-a55=2.0`."""

    name = "limit"

    def convert(self, value: str, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """Reads the name, the device where one is named, and the number."""
        found = re.fullmatch(r"(\w+)(?:\.([\w.-]+))?=(\d+(?:\.\d*)?|\.\d+)", value)
        if not found:
            self.fail(f"{value!r} is not a limit such as packed_bytes=20000 or latency_ms.cortex-a55=2.0.")
        name, device, number = found.groups()
        return name, device, float(number)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", required=True, help="package.module:function that returns (training, validation) datasets.")
@click.option(
    "--budget",
    "limits",
    type=_Limit(),
    multiple=True,
    required=True,
    help="packed_bytes=20000, zlib_bytes, size_bytes, parameters, macs, latency_ms.cortex-a55=2.0, accuracy=0.9.",
)
@click.option("--representative", help="Samples for conversion: an .npz, or package.module:function.")
@click.option(
    "--epochs", default=1, show_default=True, type=click.IntRange(min=1), help="Epochs of each training step."
)
@click.option("--learning-rate", type=float, help="Instead of the model's own; a tenth of it is a good start.")
@click.option(
    "--trials", default=24, show_default=True, type=click.IntRange(min=1), help="How many recipes are trained."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="Trials at the same time.")
@click.option(
    "--time-limit", default=3600.0, show_default=True, type=click.FloatRange(min=1), help="Seconds of a trial."
)
@click.option("--seed", default=0, show_default=True, help="For everything random.")
@click.option(
    "--executor", default="local", show_default=True, type=click.Choice(["local", "ray"]), help="Where trials run."
)
@click.option("--ray-address", help="The head of a Ray cluster, host:port; with --executor ray.")
@click.option("--storage", help="A database, postgresql://..., in which machines share a search.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The folder of the search.")
@click.option("--json", "as_json", is_flag=True, help="Print the trials as JSON.")
def command(
    model: Path,
    data: str,
    limits: tuple[tuple[str, str | None, float], ...],
    representative: str | None,
    epochs: int,
    learning_rate: float | None,
    trials: int,
    workers: int,
    time_limit: float,
    seed: int,
    executor: str,
    ray_address: str | None,
    storage: str | None,
    output: Path,
    as_json: bool,
) -> None:
    """Find the recipes that meet a budget, and the best trade-offs among them.

    Run the same command again to go on where it was stopped. Every trial leaves its recipe, file and card in the
    output folder; `tfcompress report` shows them.

    \b
    Example:
      tfcompress search lenet5.keras --data mydata:load --representative digits.npz --budget packed_bytes=20000 \\
        -o runs/search
    """
    load_tensorflow()
    from tfcompress.models.loading import load
    from tfcompress.searching.search import search

    loaded = load(model)
    training = Training.of(loaded, model, data, epochs, learning_rate)
    found = search(
        loaded,
        training.fit,
        training.accuracy,
        _budget(limits),
        output,
        trials=trials,
        representative=samples_from(representative),
        seed=seed,
        data=json.dumps({"data": data, "epochs": epochs, "learning_rate": learning_rate}),
        workers=workers,
        time_limit=time_limit,
        executor=executor,
        ray_address=ray_address,
        storage=storage,
    )
    if as_json:
        front = [trial.number for trial in found.front]
        trials_as_json = [asdict(trial) | {"directory": str(trial.directory)} for trial in found.trials]
        click.echo(json.dumps({"front": front, "shortfall": found.shortfall, "trials": trials_as_json}, indent=2))
    else:
        click.echo(found)
    if found.shortfall:
        raise SearchError(f"{found.shortfall} {_advice(found)}")


def _advice(found: "SearchResult") -> str:
    """What to do about a search that found nothing."""
    if found.nearest is None and any(trial.trained for trial in found.trials):
        return "The log.txt of each trial says more; mend what failed, and search in another folder."
    return "Raise the limit, or allow more trials."


def _budget(limits: tuple[tuple[str, str | None, float], ...]) -> dict[str, Any]:
    """The limits as `tfc.search` takes them."""
    budget: dict[str, Any] = {}
    for name, device, number in limits:
        place, key = (budget.setdefault(name, {}), device) if device else (budget, name)
        if not isinstance(place, dict) or key in place:
            raise RecipeError(
                f"--budget limits {name} twice. Give each limit once; a latency names its device, latency_ms.host=2.0."
            )
        place[key] = number
    return budget
