"""The two LeNets of "Deep Compression" as they are trained and compressed here: networks and settings, no work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import keras
from keras import layers

import tfcompress as tfc
from tfcompress.techniques.technique import Technique
from tfcompress.techniques.weight_clustering import PerKernel
from tfcompress.transforms.allocations import Allocation, Global, PerLayer
from tfcompress.transforms.codebooks import Linear
from tools import train_lenet5


@dataclass(frozen=True)
class Training:
    """One training: AdamW, whose rate falls along a cosine to zero, on images shifted by at most one pixel.

    With `features` only the layers behind the layer of that name are trained, on its outputs, which are computed once
    from each image as it is and moved in four directions, so that an epoch is five times as long: convolutions take
    nine tenths of the time and hold a twentieth of the weights.
    """

    epochs: int
    learning_rate: float
    weight_decay: float = 1e-4
    features: str = ""


@dataclass(frozen=True)
class Pruning:
    """Gradual pruning to a share of weights that stay; masks rest for the last third of its training.

    Attributes:
        kept: The share of the weights that stay.
        kept_of: That of particular kernels.
        allocation: How the share is divided among the other kernels.
    """

    training: Training
    kept: float
    kept_of: Mapping[str, float] = field(default_factory=dict)
    allocation: Allocation = PerLayer()  # noqa: RUF009  it has no state
    begin: float = 0.5
    name: str = "pruned"

    def technique(self, steps: int) -> Technique:
        """The technique for a training of so many steps."""
        frequency = max(1, steps // 60)
        end = max(1, steps * 2 // 3 // frequency) * frequency
        schedule = tfc.PolynomialDecay(self.begin, 1 - self.kept, begin_step=0, end_step=end, frequency=frequency)
        shares = {name: 1 - share for name, share in self.kept_of.items()}
        return tfc.MagnitudePruning(schedule=schedule, allocation=self.allocation, layers=shares)


@dataclass(frozen=True)
class Clustering:
    """Clustering, which begins with evenly spaced values: entropy coding likes these better than those nearest to all.

    Attributes:
        clusters: The values that a kernel's weights share, the zero among them.
        clusters_of: Those of particular kernels.
    """

    training: Training
    clusters: int
    clusters_of: Mapping[str, int] = field(default_factory=dict)
    name: str = "clustered"

    def technique(self, steps: int) -> Technique:
        """The technique, however long it is trained."""
        return tfc.WeightClustering(
            self.clusters, sharing=PerKernel(), initialisation=Linear(), layers=dict(self.clusters_of)
        )


@dataclass(frozen=True)
class Experiment:
    """A network under the paper's name, how it is trained, and the steps of its compression.

    `build` makes it with its kernels in the paper's order.
    """

    name: str
    build: Callable[[], keras.Model]
    dense: Training
    steps: tuple[Pruning | Clustering, ...]

    @property
    def slug(self) -> str:
        """The name as part of a file's."""
        return self.name.lower()


def lenet_300_100() -> keras.Model:
    """LeNet-300-100: 266,610 parameters; answers with logits. Dropout is there in training only."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Flatten(name="flatten"),
            layers.Dropout(0.05, name="drop0"),
            layers.Dense(300, activation="relu", name="ip1"),
            layers.Dropout(0.15, name="drop1"),
            layers.Dense(100, activation="relu", name="ip2"),
            layers.Dropout(0.05, name="drop2"),
            layers.Dense(10, name="ip3"),
        ],
        name="lenet_300_100",
    )


LENET_300_100 = Experiment(
    name="LeNet-300-100",
    build=lenet_300_100,
    dense=Training(epochs=20, learning_rate=2e-3),
    steps=(
        Pruning(Training(epochs=16, learning_rate=1.5e-3), kept=0.055, kept_of={"ip3": 0.3}, allocation=Global()),
        Clustering(Training(epochs=4, learning_rate=3e-4, weight_decay=0.0), clusters=12),
    ),
)

LENET_5 = Experiment(
    name="LeNet-5",
    build=train_lenet5.build,
    dense=Training(epochs=12, learning_rate=2e-3),
    steps=(
        Pruning(
            Training(epochs=8, learning_rate=2e-3),
            kept=0.1,
            kept_of={"conv1": 0.6, "conv2": 0.3, "fc2": 0.3},
            name="convolutions-pruned",
        ),
        Pruning(
            Training(epochs=4, learning_rate=1e-3, features="flatten"),
            kept=0.02,
            kept_of={"conv1": 0.6, "conv2": 0.3, "fc2": 0.2},
            begin=0.9,
        ),
        Clustering(
            Training(epochs=2, learning_rate=3e-4, weight_decay=0.0, features="flatten"),
            clusters=12,
            clusters_of={"conv1": 20, "conv2": 20},
        ),
    ),
)

EXPERIMENTS = (LENET_300_100, LENET_5)
