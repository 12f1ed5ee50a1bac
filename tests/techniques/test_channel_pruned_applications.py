"""Every family of keras.applications loses 30 % of its MACs, trains, is saved, and runs as an int8 file.

The table of families and results is written to runs/channel_pruned_applications.txt.
"""

from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tests.models.test_surgery import FAMILIES, SAME_AS_ANOTHER, SMALLEST_SIDE
from tfcompress.files import write_text
from tfcompress.models.channels import channel_groups
from tfcompress.table import aligned

_QUICK = ("mobilenet",)
_TABLE = Path(__file__).resolve().parents[2] / "runs" / "channel_pruned_applications.txt"
_HEADING = ("family", "groups", "layers kept", "MACs left", "parameters left", "int8 bytes", "int8 against Keras")
_rows: dict[str, tuple[str, ...]] = {}


@pytest.fixture(scope="module", autouse=True)
def _the_table():
    """Writes what was found once all families are through, or those that were asked for."""
    yield
    if _rows:
        write_text(_TABLE, aligned([_HEADING, *(_rows[name] for name in sorted(_rows))]) + "\n")


@pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")
@pytest.mark.parametrize(
    "family",
    [
        pytest.param(family, marks=() if family in _QUICK else pytest.mark.slow)
        for family in sorted(set(FAMILIES) - SAME_AS_ANOTHER)
    ],
)
def test_a_family_with_seven_tenths_of_its_macs(family, tmp_path):
    side = max(64, SMALLEST_SIDE.get(family, 0))
    build = getattr(keras.applications, FAMILIES[family])
    model = build(weights=None, classes=10, input_shape=(side, side, 3))
    found = channel_groups(model)

    pruning = tfc.ChannelPruning(macs=0.7)
    smaller = pruning.wrap(model)
    assert smaller.output_shape == model.output_shape
    shares = [
        getattr(tfc.profile(smaller), name) / getattr(tfc.profile(model), name) for name in ("macs", "parameters")
    ]
    assert 0.6 < shares[0] <= 0.7

    generator = np.random.default_rng(0)
    x, y = generator.uniform(0, 255, (2, side, side, 3)).astype("float32"), np.array([1, 2])
    smaller.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    assert np.isfinite(smaller.train_on_batch(x, y))
    plain = pruning.strip(smaller)
    plain.save(tmp_path / "pruned.keras")
    loaded = tfc.load(tmp_path / "pruned.keras")
    np.testing.assert_allclose(loaded(x, training=False), plain(x, training=False), atol=1e-6)

    # The weights are not trained, so batch norm has no statistics of any data.
    card = tfc.convert(loaded, tmp_path / "pruned.tflite", representative=x, check_scale=False)
    answers = np.asarray(tfc.predict(tmp_path / "pruned.tflite", x))
    assert answers.shape == (2, 10)
    difference = float(np.abs(answers - np.asarray(loaded(x, training=False))).max())
    _rows[family] = (
        *(family, str(len(found.groups)), str(len(found.kept)), *(f"{share:.3f}" for share in shares)),
        *(f"{card.size_bytes:,}", f"{difference:.4f}"),
    )
