from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.teaching.live_teacher import LiveTeacher
from tfcompress.teaching.output_kinds import OutputKind
from tfcompress.teaching.teachers import Ensemble, make_teacher


def _model(seed: int = 0, activation: str | None = "softmax", units: int = 3) -> keras.Model:
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(8, activation="relu", name="hidden"), keras.layers.Dense(units, activation=activation)]
    return keras.Sequential([keras.Input((6,)), *layers], name=f"model{seed}")


INPUTS = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")


def test_a_model_teaches_in_inference_mode_and_stays_as_it_is() -> None:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5), keras.layers.GRU(3, stateful=True)]
    model = keras.Sequential([keras.Input(batch_shape=(5, 4, 6)), *layers])
    inputs = np.random.default_rng(0).normal(size=(5, 4, 6)).astype("float32")
    before = [variable.numpy() for variable in model.variables]
    teacher = LiveTeacher(model)
    first, second = (teacher(inputs).outputs[0].numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)  # neither dropout nor a state that moved on
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert model.trainable
    np.testing.assert_allclose(first, model(inputs, training=False), rtol=1e-6)


def test_an_ensemble_says_the_geometric_mean_of_its_teachers() -> None:
    models = [_model(seed) for seed in (0, 1, 2)]
    each = np.stack([model(INPUTS).numpy() for model in models])
    product = np.prod(each, axis=0) ** (1 / 3)
    expected = product / product.sum(axis=-1, keepdims=True)
    teacher = make_teacher(models)
    assert isinstance(teacher, Ensemble)
    assert teacher.kinds == [OutputKind.SOFTMAX]
    np.testing.assert_allclose(teacher(INPUTS).outputs[0], expected, rtol=1e-5)


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_an_ensemble_averages_logits(activation: str | None) -> None:
    models = [_model(seed, activation) for seed in (0, 1)]
    outputs = [model(INPUTS).numpy() for model in models]
    mean = (outputs[0] + outputs[1]) / 2
    if activation:
        odds = [output / (1 - output) for output in outputs]
        mean = np.sqrt(odds[0] * odds[1]) / (1 + np.sqrt(odds[0] * odds[1]))
    np.testing.assert_allclose(make_teacher(models)(INPUTS).outputs[0], mean, rtol=1e-4)


def test_files_of_models_and_logits_are_read_and_may_teach_together(tmp_path: Path) -> None:
    models = [_model(seed) for seed in (0, 1)]
    models[0].save(tmp_path / "zero.keras")
    tfc.cache_logits(models[1], INPUTS, tmp_path / "one.logits")
    together = make_teacher([str(tmp_path / "zero.keras"), tmp_path / "one.logits"])
    np.testing.assert_allclose(together(INPUTS).outputs[0], make_teacher(models)(INPUTS).outputs[0], rtol=1e-5)
    assert not together.supports_jit


def test_cached_outputs_are_found_for_each_type_that_a_batch_comes_in(tmp_path: Path) -> None:
    cache = tfc.cache_logits(_model(), INPUTS, tmp_path / "t.logits")
    teacher = make_teacher([cache])
    np.testing.assert_array_equal(teacher(INPUTS.astype("float64")).outputs[0], cache.look_up([INPUTS])[0])


def test_teachers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(
        tfc.TfCompressError, match=r"model0 and model1 do not go together: .*softmax \(3,\) and .*\(4,\)"
    ):
        make_teacher([_model(0), _model(1, units=4)])
    with pytest.raises(tfc.TfCompressError, match=r"softmax .* and logits"):
        make_teacher([_model(0), _model(1, activation=None)])
    other = keras.Sequential([keras.Input((7,)), keras.layers.Dense(3)], name="other")
    with pytest.raises(tfc.TfCompressError, match=r"teacher 'model0' takes inputs of shape \(6,\) .*'other' \(7,\)"):
        make_teacher([_model()], other)
    with pytest.raises(tfc.TfCompressError, match="has no weights yet"):
        make_teacher([keras.Sequential([keras.layers.Dense(2)], name="unbuilt")])
    broken = _model()
    broken.layers[0].kernel.assign(np.full((6, 8), np.nan))
    with pytest.raises(tfc.TfCompressError, match="NaN"):
        make_teacher([broken])


def test_only_one_model_has_features() -> None:
    assert [feature.name for feature in make_teacher([_model()]).features()] == ["hidden"]
    with pytest.raises(tfc.TfCompressError, match="gives outputs only"):
        make_teacher([_model(0), _model(1)]).features()
