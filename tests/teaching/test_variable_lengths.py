"""Word-level distillation between sequence models whose length is not fixed, with Keras' own masks inside."""

import keras
import numpy as np

import tfcompress as tfc

L = keras.layers


def _tagger(units: int, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    words = keras.Input((None,), dtype="int32")
    embedded = L.Embedding(9, units, mask_zero=True, name="letters")(words)
    return keras.Model(words, L.Dense(9, name="next")(L.GRU(units, return_sequences=True, name="reader")(embedded)))


def test_sequences_of_any_length_are_taught_word_by_word_and_by_hints() -> None:
    objectives = [tfc.WordLevel(), tfc.Hints(layers={"reader": "reader"})]
    learning = tfc.Distillation(_tagger(12, 0), objectives, alpha=0.5).wrap(_tagger(5, 1))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    learning.compile("adam", loss, jit_compile=False)
    generator = np.random.default_rng(0)
    for length in (4, 6):
        words = generator.integers(1, 9, (3, length)).astype("int32")
        words[:, -1] = 0
        logs = learning.fit(words, words, verbose=0).history
        assert np.isfinite([logs["loss"], logs["word_level"], logs["hints"]]).all()
        assert logs["word_level"][0] > 0
