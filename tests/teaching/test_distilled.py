import keras
import numpy as np
import pytest
import tensorflow as tf

import tfcompress as tfc
from tfcompress.teaching.distilled import Distilled

L = keras.layers
GENERATOR = np.random.default_rng(0)
IMAGES, LABELS = GENERATOR.normal(size=(12, 8, 8, 3)).astype("float32"), np.arange(12) % 4


def _model(width: int, seed: int, activation: str | None = "softmax", *, batch_norm: bool = False) -> keras.Model:
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 3))
    features = L.Conv2D(width, 3, padding="same", activation="relu", name="first")(inputs)
    features = L.BatchNormalization(name="norm")(features) if batch_norm else features
    features = L.Conv2D(width, 3, strides=2, padding="same", activation="relu", name="second")(features)
    pooled = L.GlobalAveragePooling2D(name="pooled")(features)
    return keras.Model(inputs, L.Dense(4, activation=activation, name="head")(pooled), name=f"width{width}")


def _learning(
    objectives: object, alpha: float = 1.0, student: keras.Model | None = None, **settings: object
) -> Distilled:
    distillation = tfc.Distillation(_model(6, 1), objectives, alpha=alpha)  # type: ignore[arg-type]
    learning = distillation.wrap(student or _model(3, 2))
    settings = {"jit_compile": False, **settings}
    learning.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", **settings)
    return learning


def _fit(model: keras.Model, epochs: int = 1, batch: int = 4, **arguments: object) -> dict[str, list[float]]:
    return model.fit(IMAGES, LABELS, batch_size=batch, epochs=epochs, shuffle=False, verbose=0, **arguments).history  # type: ignore[no-any-return]


def test_the_loss_is_the_weighted_sum_of_the_users_and_the_objectives() -> None:
    objectives = [tfc.SoftTargets(temperature=3.0, weight=0.5), tfc.LogitRegression()]
    learning = _learning(objectives, alpha=0.3)
    teacher = _model(6, 1)
    p, q = teacher(IMAGES).numpy(), learning(IMAGES).numpy()
    hard = float(np.mean(keras.losses.sparse_categorical_crossentropy(LABELS, q)))
    soft = float(np.mean(objectives[0].loss(np.log(q), np.log(p), None)))
    logits = [np.log(output) - np.log(output).mean(axis=-1, keepdims=True) for output in (q, p)]
    regression = float(np.mean(((logits[0] - logits[1]) ** 2).sum(axis=-1) / 2))
    logs = _fit(learning, batch=12)
    assert logs["soft_targets"] == pytest.approx([soft], rel=1e-4)
    assert logs["logit_regression"] == pytest.approx([regression], rel=1e-4)
    assert logs["loss"] == pytest.approx([0.7 * hard + 0.3 * (0.5 * soft + regression)], rel=1e-4)


def test_figures_of_objectives_weigh_batches_by_their_samples_as_the_loss_does() -> None:
    logs = _fit(_learning([tfc.SoftTargets()]), batch=11)
    assert logs["soft_targets"] == pytest.approx(logs["loss"], rel=1e-5)


@pytest.mark.parametrize("objective", [tfc.SoftTargets(), tfc.LogitRegression()], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_a_class_that_both_exclude_leaves_loss_and_weights_finite(objective: object, alpha: float) -> None:
    def excluding(width: int, seed: int) -> keras.Model:
        model = _model(width, seed, None)
        kept = keras.ops.convert_to_tensor([0.0, 0.0, 0.0, -np.inf])
        return keras.Model(model.input, model.output + kept)

    learning = tfc.Distillation(excluding(6, 1), [objective], alpha=alpha).wrap(excluding(3, 2))  # type: ignore[list-item]
    learning.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    logs = learning.fit(IMAGES, LABELS % 3, verbose=0).history
    assert np.isfinite(logs["loss"]).all()
    assert all(np.isfinite(weight.numpy()).all() for weight in learning.weights)


def test_without_a_share_for_the_teacher_training_is_that_of_the_student_alone() -> None:
    student = _model(3, 2, batch_norm=True)
    learning = _learning([tfc.SoftTargets(), tfc.AttentionTransfer()], alpha=0.0, student=student)
    student.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", jit_compile=False)
    for model in (learning, student):
        _fit(model, epochs=2)
    for one, other in zip(learning.weights, student.weights, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6, err_msg=one.path)


def test_regularization_keeps_its_full_weight() -> None:
    inputs = keras.Input((8, 8, 3))
    outputs = L.Dense(4, activation="softmax", kernel_regularizer=keras.regularizers.L2(0.5))(L.Flatten()(inputs))
    student = keras.Model(inputs, outputs)
    penalty = 0.5 * float(np.square(student.layers[-1].kernel).sum())
    learning = _learning([tfc.Custom(_nothing)], alpha=1.0, student=student)
    assert _fit(learning, batch=12)["loss"] == pytest.approx([penalty], rel=1e-5)


def _nothing(student: object, teacher: object) -> object:
    return 0.0 * keras.ops.mean(student - teacher)  # type: ignore[operator]


def test_sample_weights_hold_for_the_objectives_too() -> None:
    learning = _learning([tfc.SoftTargets(temperature=1.0)])
    each = tfc.SoftTargets(temperature=1.0).loss(np.log(learning(IMAGES)), np.log(_model(6, 1)(IMAGES)), None)
    weights = np.arange(12) / 6
    logs = _fit(learning, batch=12, sample_weight=weights)
    assert logs["loss"] == pytest.approx([float(np.mean(each * weights))], rel=1e-4)


def test_weights_of_samples_that_differ_between_outputs_are_averaged_for_features() -> None:
    def two(width: int, seed: int) -> keras.Model:
        model = _model(width, seed)
        extra = L.Dense(1, name="extra")(model.get_layer("pooled").output)
        return keras.Model(model.input, [model.output, extra])

    objective = tfc.AttentionTransfer(layers={"second": "second"}, weight=1.0)
    learning = tfc.Distillation(two(6, 1), [objective, tfc.LogitRegression(weight=0.0)], alpha=1.0).wrap(two(3, 2))
    learning.compile("sgd", ["sparse_categorical_crossentropy", "mse"], jit_compile=False)
    maps = (
        keras.Model(model.input, model.get_layer("second").output)(IMAGES) for model in (_model(3, 2), _model(6, 1))
    )
    each = objective.loss(*maps)
    weights = np.ones(12), np.arange(12) / 6
    logs = learning.fit(IMAGES, [LABELS, np.ones(12)], 12, verbose=0, sample_weight=list(weights)).history
    assert logs["loss"] == pytest.approx([float(np.mean(each * (weights[0] + weights[1]) / 2))], rel=1e-4)


def test_evaluation_is_that_of_the_student_alone() -> None:
    learning = _learning([tfc.SoftTargets()], alpha=0.9)
    loss = float(np.mean(keras.losses.sparse_categorical_crossentropy(LABELS, learning(IMAGES))))
    assert learning.evaluate(IMAGES, LABELS, verbose=0, return_dict=True) == {"loss": pytest.approx(loss, rel=1e-4)}
    history = _fit(learning, validation_data=(IMAGES, LABELS))
    assert set(history) == {"loss", "soft_targets", "val_loss"}


def test_hints_train_alone_first_and_then_not_at_all() -> None:
    objectives = [tfc.Hints(layers={"second": "second"}, steps=3), tfc.SoftTargets()]
    learning = _learning(objectives, alpha=0.5)
    before = {weight.path: weight.numpy() for weight in learning.trainable_weights}
    regressor = learning.regressors[0].kernel
    _fit(learning)  # three batches: the first stage
    moved = {path for path, value in before.items() if not np.array_equal(value, _by_path(learning, path))}
    assert {path for path in before if "head" in path}.isdisjoint(moved)
    assert len(moved) == len(before) - 2
    between = regressor.numpy()
    _fit(learning)
    np.testing.assert_array_equal(regressor.numpy(), between)
    assert not np.array_equal(before["head/kernel"], _by_path(learning, "head/kernel"))


def _by_path(model: keras.Model, path: str) -> np.ndarray:
    return next(weight.numpy() for weight in model.weights if weight.path == path)


def test_a_weight_along_a_schedule_counts_training_batches() -> None:
    constant, growing = (
        _learning([tfc.SoftTargets(weight=weight)], alpha=1.0) for weight in (1.0, tfc.Linear(0.0, 3.0, steps=3))
    )
    for number, (one, other) in enumerate(zip(_losses(constant), _losses(growing), strict=True)):
        assert other == pytest.approx(number * one, rel=1e-4)


def test_schedules_of_the_second_stage_begin_with_it() -> None:
    hints = tfc.Hints(layers={"second": "second"}, steps=2, weight=tfc.Linear(1.0, 3.0, steps=2))
    learning = _learning([hints, tfc.SoftTargets(weight=tfc.Linear(0.0, 4.0, steps=4))], alpha=1.0)
    learning.optimizer.learning_rate = 0.0
    losses = []
    for _ in range(8):
        logs = learning.train_on_batch(IMAGES, LABELS, return_dict=True)
        losses.append(float(logs["loss"]))
        learning.reset_metrics()
    hint, soft = float(logs["hints"]), float(logs["soft_targets"])
    expected = [1 * hint, 2 * hint, 0, 1 * soft, 2 * soft, 3 * soft, 4 * soft, 4 * soft]
    assert losses == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_without_labels_the_teacher_alone_is_learned_from() -> None:
    learning = _learning([tfc.SoftTargets()], alpha=1.0, metrics=["accuracy"])
    same = _learning([tfc.SoftTargets()], alpha=1.0)
    logs = learning.fit(IMAGES, batch_size=4, epochs=2, shuffle=False, verbose=0).history
    assert logs["loss"] == pytest.approx(_fit(same, epochs=2)["loss"], rel=1e-5)
    assert "accuracy" in _fit(learning)
    with pytest.raises(tfc.TfCompressError, match=r"no labels, .* share 1 - alpha = 0\.5.*alpha=1"):
        _learning([tfc.SoftTargets()], alpha=0.5).fit(IMAGES, verbose=0)


def _losses(model: keras.Model) -> list[float]:
    """The loss of each of three batches, the weights set back after each."""
    losses, start = [], model.trainable_weights[0].numpy()
    model.optimizer.learning_rate = 0.0
    for number in range(3):
        part = slice(4 * number, 4 * number + 4)
        losses.append(float(model.train_on_batch(IMAGES[part], LABELS[part], return_dict=True)["loss"]))
        model.reset_metrics()
        np.testing.assert_array_equal(model.trainable_weights[0].numpy(), start)
    return losses


@pytest.mark.parametrize("setting", [pytest.param("jit_compile", marks=pytest.mark.slow), "run_eagerly"])
def test_it_trains_the_same_compiled_by_xla_and_step_by_step(setting: str) -> None:
    objectives = [tfc.SoftTargets(), tfc.AttentionTransfer(), tfc.Hints(steps=1), tfc.RelationalAngle()]
    trained = []
    for settings in ({}, {setting: True}):
        learning = _learning(objectives, alpha=0.5, **settings)
        _fit(learning)
        trained.append(learning)
    for one, other in zip(*[model.weights for model in trained], strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-5, err_msg=one.path)


def test_the_student_runs_once_a_step_and_the_teacher_outside_the_tape() -> None:
    from tensorflow.python.eager import record  # TensorFlow has no public way to ask whether a tape is open

    calls: dict[str, list[bool]] = {"student": [], "teacher": []}

    @keras.saving.register_keras_serializable("tests")
    class Counting(L.Layer):
        def call(self, inputs: tf.Tensor) -> tf.Tensor:
            if not isinstance(inputs, keras.KerasTensor):
                calls[self.name].append(record.could_possibly_record())
            return inputs

    models = []
    for name in ("teacher", "student"):
        inputs = keras.Input((8, 8, 3))
        features = Counting(name=name)(L.Conv2D(3, 3, name="conv")(inputs))
        models.append(keras.Model(inputs, L.Dense(4, activation="softmax")(L.Flatten()(features))))
    learning = tfc.Distillation(models[0], [tfc.SoftTargets(), tfc.Hints()]).wrap(models[1])
    learning.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    calls.update(student=[], teacher=[])
    learning.train_on_batch(IMAGES[:4], LABELS[:4])
    assert calls == {"student": [True], "teacher": [False]}


def test_a_training_loop_of_the_users_own_sees_the_same_loss_and_gradients() -> None:
    learning = _learning([tfc.SoftTargets(), tfc.AttentionTransfer()], alpha=0.5)
    before = [weight.numpy() for weight in learning.trainable_weights]
    with tf.GradientTape() as tape:
        answers = learning(IMAGES, training=True)
        loss = learning.compute_loss(IMAGES, LABELS, answers)
    gradients = tape.gradient(loss, [weight.value for weight in learning.trainable_weights])
    logs = _fit(learning, batch=12)
    assert logs["loss"] == pytest.approx([float(loss)], rel=1e-5)
    for weight, old, gradient in zip(learning.trainable_weights, before, gradients, strict=True):
        np.testing.assert_allclose(weight.numpy(), old - 0.1 * gradient.numpy(), atol=1e-5)


def test_outputs_are_paired_by_name_and_what_does_not_fit_is_said() -> None:
    def two(seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((5,))
        outputs = {"size": L.Dense(1, name="size")(inputs), "label": L.Dense(3, activation="softmax")(inputs)}
        return keras.Model(inputs, outputs)

    with pytest.warns(tfc.errors.TfCompressWarning, match="SoftTargets leaves out output 'size'.*LogitRegression"):
        learning = tfc.Distillation(two(0), [tfc.SoftTargets(), tfc.LogitRegression(output="size")]).wrap(two(1))
    learning.compile("sgd", {"size": "mse", "label": "sparse_categorical_crossentropy"}, jit_compile=False)
    inputs = np.ones((4, 5), "float32")
    logs = learning.fit(inputs, {"size": np.ones(4), "label": np.ones(4)}, verbose=0).history
    assert {"soft_targets", "logit_regression"} <= set(logs)
    with pytest.raises(tfc.TfCompressError, match=r"no output 'sizes'\. Did you mean 'size'"):
        tfc.Distillation(two(0), [tfc.LogitRegression(output="sizes")]).wrap(two(1))


def test_a_loss_of_keras_distillation_and_a_function_are_objectives() -> None:
    feature = keras.distillation.FeatureDistillation(
        loss="mse", teacher_layer_name="pooled", student_layer_name="pooled"
    )
    student = _model(6, 3)
    learning = _learning([feature, lambda ours, theirs: keras.ops.mean(ours * theirs)], student=student)
    teacher = _model(6, 1)
    pooled = [keras.Model(model.input, model.get_layer("pooled").output)(IMAGES) for model in (student, teacher)]
    expected = float(np.mean((pooled[0] - pooled[1]) ** 2) + np.mean(student(IMAGES) * teacher(IMAGES)))
    assert _fit(learning, batch=12)["loss"] == pytest.approx([expected], rel=1e-4)


def test_with_alpha_1_labels_need_not_fit_the_users_loss() -> None:
    learning = _learning([tfc.DecoupledKD()])
    labels = np.where(LABELS == 3, -1, LABELS)
    history = learning.fit(IMAGES, labels, batch_size=12, verbose=0).history
    assert history["loss"] == pytest.approx(history["decoupled_kd"], rel=1e-5)


def test_batches_without_labels_are_traced_once() -> None:
    learning = _learning([tfc.SoftTargets()], metrics=["accuracy"])
    learning.train_on_batch(IMAGES)
    made = learning.train_function
    learning.train_on_batch(IMAGES)
    assert learning.train_function is made
    assert "accuracy" in learning.fit(IMAGES, LABELS, verbose=0).history


def test_it_trains_in_float64() -> None:
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        learning = _learning([tfc.Hints(steps=1, layers={"second": "second"}), tfc.SoftTargets()], alpha=0.5)
        assert np.isfinite(_fit(learning)["loss"]).all()
    finally:
        keras.config.set_floatx(before)


def test_two_lengths_of_the_stage_of_hints_are_refused() -> None:
    hints = [tfc.Hints(layers={"first": "first"}, steps=1), tfc.Hints(layers={"second": "second"}, steps=100)]
    with pytest.raises(tfc.TfCompressError, match="first for 1 and for 100 steps"):
        _learning(hints)
