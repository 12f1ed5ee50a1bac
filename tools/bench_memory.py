"""What clustering a large kernel costs in memory: peak resident bytes beside those of training the plain model.

Each side runs in a process of its own, so that a peak is that side's alone: build, wrap, three training steps. The
difference to the plain model of the same Keras generation is told in kernels (4096 x 4096 float32, 64 MiB).
"""

import json
import os
import resource
import subprocess
import sys
from importlib import import_module
from typing import Any

import click
import numpy as np

from tfcompress.progress import task
from tfcompress.table import aligned

_UNITS = 4096
_CLUSTERS = 32
_BATCH = 32
_KERNEL = 4 * _UNITS * _UNITS
# A side: its Keras, and who wraps.
_SIDES = {
    ("keras", "plain"): "plain",
    ("keras", "tfcompress"): "tfcompress",
    ("tf_keras", "plain"): "plain tf_keras",
    ("tf_keras", "TFMOT"): "TFMOT",
}


def _wrapped(model: Any, by: str) -> Any:
    if by == "tfcompress":
        import tfcompress as tfc
        from tfcompress.transforms.codebooks import Linear

        return tfc.WeightClustering(clusters=_CLUSTERS, initialisation=Linear(), skip=()).wrap(model)
    if by == "TFMOT":
        clustering = import_module("tensorflow_model_optimization").clustering.keras
        return clustering.cluster_weights(
            model, number_of_clusters=_CLUSTERS, cluster_centroids_init=clustering.CentroidInitialization.LINEAR
        )
    return model


def train(generation: str, by: str) -> dict[str, int]:
    """Builds, wraps and trains one side in this process, and tells its peaks."""
    keras = import_module(generation)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((_UNITS,)), keras.layers.Dense(_UNITS)])
    wrapped = _wrapped(model, by)
    after_wrapping = _peak()
    wrapped.compile("sgd", "mse")
    x = np.random.default_rng(0).standard_normal((_BATCH, _UNITS)).astype("float32")
    for _ in range(3):
        wrapped.train_on_batch(x, x)
    return {"wrapped": after_wrapping, "trained": _peak()}


def _peak() -> int:
    """Bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _measured(generation: str, by: str) -> dict[str, int]:
    legacy = {"TF_USE_LEGACY_KERAS": "1"} if generation == "tf_keras" else {}
    command = [sys.executable, "-m", "tools.bench_memory", "--side", generation, by]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | legacy
    finished = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    peaks: dict[str, int] = json.loads(finished.stdout)
    return peaks


@click.command()
@click.option("--side", nargs=2, help="KERAS BY: measure one side in this process.")
def main(side: tuple[str, str] | None) -> None:
    """Measure the extra memory of clustering a Dense 4096 x 4096 with 32 clusters, beside TFMOT's."""
    if side:
        click.echo(json.dumps(train(*side)))
        return
    with task("measuring", total=len(_SIDES)) as progress:
        peaks = {}
        for generation, by in _SIDES:
            peaks[generation, by] = _measured(generation, by)
            progress.advance()
    rows: list[tuple[str, ...]] = [
        ("side", "peak MB after wrapping", "peak MB after training", "more than plain, kernels")
    ]
    for (generation, by), name in _SIDES.items():
        more = (peaks[generation, by]["trained"] - peaks[generation, "plain"]["trained"]) / _KERNEL
        megabytes = (f"{peaks[generation, by][stage] / 1e6:,.0f}" for stage in ("wrapped", "trained"))
        rows.append((name, *megabytes, f"{more:.2f}"))
    click.echo(aligned(rows))


if __name__ == "__main__":
    main()
