"""Every family of keras.applications loses MACs by a structural technique, trains, is saved, and runs in int8."""

from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tests.applications import DIFFERENT, classifier, keep_row
from tfcompress.techniques.technique import Technique

# Each with the smallest and the largest share of the MACs that may be left.
TECHNIQUES: dict[str, tuple[Technique, float, float]] = {
    "ChannelPruning": (tfc.ChannelPruning(macs=0.7), 0.6, 0.7),
    "LowRank": (tfc.LowRank(ranks={"type": "Ratio", "ratio": 0.6}), 0.3, 0.98),  # Xception is of separable convolutions
}
QUICK = {("ChannelPruning", "mobilenet"), ("LowRank", "mobilenet_v2")}


@pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")
@pytest.mark.parametrize(
    ("name", "family"),
    [
        pytest.param(name, family, marks=() if (name, family) in QUICK else pytest.mark.slow)
        for name in TECHNIQUES
        for family in DIFFERENT
    ],
)
def test_a_family_loses_macs_trains_and_becomes_an_int8_file(name: str, family: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = classifier(family)
    technique, least, most = TECHNIQUES[name]
    smaller = technique.wrap(model)
    assert smaller.output_shape == model.output_shape

    generator = np.random.default_rng(0)
    x = generator.random((2, *model.input_shape[1:])).astype("float32")
    old = smaller.get_weights()
    smaller.compile(keras.optimizers.SGD(1e-4), "sparse_categorical_crossentropy", run_eagerly=True)
    assert np.isfinite(smaller.train_on_batch(x, np.array([1, 2])))
    changed = [not np.array_equal(one, other) for one, other in zip(old, smaller.get_weights(), strict=True)]
    assert sum(changed) > 0.5 * len(changed)

    plain = technique.strip(smaller)
    before, after = tfc.profile(model), tfc.profile(plain)
    assert least < after.macs / before.macs <= most
    assert after.parameters < before.parameters
    plain.save(tmp_path / "smaller.keras")
    loaded = tfc.load(tmp_path / "smaller.keras")
    np.testing.assert_allclose(loaded(x, training=False), plain(x, training=False), atol=1e-6)

    # After one step the statistics of batch norms are still not those of any data.
    card = tfc.convert(loaded, tmp_path / "smaller.tflite", representative=x, check_scale=False)
    assert card.conversion["arithmetic"] == "int8 throughout"
    answers = np.asarray(tfc.predict(tmp_path / "smaller.tflite", x))
    difference = float(np.abs(answers - np.asarray(loaded(x, training=False))).max())
    assert difference < 0.1
    row = {
        "MACs left": f"{after.macs / before.macs:.3f}",
        "parameters left": f"{after.parameters / before.parameters:.3f}",
        "weights that one step changed": f"{sum(changed)} of {len(changed)}",
        "saved and loaded": "same outputs",
        "int8 bytes": f"{card.size_bytes:,}",
        "int8 against Keras, probabilities": f"{difference:.4f}",
    }
    keep_row(family, name, row)
