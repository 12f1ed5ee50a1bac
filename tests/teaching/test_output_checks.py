"""Outputs that are not what they are taken for are found by their values, or by what the loss expects."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfcompress as tfc

L = keras.layers


def _model(activation: object, units: int = 3, seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((4,)), L.Dense(units, activation=activation, name="head")], name=f"it{seed}")


@keras.saving.register_keras_serializable("tests")
def _hidden(tensor: tf.Tensor) -> tf.Tensor:
    return tf.nn.softmax(tensor)


@pytest.mark.parametrize(
    ("activation", "kind"),
    [(tf.nn.softmax, "softmax"), (keras.ops.softmax, "softmax"), (tf.nn.sigmoid, "sigmoid"), (tf.sigmoid, "sigmoid")],
)
def test_activations_of_tensorflow_are_recognised(activation: object, kind: str) -> None:
    assert f"({kind})" in str(tfc.Distillation(_model(activation)).wrap(_model(kind, seed=1)).plan)


def test_a_softmax_in_a_function_is_no_logits() -> None:
    with pytest.raises(tfc.TfCompressError, match=r"'head' of the student 'it1' .* add up to 1.*outputs=\"softmax\""):
        tfc.Distillation(_model(None)).wrap(_model(_hidden, seed=1))
    with pytest.raises(tfc.TfCompressError, match=r"'head' of the teacher it1 .* add up to 1"):
        tfc.Distillation([_model(None), _model(_hidden, seed=1)]).wrap(_model(None, seed=2))
    plan = tfc.Distillation(_model(_hidden), outputs="softmax").wrap(_model("softmax", seed=1)).plan
    assert str(plan).count("(softmax)") == 2


def test_an_ensemble_of_hidden_softmaxes_is_their_geometric_mean() -> None:
    models, inputs = [_model(_hidden, seed=seed) for seed in (1, 2)], np.eye(4, dtype="float32")
    p, student = [model(inputs).numpy() for model in models], _model("softmax", seed=3)
    mean = np.sqrt(p[0] * p[1])
    mean /= mean.sum(axis=-1, keepdims=True)
    q = student(inputs).numpy()
    learning = tfc.Distillation(models, [tfc.SoftTargets(temperature=1.0)], 1.0, outputs="softmax").wrap(student)
    learning.compile("sgd", jit_compile=False)
    expected = float(np.mean((mean * np.log(mean / q)).sum(axis=-1)))
    assert learning.fit(inputs, verbose=0).history["loss"] == pytest.approx([expected], rel=1e-3)


@pytest.mark.parametrize(("kind", "text"), [("softmax", "do not add up to 1"), ("sigmoid", r"outside \[0, 1\]")])
def test_logits_are_no_probabilities_whatever_is_said(kind: str, text: str) -> None:
    with pytest.raises(tfc.TfCompressError, match=f"student 'it1' counts as {kind}, and its values .*{text}"):
        tfc.Distillation(_model(None), outputs=kind).wrap(_model(None, seed=1))


def test_cached_softmaxes_said_to_be_logits_are_seen(tmp_path: object) -> None:
    cache = tfc.cache_logits(_model(_hidden), np.eye(4, dtype="float32"), tmp_path / "t.logits")  # type: ignore[operator]
    with pytest.raises(tfc.TfCompressError, match=r"of the teacher t\.logits counts as logits"):
        tfc.Distillation(cache).wrap(_model(None, seed=1))


def test_open_sizes_are_filled_in_to_look_at_the_values() -> None:
    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, L.Dense(3, activation=_hidden)(inputs))
    with pytest.raises(tfc.TfCompressError, match="softmax that was not recognised"):
        tfc.Distillation(keras.models.clone_model(model)).wrap(model)


@pytest.mark.parametrize("shape", [None, (12,)])
def test_a_softmax_along_another_axis_than_the_last_is_none(shape: tuple[int, ...] | None) -> None:
    inputs = keras.Input((3, 4))
    outputs = L.Softmax(axis=1)(L.Dense(4)(inputs)) if shape is None else L.Flatten()(L.Softmax()(L.Dense(4)(inputs)))
    model = keras.Model(inputs, outputs)
    with pytest.raises(tfc.TfCompressError, match="counts as softmax, and its values do not add up to 1"):
        tfc.Distillation(keras.models.clone_model(model)).wrap(model)


@pytest.mark.parametrize("loss", ["mse", keras.losses.Huber(), keras.losses.mean_absolute_error])
def test_what_trains_as_a_regression_is_not_softened(loss: object) -> None:
    def two(seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((5,))
        outputs = {"box": L.Dense(4, name="box")(inputs), "label": L.Dense(3, activation="softmax")(inputs)}
        return keras.Model(inputs, outputs)

    losses = {"box": loss, "label": "sparse_categorical_crossentropy"}
    learning = tfc.Distillation(two(0)).wrap(two(1))
    with pytest.raises(tfc.TfCompressError, match=r"'box' .*loss for regression.*LogitRegression\(output='box'\)"):
        learning.compile("sgd", losses)
    objectives = [tfc.LogitRegression(output="box"), tfc.SoftTargets(output="label")]
    tfc.Distillation(two(0), objectives).wrap(two(1)).compile("sgd", losses)
    tfc.Distillation(two(0), outputs={"box": "logits"}).wrap(two(1)).compile("sgd", losses)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_probabilities_in_half_precision_are_warned_of(dtype: str) -> None:
    def model(own: str | None) -> keras.Model:
        inputs = keras.Input((4,))
        return keras.Model(inputs, L.Softmax(dtype=own)(L.Dense(3, dtype=own)(inputs)), name="half" if own else "full")

    with pytest.warns(tfc.errors.TfCompressWarning, match="in half precision in the student 'half', .*float32"):
        tfc.Distillation(model(None)).wrap(model(dtype))
    with pytest.warns(tfc.errors.TfCompressWarning, match=r"in half precision in the teacher full \+ half,"):
        tfc.Distillation([model(None), model(dtype)]).wrap(model(None))


def test_inputs_that_cannot_be_made_up_are_no_obstacle() -> None:
    texts = keras.Input((2,), dtype="string")
    model = keras.Model(texts, L.Dense(3)(_Numbers()(texts)))
    tfc.Distillation(keras.models.clone_model(model)).wrap(model)
    pixels = keras.Input((4,))
    model = keras.Model(pixels, L.Dense(3, activation=_hidden)(_FromZero()(pixels)))
    tfc.Distillation(keras.models.clone_model(model)).wrap(model)


@keras.saving.register_keras_serializable("tests")
class _FromZero(L.Layer):
    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if not keras.utils.is_keras_tensor(inputs) and tf.executing_eagerly():
            raise RuntimeError("pixels are from 0")
        return inputs


@keras.saving.register_keras_serializable("tests")
class _Numbers(L.Layer):
    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.strings.to_number(inputs)


@pytest.mark.parametrize(
    ("activation", "loss", "text"),
    [
        (None, "sparse_categorical_crossentropy", "counts as logits, and the loss .* takes probabilities"),
        (None, keras.losses.CategoricalCrossentropy(), "takes probabilities"),
        (None, {"head": keras.losses.sparse_categorical_crossentropy}, "takes probabilities"),
        ("softmax", keras.losses.CategoricalCrossentropy(from_logits=True), "counts as softmax, .* takes logits"),
        ("sigmoid", [keras.losses.BinaryCrossentropy(from_logits=True)], "counts as sigmoid, .* takes logits"),
        (None, keras.losses.BinaryCrossentropy(from_logits=True), 'independent labels. Say outputs="sigmoid_logits"'),
    ],
)
def test_a_loss_that_takes_something_else_is_refused(activation: object, loss: object, text: str) -> None:
    learning = tfc.Distillation(_model(activation)).wrap(_model(activation, seed=1))
    with pytest.raises(tfc.TfCompressError, match=text):
        learning.compile("sgd", loss)


@pytest.mark.parametrize(
    ("activation", "loss"),
    [
        (None, keras.losses.CategoricalCrossentropy(from_logits=True)),
        (None, None),
        (None, lambda true, predicted: keras.ops.mean(predicted)),
        ("softmax", "sparse_categorical_crossentropy"),
        ("sigmoid", "binary_crossentropy"),
    ],
)
def test_a_loss_that_takes_the_same_is_taken(activation: object, loss: object) -> None:
    tfc.Distillation(_model(activation)).wrap(_model(activation, seed=1)).compile("sgd", loss)


@pytest.mark.parametrize("units", [1, 3])
def test_values_that_are_compared_as_they_are_may_be_logits_of_independent_labels(units: int) -> None:
    learning = tfc.Distillation(_model(None, units), [tfc.LogitRegression()]).wrap(_model(None, units, seed=1))
    learning.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("several", [False, True])
def test_logits_of_independent_labels_are_taught_as_two_classes_each(units: int, several: bool) -> None:
    teacher, student = _model(None, units), _model(None, units, seed=1)
    inputs = np.eye(4, dtype="float32")
    p, q = (tf.sigmoid(model(inputs)).numpy().astype("float64") for model in (teacher, student))
    each = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    hard = float(keras.losses.BinaryCrossentropy(from_logits=True)(np.ones((4, units)), student(inputs)))
    sources = [teacher, teacher] if several else teacher
    kind = {"head": "sigmoid_logits"} if several else "sigmoid_logits"
    learning = tfc.Distillation(sources, [tfc.SoftTargets(temperature=1.0)], 0.5, outputs=kind).wrap(student)
    learning.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=False)
    logs = learning.fit(inputs, np.ones((4, units)), verbose=0).history
    assert logs["soft_targets"] == pytest.approx([float(each.mean())], rel=1e-4)
    assert logs["loss"] == pytest.approx([0.5 * float(each.mean()) + 0.5 * hard], rel=1e-4)


def test_kinds_may_be_said_for_single_outputs() -> None:
    def two(seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((4,))
        return keras.Model(inputs, [L.Dense(3, name="tags")(inputs), L.Dense(3, name="kind")(inputs)])

    distillation = tfc.Distillation(two(0), outputs={"tags": "sigmoid_logits"})
    learning = distillation.wrap(two(1))
    assert [(term.name, term.kind.value) for term in learning.plan.terms] == [
        ("tags", "sigmoid_logits"),
        ("kind", "logits"),
    ]
    file = tfc.Distillation("a.keras", outputs={"tags": "sigmoid_logits"})
    assert tfc.Recipe.from_toml(tfc.Recipe([file]).to_toml()) == tfc.Recipe([file])
    with pytest.raises(tfc.TfCompressError, match=r"no output 'tag'\. Did you mean 'tags'"):
        tfc.Distillation(two(0), outputs={"tag": "sigmoid_logits"}).wrap(two(1))
    with pytest.raises(tfc.TfCompressError, match=r"outputs\['tags'\] is 'sigmoids'"):
        tfc.Distillation(two(0), outputs={"tags": "sigmoids"})
