"""What holds for every objective: its gradient is that of finite differences, it is data, and it is found by name."""

import json
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfcompress as tfc
from tfcompress.errors import TfCompressWarning
from tfcompress.teaching.objective import FeatureObjective, Objective, OutputObjective, check_number, weighted_mean
from tfcompress.teaching.objectives import OBJECTIVES, make_objective
from tfcompress.transforms.named import as_table

EACH = {
    "SoftTargets": tfc.SoftTargets(temperature=3.0),
    "SoftTargets-cold": tfc.SoftTargets(temperature=0.5),
    "DecoupledKD": tfc.DecoupledKD(alpha=0.7, beta=3.0, temperature=2.0),
    "LogitRegression": tfc.LogitRegression(),
    "WordLevel": tfc.WordLevel(temperature=2.0),
    "Hints": tfc.Hints(),
    "AttentionTransfer": tfc.AttentionTransfer(),
    "AttentionTransfer-odd": tfc.AttentionTransfer(power=3.0),
    "RelationalDistance": tfc.RelationalDistance(),
    "RelationalAngle": tfc.RelationalAngle(),
    "SimilarityPreserving": tfc.SimilarityPreserving(),
    "ProbabilisticTransfer": tfc.ProbabilisticTransfer(),
    "Custom": tfc.Custom("mse"),
}
every_objective = pytest.mark.parametrize("objective", EACH.values(), ids=EACH)


def sides(objective: Objective) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Seeded student and teacher values of a shape that the objective takes, and labels."""
    generator = np.random.default_rng(5)
    shape = (4, 3, 2, 3) if isinstance(objective, tfc.AttentionTransfer) else (4, 5)
    labels = np.array([0, 4, 2, 1])
    if isinstance(objective, tfc.WordLevel):
        shape, labels = (2, 3, 5), np.array([[3, 1, 0], [2, 0, 0]])
    return generator.normal(size=shape), generator.normal(size=shape), labels


def mean_loss(objective: Objective, student: object, teacher: object, labels: object) -> tf.Tensor:
    if isinstance(objective, OutputObjective):
        return keras.ops.mean(objective.loss(student, teacher, labels))
    assert isinstance(objective, FeatureObjective)
    return keras.ops.mean(objective.loss(student, teacher))


def test_every_objective_is_here() -> None:
    assert {name.split("-")[0] for name in EACH} == set(OBJECTIVES)


@every_objective
def test_the_gradient_is_that_of_finite_differences(objective: Objective) -> None:
    student, teacher, labels = sides(objective)
    variable = tf.Variable(student)
    with tf.GradientTape() as tape:
        loss = mean_loss(objective, variable, tf.constant(teacher), labels)
    gradient = tape.gradient(loss, variable).numpy()
    step, expected = 1e-6, np.zeros_like(student)
    for place in np.ndindex(student.shape):
        ends = []
        for sign in (1, -1):
            moved = student.copy()
            moved[place] += sign * step
            ends.append(float(mean_loss(objective, tf.constant(moved), tf.constant(teacher), labels)))
        expected[place] = (ends[0] - ends[1]) / (2 * step)
    assert np.abs(expected).max() > 1e-4
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)


@every_objective
def test_it_is_zero_with_a_finite_gradient_of_zero_where_both_agree(objective: Objective) -> None:
    student, _, labels = sides(objective)
    student = student.astype("float32")
    variable = tf.Variable(student)
    with tf.GradientTape() as tape:
        loss = mean_loss(objective, variable, tf.constant(student), labels)
    assert abs(float(loss)) < 1e-6
    np.testing.assert_allclose(tape.gradient(loss, variable), np.zeros_like(student), atol=1e-5)


@every_objective
def test_samples_with_the_same_features_give_finite_gradients(objective: Objective) -> None:
    student, teacher, labels = sides(objective)
    variable = tf.Variable(np.zeros_like(student))
    with tf.GradientTape() as tape:
        loss = mean_loss(objective, variable, tf.constant(teacher), labels)
    assert np.isfinite(float(loss))
    gradient = tape.gradient(loss, variable)
    assert gradient is None or np.isfinite(gradient).all()


@every_objective
def test_keras_and_tables_give_it_back(objective: Objective) -> None:
    table = keras.saving.serialize_keras_object(objective)
    assert keras.saving.deserialize_keras_object(table) == objective
    assert make_objective(as_table(objective)) == objective
    assert make_objective(objective) is objective


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_name_alone_gives_the_defaults(name: str) -> None:
    assert make_objective(name) == OBJECTIVES[name]()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: tfc.SoftTargets(temperature=0), "SoftTargets: temperature must be a number above 0, not 0"),
        (lambda: tfc.SoftTargets(temperature=-1.0), "not -1.0"),
        (lambda: tfc.SoftTargets(temperature=float("nan")), "not nan"),
        (lambda: tfc.DecoupledKD(temperature="4"), "DecoupledKD: temperature"),
        (lambda: tfc.DecoupledKD(beta=-1), "DecoupledKD: beta must be a number from 0"),
        (lambda: tfc.WordLevel(temperature=True), "WordLevel: temperature"),
        (lambda: tfc.Hints(steps=0), "Hints: steps must be a whole number from 1, not 0"),
        (lambda: tfc.AttentionTransfer(power=0), "AttentionTransfer: power"),
        (lambda: tfc.AttentionTransfer(power=0.5), r"AttentionTransfer: power must be from 1, not 0\.5"),
        (lambda: tfc.LogitRegression(weight=-2), "LogitRegression: weight must be a number from 0, not -2"),
        (lambda: tfc.LogitRegression(weight={"start": 0, "steps": -1}), "Linear: steps"),
        (lambda: tfc.LogitRegression(weight={"begin": 0}), "The weight Linear does not take these settings"),
        (lambda: make_objective("SoftTarget"), "Unknown objective 'SoftTarget'. Did you mean 'SoftTargets'"),
        (lambda: make_objective({"type": "Hints", "layer": "a"}), "The objective Hints does not take these settings"),
        (lambda: make_objective(tfc.SoftTargets), r"SoftTargets is a class. Make an object of it: SoftTargets\(\)"),
        (lambda: tfc.Custom("no_such_loss"), "no function is registered as 'no_such_loss'"),
        (lambda: tfc.Custom(3), "3 is no function"),
        (lambda: tfc.Custom(keras.losses.KLDivergence), r"KLDivergence is a class. Make an object of it"),
    ],
)
def test_settings_out_of_range_are_refused(make: object, text: str) -> None:
    with pytest.raises(tfc.TfCompressError, match=text):
        make()  # type: ignore[operator]


def test_a_linear_weight_goes_from_its_start_to_its_end_and_stays() -> None:
    weight = tfc.Linear(4.0, 1.0, steps=3)
    assert [float(weight.at(float(step))) for step in range(5)] == [4.0, 3.0, 2.0, 1.0, 1.0]
    assert tfc.SoftTargets(weight={"start": 4.0, "end": 1.0, "steps": 3}).weight == weight


NUMPYS = {
    "temperatures": lambda: [tfc.SoftTargets(temperature=T) for T in np.arange(1, 3)][1],
    "float32": lambda: tfc.DecoupledKD(
        alpha=np.float32(0.5), beta=np.float16(2), temperature=np.float64(3), weight=np.int8(2)
    ),
    "linear": lambda: tfc.LogitRegression(weight=tfc.Linear(np.float64(0.0), np.float32(1.0), steps=np.int64(30))),
    "table": lambda: tfc.LogitRegression(weight={"end": np.float32(2.0), "steps": np.int32(30)}),
    "steps": lambda: tfc.Hints(steps=np.int64(3)),
    "padding": lambda: tfc.WordLevel(padding=np.int64(1)),
}


@pytest.mark.parametrize("make", NUMPYS.values(), ids=NUMPYS)
def test_numbers_of_numpy_are_kept_as_plain_ones(make: Callable[[], Objective]) -> None:
    objective = make()
    leaves = keras.tree.flatten(as_table(objective))
    assert {type(leaf) for leaf in leaves} <= {str, int, float, type(None)}
    text = json.dumps(objective.get_config())
    assert type(objective).from_config(json.loads(text)) == objective
    recipe = tfc.Recipe([tfc.Distillation("teacher.keras", [objective], alpha=np.float32(0.25))])
    assert type(recipe.steps[0].alpha) is float
    assert tfc.Recipe.from_toml(recipe.to_toml()) == recipe
    assert json.loads(json.dumps(recipe.steps[0].to_settings())) == recipe.steps[0].to_settings()


def test_plain_numbers_are_kept_as_they_are() -> None:
    objective = tfc.SoftTargets(temperature=4, weight=0.5)
    assert (type(objective.temperature), type(objective.weight)) == (int, float)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: tfc.SoftTargets(temperature=np.int64(0)), "temperature must be a number above 0, not 0"),
        (lambda: tfc.SoftTargets(temperature=np.float32("nan")), "temperature must be a number above 0, not nan"),
        (lambda: tfc.SoftTargets(temperature=np.bool_(True)), "temperature must be a number above 0"),
        (lambda: tfc.SoftTargets(temperature=1j), "temperature must be a number above 0"),
        (lambda: tfc.Linear(steps=np.float64(30)), r"steps must be a whole number from 1, not 30\.0"),
        (lambda: tfc.Linear(steps=np.int64(0)), "steps must be a whole number from 1, not 0"),
        (lambda: tfc.Distillation(alpha=np.float32(1.5)), r"alpha must be a share in \[0, 1\], not 1\.5"),
        (lambda: tfc.Distillation(alpha=np.bool_(True)), r"alpha must be a share in \[0, 1\]"),
    ],
)
def test_numbers_of_numpy_out_of_range_are_refused(make: object, text: str) -> None:
    with pytest.raises(tfc.TfCompressError, match=text):
        make()  # type: ignore[operator]


def test_weights_of_samples_multiply_their_losses() -> None:
    losses = np.array([[1.0, 2.0], [3.0, 6.0]])
    assert float(weighted_mean(losses, None)) == 3.0
    assert float(weighted_mean(losses, np.array([1.0, 0.0]))) == 0.75
    assert float(weighted_mean(losses, np.array([[0.0], [2.0]]))) == 4.5
    assert float(weighted_mean(losses[:, 0], np.array([[0.0], [2.0]]))) == 3.0
    assert float(weighted_mean(losses, np.array([[0.0, 1.0], [1.0, 0.0]]))) == 1.25


def test_weights_of_positions_that_losses_do_not_have_are_averaged() -> None:
    words = np.array([[1.0, 1.0, 0.0, 0.0], [2.0, 2.0, 2.0, 2.0]])
    assert float(weighted_mean(np.array([4.0, 3.0]), words)) == (4 * 0.5 + 3 * 2) / 2
    assert float(weighted_mean(np.array([4.0, 3.0]), words[..., None])) == (4 * 0.5 + 3 * 2) / 2
    # Positions of a feature map are not those of the words.
    assert float(weighted_mean(np.array([[4.0, 4.0, 4.0], [3.0, 3.0, 3.0]]), words)) == (4 * 0.5 + 3 * 2) / 2


def test_weights_that_cannot_count_are_told() -> None:
    with pytest.warns(TfCompressWarning, match="one loss for the whole batch, so weights"):
        assert float(weighted_mean(np.array(5.0), np.array([0.0, 0.0]))) == 5.0


@pytest.mark.parametrize("objective", [tfc.Hints(), tfc.AttentionTransfer()])
def test_a_sequence_with_weights_of_its_words_learns_from_features(objective: Objective) -> None:
    def tagger(units: int) -> keras.Model:
        layers = [keras.layers.GRU(units, return_sequences=True), keras.layers.Dense(3)]
        return keras.Sequential([keras.Input((6, 2)), *layers])

    learning = tfc.Distillation(tagger(8), [objective]).wrap(tagger(4))
    learning.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    weights = np.ones((4, 6))
    weights[:, 4:] = 0
    logs = learning.fit(np.ones((4, 6, 2)), np.ones((4, 6)), sample_weight=weights, verbose=0).history
    assert np.isfinite(logs["loss"]).all()


def test_numbers_are_checked_for_finiteness() -> None:
    with pytest.raises(tfc.TfCompressError, match="inf"):
        check_number("x", float("inf"))


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_attention_has_a_finite_gradient_at_the_zeros_of_a_relu(power: float) -> None:
    features = tf.Variable([[[[0.0, 0.0]], [[1.0, 2.0]]]])
    with tf.GradientTape() as tape:
        loss = tfc.AttentionTransfer(power=power).loss(features, tf.constant([[[[1.0, 0.0]], [[1.0, 1.0]]]]))
    assert np.isfinite(tape.gradient(loss, features)).all()
