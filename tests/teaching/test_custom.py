"""Functions and losses of Keras as objectives, in each of their forms."""

import functools
import inspect
from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.errors import TfCompressWarning
from tfcompress.teaching.custom import _is_loss_of_keras
from tfcompress.teaching.objectives import make_objective

STUDENT = np.array([[0.5, 0.5], [0.2, 0.8]], "float32")
TEACHER = np.array([[0.9, 0.1], [0.3, 0.7]], "float32")
OF_TEACHER = (TEACHER * np.log(TEACHER / STUDENT)).sum(axis=-1)  # KL(teacher || student), which is not symmetric


class Signed:
    """A callable object that compares equal by value, and so has no hash."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Signed)

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, student: object, teacher: object) -> object:
        return keras.ops.mean(student - teacher, axis=-1)  # type: ignore[operator]


@keras.saving.register_keras_serializable("test_custom")
def registered(student: object, teacher: object) -> object:
    return keras.ops.mean(student - teacher, axis=-1)  # type: ignore[operator]


@keras.saving.register_keras_serializable("test_custom")
class Excess(keras.losses.Loss):
    def call(self, y_true: object, y_pred: object) -> object:
        return keras.ops.mean(y_pred - y_true, axis=-1)  # type: ignore[operator]


def _signed(scale: float, student: object, teacher: object) -> object:
    return scale * keras.ops.mean(student - teacher, axis=-1)  # type: ignore[operator]


@pytest.mark.parametrize(
    "form",
    [
        "kl_divergence",
        "kld",
        "KLDivergence",
        keras.losses.kl_divergence,
        keras.losses.KLDivergence(),
        keras.losses.KLDivergence(reduction=None),
        functools.partial(keras.losses.kl_divergence),
    ],
    ids=["name", "short name", "class name", "function", "object", "object of no reduction", "partial"],
)
def test_a_loss_of_keras_takes_the_teacher_for_the_truth_in_each_of_its_forms(form: object) -> None:
    np.testing.assert_allclose(tfc.Custom(form).loss(STUDENT, TEACHER), OF_TEACHER, rtol=1e-5)
    if not isinstance(form, str):
        direct = make_objective(form)
        assert isinstance(direct, tfc.Custom)
        np.testing.assert_allclose(direct.loss(STUDENT, TEACHER), OF_TEACHER, rtol=1e-5)


def test_a_sum_over_the_batch_stays_a_sum() -> None:
    loss = tfc.Custom(keras.losses.KLDivergence(reduction="sum")).loss(STUDENT, TEACHER)
    np.testing.assert_allclose(loss, OF_TEACHER.sum(), rtol=1e-5)


def test_every_loss_function_of_keras_takes_the_teacher_for_the_truth() -> None:
    functions = [getattr(keras.losses, name) for name in dir(keras.losses)]
    functions = [one for one in functions if inspect.isfunction(one)]
    taken = {one.__name__: one for one in functions if next(iter(inspect.signature(one).parameters)) == "y_true"}
    assert {"kl_divergence", "categorical_generalized_cross_entropy"} <= set(taken)
    assert all(_is_loss_of_keras(one) for one in taken.values())


@pytest.mark.parametrize(
    "form",
    [
        Signed(),
        registered,
        "test_custom>registered",
        Excess(),
        "test_custom>Excess",
        functools.partial(_signed, 1.0),
        lambda student, teacher: _signed(1.0, student, teacher),
    ],
    ids=["object", "function", "name", "loss", "name of a loss", "partial", "lambda"],
)
def test_any_other_callable_takes_the_student_first(form: object) -> None:
    expected = (STUDENT - TEACHER).mean(axis=-1)
    np.testing.assert_allclose(tfc.Custom(form).loss(STUDENT, TEACHER), expected, atol=1e-7)


def test_a_loss_object_survives_a_file_and_a_loss_function_a_recipe(tmp_path: Path) -> None:
    def classifier() -> keras.Model:
        layers = [keras.layers.Dense(4, activation="relu"), keras.layers.Dense(2, activation="softmax")]
        return keras.Sequential([keras.Input((3,)), *layers])

    learning = tfc.Distillation(classifier(), [keras.losses.MeanAbsoluteError(), keras.losses.kl_divergence]).wrap(
        classifier()
    )
    learning.save(tmp_path / "middle.keras")
    loaded = keras.models.load_model(tmp_path / "middle.keras")
    loaded.compile("sgd", "mse", jit_compile=False)
    logs = loaded.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0).history
    assert sorted(name.rsplit("_")[-1] for name in logs if name.startswith("custom")) == ["0", "1"]
    classifier().save(tmp_path / "teacher.keras")
    step = tfc.Distillation(str(tmp_path / "teacher.keras"), [keras.losses.kl_divergence])
    text = tfc.Recipe([step]).to_toml()
    assert 'function = "kl_divergence"' in text
    assert tfc.Recipe.from_toml(text).steps == (step,)


def _classifier(activation: str | None) -> keras.Model:
    layers = [keras.layers.Dense(4, activation="relu"), keras.layers.Dense(2, activation=activation, name="head")]
    return keras.Sequential([keras.Input((3,)), *layers])


@pytest.mark.parametrize(
    "loss",
    [
        "kl_divergence",
        keras.losses.BinaryCrossentropy(),
        functools.partial(keras.losses.categorical_crossentropy, label_smoothing=0.1),
    ],
    ids=["name", "object", "partial"],
)
def test_losses_for_probabilities_are_doubted_on_logits(loss: object) -> None:
    with pytest.warns(
        TfCompressWarning, match="'head': the loss of Custom takes probabilities, and the output gives l"
    ):
        tfc.Distillation(_classifier(None), [tfc.Custom(loss)]).wrap(_classifier(None))
    tfc.Distillation(_classifier("softmax"), [tfc.Custom(loss)]).wrap(_classifier("softmax"))


def test_losses_that_are_told_of_logits_are_not_doubted() -> None:
    for loss in (
        keras.losses.CategoricalCrossentropy(from_logits=True),
        functools.partial(keras.losses.categorical_crossentropy, from_logits=True),
        "mse",
    ):
        tfc.Distillation(_classifier(None), [tfc.Custom(loss)]).wrap(_classifier(None))


def test_soft_targets_of_keras_on_probabilities_are_doubted() -> None:
    loss = keras.distillation.LogitsDistillation(temperature=3, loss=keras.losses.KLDivergence())
    with pytest.warns(TfCompressWarning, match="'head': LogitsDistillation takes logits, and the output gives softmax"):
        tfc.Distillation(_classifier("softmax"), [loss]).wrap(_classifier("softmax"))
    tfc.Distillation(_classifier(None), [loss]).wrap(_classifier(None))


def test_soft_targets_of_keras_need_a_loss_object() -> None:
    generator = np.random.default_rng(0)
    student, teacher = generator.normal(size=(2, 6, 5)).astype("float32")
    with pytest.raises(tfc.TfCompressError, match=r"kl_divergence, which takes probabilities.*KLDivergence\(\)"):
        tfc.Custom(keras.distillation.LogitsDistillation(temperature=3))
    with pytest.raises(tfc.TfCompressError, match="categorical_crossentropy, which takes probabilities"):
        make_objective(keras.distillation.LogitsDistillation(loss=["mse", "categorical_crossentropy"]))
    sound = keras.distillation.LogitsDistillation(temperature=3, loss=keras.losses.KLDivergence())
    expected = np.mean(tfc.SoftTargets(temperature=3.0).loss(student, teacher, None))
    np.testing.assert_allclose(tfc.Custom(sound).loss(student, teacher), expected, rtol=1e-4)
