"""What every technique promises of a wrapped model that is saved in the middle of training."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest

from tests import zoo
from tests.techniques.contract import CONTRACT, Row, on_the_zoo
from tfcompress.models.surgery import layers_of
from tfcompress.teaching.distilled import is_distilled
from tfcompress.transforms.wrapper import Transformed

# Tiny kernels are left alone by some techniques, which say so.
pytestmark = pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")


# A graph is traced for each case; what is special about this model is its layers, which their own tests save too.
_FEW = tuple(name for name in zoo.ZOO if name != "double_convolution")


@on_the_zoo({label: row for label, row in CONTRACT.items() if row.technique.trains}, few=_FEW)
def test_training_goes_on_identically_after_save_and_load(name: str, row: Row) -> None:
    wrapped = row.technique.wrap(zoo.make(name))
    zoo.fit(wrapped, eagerly=True)
    with tempfile.TemporaryDirectory() as folder:
        wrapped.save(Path(folder) / "middle.keras")
        loaded = keras.saving.load_model(Path(folder) / "middle.keras")
    assert row.rewrites or is_distilled(loaded) or any(isinstance(layer, Transformed) for layer in layers_of(loaded))
    for one in (wrapped, loaded):
        zoo.fit(one)
    assert all(np.array_equal(old, new) for old, new in zip(wrapped.get_weights(), loaded.get_weights(), strict=True))
