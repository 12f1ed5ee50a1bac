"""The kinds of factorization by name, as a recipe gives them."""

from typing import Any

from tfcompress.transforms.factorizations import CP, SVD, Factorization, SpatialSVD, Tucker2
from tfcompress.transforms.named import named
from tfcompress.transforms.tensor_train import TensorTrain

FACTORIZATIONS: dict[str, type[Factorization]] = {
    kind.__name__: kind for kind in (SVD, SpatialSVD, Tucker2, CP, TensorTrain)
}


def make_factorization(value: Any) -> Factorization:
    """The factorization itself, or the one that a name or a recipe's table stands for."""
    return named("factorization", value, FACTORIZATIONS)
