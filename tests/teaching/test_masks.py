"""Padding that Keras masks counts neither in the user's loss nor in an objective on outputs."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.teaching.objective import FeatureObjective, OutputObjective

L = keras.layers
WORDS = np.array([[3, 1, 2, 0, 0], [4, 2, 0, 0, 0], [1, 3, 4, 2, 0]], "int32")


def _tagger(seed: int, *, masks: bool = True, activation: str | None = None, length: int | None = 5) -> keras.Model:
    keras.utils.set_random_seed(seed)
    words = keras.Input((length,), dtype="int32")
    start = keras.initializers.RandomNormal(stddev=3.0, seed=seed)
    embedded = L.Embedding(6, 4, mask_zero=masks, embeddings_initializer=start)(words)
    read = L.GRU(8, return_sequences=True, name="reader")(embedded)
    return keras.Model(words, L.Dense(3, activation=activation)(read))


def _loss(objectives: Sequence[object], labels: np.ndarray | None, **model: object) -> float:
    learning = tfc.Distillation(_tagger(0, **model), objectives, alpha=1.0).wrap(_tagger(1, **model))  # type: ignore[arg-type]
    learning.compile("sgd", jit_compile=False)
    return float(learning.fit(WORDS, labels, verbose=0, batch_size=3).history["loss"][0])


def _expected(real: np.ndarray, each: Callable[[np.ndarray, np.ndarray], np.ndarray], **model: object) -> float:
    teacher, student = (_tagger(seed, **model)(WORDS).numpy() for seed in (0, 1))  # type: ignore[arg-type]
    return float(each(student, teacher)[real].mean())


@pytest.mark.parametrize("activation", [None, "softmax", "sigmoid"])
@pytest.mark.parametrize("objective", [tfc.SoftTargets(), tfc.WordLevel(), tfc.LogitRegression()])
def test_masked_positions_count_in_no_objective_on_outputs(objective: OutputObjective, activation: str | None) -> None:
    """Longer padding changes nothing: the loss is the mean over words, computed on a model without padding's part."""
    whole = _loss([objective], None, activation=activation)
    parts = []
    for row in WORDS:
        words = row[row > 0][None]
        teacher, student = (_tagger(seed, activation=activation) for seed in (0, 1))
        padded = np.pad(words, ((0, 0), (0, 5 - words.shape[1])))
        ours, theirs = (model(padded).numpy()[:, : words.shape[1]] for model in (student, teacher))
        logits = {None: lambda x: x, "softmax": _log, "sigmoid": _odds}[activation]
        if activation == "sigmoid" and not objective.of_values:
            logits = _pair
        parts.append(np.asarray(objective.loss(logits(ours), logits(theirs), np.ones(words.shape))).reshape(-1))
    assert whole == pytest.approx(float(np.concatenate(parts).mean()), rel=1e-3)


def _log(values: np.ndarray) -> np.ndarray:
    return np.log(values) - np.log(values).mean(axis=-1, keepdims=True)


def _odds(values: np.ndarray) -> np.ndarray:
    return np.log(values / (1 - values))


def _pair(values: np.ndarray) -> np.ndarray:
    return np.stack([np.zeros_like(values), _odds(values)], axis=-1)


def _divergence(student: np.ndarray, teacher: np.ndarray) -> np.ndarray:
    p, q = (np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True) for logits in (teacher, student))
    return (p * np.log(p / q)).sum(axis=-1)


def test_the_mask_is_believed_where_labels_say_otherwise() -> None:
    """Labels that use the number 0 for a word are no padding where a mask says what is."""
    labels = np.zeros((3, 5), "int32")
    expected = _expected(WORDS > 0, _divergence)
    assert _loss([tfc.WordLevel()], labels) == pytest.approx(expected, rel=1e-3)


def test_without_a_mask_labels_tell_padding() -> None:
    labels = np.array([[1, 2, 0, 0, 0], [1, 0, 0, 0, 0], [2, 2, 2, 0, 0]], "int32")
    expected = _expected(labels > 0, _divergence, masks=False)
    assert _loss([tfc.WordLevel()], labels, masks=False) == pytest.approx(expected, rel=1e-3)
    with pytest.raises(tfc.TfCompressError, match=r"cannot tell words from padding.*mask_zero=True"):
        _loss([tfc.WordLevel()], None, masks=False)


def test_the_mask_stays_where_features_are_taken_too() -> None:
    objectives = [tfc.WordLevel(), tfc.Hints(layers={"reader": "reader"}, weight=0.0)]
    assert _loss(objectives, None) == pytest.approx(_expected(WORDS > 0, _divergence), rel=1e-3)


@pytest.mark.parametrize(
    "objective",
    [
        tfc.SimilarityPreserving(layers={"reader": "reader"}, weight=1.0),
        tfc.RelationalDistance(layers={"reader": "reader"}, weight=1.0),
    ],
    ids=lambda objective: type(objective).__name__,
)
def test_masked_positions_of_features_are_zeros_on_both_sides(objective: FeatureObjective) -> None:
    real = (WORDS > 0)[..., None]
    student, teacher = (
        keras.Model(model.input, model.get_layer("reader").output)(WORDS).numpy() * real
        for model in (_tagger(1), _tagger(0))
    )
    loss = _loss([objective, tfc.LogitRegression(weight=0.0)], None)
    assert loss == pytest.approx(float(np.mean(objective.loss(student, teacher))), rel=1e-4)


def test_hints_are_the_mean_over_the_entries_of_words() -> None:
    student, teacher = (
        keras.Model(model.input, model.get_layer("reader").output)(WORDS).numpy() for model in (_tagger(1), _tagger(0))
    )
    loss = _loss([tfc.Hints(layers={"reader": "reader"}), tfc.LogitRegression(weight=0.0)], None)
    assert loss == pytest.approx(float(np.square(student - teacher)[WORDS > 0].mean()) / 2, rel=1e-4)


@pytest.mark.parametrize(
    "objective",
    [
        tfc.Hints(layers={"reader": "reader"}),
        tfc.AttentionTransfer(layers={"reader": "reader"}),
        tfc.ProbabilisticTransfer(layers={"reader": "reader"}),
        tfc.Custom(lambda one, other: keras.ops.square(one - other), layers={"reader": "reader"}),
    ],
    ids=lambda objective: type(objective).__name__,
)
def test_it_does_not_matter_how_far_features_are_padded(objective: FeatureObjective) -> None:
    found = []
    for columns in (0, 5):
        words = np.pad(WORDS, ((0, 0), (0, columns)))
        learning = tfc.Distillation(_tagger(0, length=None), [objective], alpha=1.0).wrap(_tagger(1, length=None))
        learning.compile("sgd", jit_compile=False)
        found += learning.fit(words, None, verbose=0, batch_size=3).history["loss"]
    assert found[1] == pytest.approx(found[0], rel=1e-4)


def test_masked_positions_count_in_no_function_that_tells_positions() -> None:
    expected = _expected(WORDS > 0, lambda student, teacher: np.square(student - teacher).mean(axis=-1))
    assert _loss([tfc.Custom("mse")], None) == pytest.approx(expected, rel=1e-4)
