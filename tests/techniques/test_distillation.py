import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tests import zoo
from tfcompress.models.surgery import layers_of
from tfcompress.teaching.distilled import is_distilled
from tfcompress.techniques.kernels import kernels_of
from tfcompress.techniques.technique import Property
from tfcompress.transforms.wrapper import Transformed

L = keras.layers
GENERATOR = np.random.default_rng(0)
IMAGES, LABELS = GENERATOR.normal(size=(16, 8, 8, 3)).astype("float32"), np.arange(16) % 3


def _model(name: str = "conv_batch_norm_relu") -> keras.Model:
    return zoo.make(name)


def _train(model: keras.Model, callbacks: list[keras.callbacks.Callback] | None = None) -> keras.Model:
    if not model.compiled:
        model.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy", jit_compile=False)
    model.fit(IMAGES, LABELS, batch_size=4, shuffle=False, verbose=0, callbacks=callbacks or [])
    return model


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    keras.utils.set_random_seed(9)
    inputs = keras.Input((8, 8, 3))
    features = L.Conv2D(12, 3, activation="relu", name="wide")(inputs)
    outputs = L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(features))
    keras.Model(inputs, outputs, name="teacher").save(tmp_path / "teacher.keras")
    return tmp_path / "teacher.keras"


def test_strip_gives_the_plain_student(teacher: Path) -> None:
    distillation = tfc.Distillation(str(teacher), ["SoftTargets", "Hints"])
    model = _model()
    learning = _train(distillation.wrap(model))
    assert is_distilled(learning)
    assert len(learning.regressors) == 1
    plain = tfc.strip(learning)
    assert type(plain) is type(model)
    assert [layer.name for layer in plain.layers] == [layer.name for layer in model.layers]
    np.testing.assert_allclose(plain(IMAGES), learning(IMAGES), rtol=1e-6)


def test_the_teacher_is_never_changed(teacher: Path) -> None:
    model = keras.saving.load_model(teacher)
    before = [variable.numpy() for variable in model.variables]
    _train(tfc.Distillation(model, ["SoftTargets", "Hints"]).wrap(_model()))
    assert model.trainable
    assert not model.compiled
    assert all(np.array_equal(old, new.numpy()) for old, new in zip(before, model.variables, strict=True))


def test_a_file_teaches_as_the_model_in_it_does(teacher: Path) -> None:
    trained = [
        _train(tfc.Distillation(source).wrap(_model())) for source in (teacher, keras.saving.load_model(teacher))
    ]
    for one, other in zip(*[model.weights for model in trained], strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_cached_logits_teach_as_the_model_does_also_shuffled(teacher: Path, tmp_path: Path) -> None:
    tfc.cache_logits(teacher, IMAGES, tmp_path / "teacher.logits")
    trained = []
    for source in (teacher, tmp_path / "teacher.logits"):
        learning = tfc.Distillation(source, alpha=1.0).wrap(_model())
        keras.utils.set_random_seed(3)
        learning.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy", jit_compile=False)
        learning.fit(IMAGES, LABELS, batch_size=4, epochs=2, shuffle=True, verbose=0)
        trained.append(learning)
    for one, other in zip(*[model.weights for model in trained], strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6)


def test_other_data_than_were_cached_are_an_error_of_ours(teacher: Path, tmp_path: Path) -> None:
    tfc.cache_logits(teacher, IMAGES, tmp_path / "teacher.logits")
    learning = tfc.Distillation(tmp_path / "teacher.logits").wrap(_model())
    learning.compile("sgd", "sparse_categorical_crossentropy")
    assert not learning.jit_compile  # XLA cannot read the file
    with pytest.raises(tfc.TfCompressError, match=r"4 of the 4 samples of a batch are not in .*teacher\.logits"):
        learning.fit(IMAGES + 1, LABELS, batch_size=4, verbose=0)
    learning.fit(IMAGES, LABELS, batch_size=4, validation_data=(IMAGES + 1, LABELS), verbose=0)


@pytest.mark.parametrize("several", [False, True])
def test_they_are_one_in_an_ensemble_and_on_single_batches_too(teacher: Path, tmp_path: Path, several: bool) -> None:
    cache = tfc.cache_logits(teacher, IMAGES, tmp_path / "teacher.logits")
    learning = tfc.Distillation([teacher, cache] if several else cache).wrap(_model())
    learning.compile("sgd", "sparse_categorical_crossentropy")
    text = r"4 of the 4 samples of a batch are not in .*teacher\.logits"
    with pytest.raises(tfc.TfCompressError, match=text):
        learning.fit(IMAGES + 1, LABELS, batch_size=4, verbose=0)
    with pytest.raises(tfc.TfCompressError, match=text):
        learning.train_on_batch(IMAGES[:4] + 1, LABELS[:4])
    learning.train_on_batch(IMAGES[:4], LABELS[:4])


@pytest.mark.parametrize(
    ("during", "bits"),
    [(tfc.QuantizationAware(bits=4), 4), (tfc.MagnitudePruning(sparsity=0.6), None)],
    ids=["quantization", "pruning"],
)
def test_a_teacher_helps_while_weights_are_compressed(teacher: Path, during: object, bits: int | None) -> None:
    distillation = tfc.Distillation(str(teacher), during=during)  # type: ignore[arg-type]
    learning = distillation.wrap(_model())
    assert any(isinstance(layer, Transformed) for layer in layers_of(learning))
    plain = distillation.strip(_train(learning))
    kernel = next(kernels_of(plain)).variable.numpy()
    if bits:
        integers = kernel / np.abs(kernel).max(axis=(0, 1, 2)) * 7
        np.testing.assert_allclose(integers, np.round(integers), atol=1e-4)
    else:
        assert float((kernel == 0).mean()) == pytest.approx(0.6, abs=0.01)
    np.testing.assert_allclose(plain(IMAGES), learning(IMAGES), atol=1e-5)


def test_without_a_teacher_the_model_as_it_was_teaches() -> None:
    model = _model()
    learning = tfc.Distillation(during=tfc.MagnitudePruning(sparsity=0.9)).wrap(model)
    assert learning.teachers == [model]
    logs = _train(learning).history.history  # type: ignore[attr-defined]
    assert logs["soft_targets"][0] > 1e-4


def test_a_model_that_learns_from_itself_as_it_is_is_warned_of() -> None:
    with pytest.warns(tfc.errors.TfCompressWarning, match="neither a teacher nor a technique"):
        tfc.Distillation().wrap(_model())


def test_alone_it_keeps_the_zeros_and_clusters_of_earlier_steps() -> None:
    pruned = tfc.strip(tfc.MagnitudePruning(sparsity=0.5).wrap(_model()))
    trained = tfc.strip(_train(tfc.Distillation(_model(), alpha=0.5).wrap(pruned)))
    before, after = (next(kernels_of(model)).variable.numpy() for model in (pruned, trained))
    np.testing.assert_array_equal(before == 0, after == 0)
    assert not np.array_equal(before, after)
    with pytest.raises(tfc.TfCompressError, match="would undo the ranges"):
        tfc.Recipe([tfc.QuantizationAware(), tfc.Distillation()])
    tfc.Recipe([tfc.MagnitudePruning(), tfc.Distillation(during=tfc.QuantizationAware())])


def test_what_is_established_is_what_happens_during() -> None:
    assert tfc.Distillation().establishes == frozenset()
    assert tfc.Distillation(during=tfc.QuantizationAware()).establishes == {Property.RANGES}
    conflict = tfc.Distillation(during=tfc.MagnitudePruning(sparsity=0.3)).conflict(tfc.MagnitudePruning(sparsity=0.6))
    assert "Raise it" in str(conflict)


FULL = tfc.Distillation(
    ["a.keras", "b.logits"],
    [
        tfc.SoftTargets(temperature=20.0, weight=tfc.Linear(4.0, 1.0, 500), output="a rather long name of an output"),
        tfc.Hints(layers={"a long name of a layer": "another long name of a layer"}, steps=100),
        tfc.AttentionTransfer(layers={"a long name of a layer": "another long name of a layer"}, power=1.0),
        tfc.Custom("mae"),
    ],
    alpha=0.7,
    during=tfc.MagnitudePruning(sparsity=0.8, layers={"head": 0.1}),
    outputs="logits",
)


def test_all_settings_survive_toml() -> None:
    recipe = tfc.Recipe([FULL, tfc.QuantizationAware()])
    assert tfc.Recipe.from_toml(recipe.to_toml()) == recipe
    assert FULL.reads == (Path("a.keras"), Path("b.logits"))


def test_compress_goes_on_where_it_was_and_reads_the_teachers_file(teacher: Path, tmp_path: Path) -> None:
    recipe = tfc.Recipe(
        [
            tfc.Distillation(teacher, [tfc.Hints()], alpha=1.0),
            tfc.Distillation(teacher, during=tfc.MagnitudePruning(sparsity=0.5)),
            tfc.Distillation(teacher, during=tfc.QuantizationAware()),
        ]
    )
    recipe.save(tmp_path / "recipe.toml")
    recipe = tfc.Recipe.load(tmp_path / "recipe.toml")
    first = tfc.compress(_model(), recipe, _train, tmp_path / "run")
    again = tfc.compress(_model(), recipe, _train, tmp_path / "run")
    assert [step.resumed for step in again.steps] == [True, True, True]
    assert first.steps[-1].card.sparsity >= 0.49
    other = keras.saving.load_model(teacher)
    other.layers[-1].bias.assign([1.0, 2.0, 3.0])
    other.save(teacher)
    changed = tfc.compress(_model(), recipe, _train, tmp_path / "run")
    assert [step.resumed for step in changed.steps] == [False, False, False]
    teacher.unlink()
    with pytest.raises(tfc.TfCompressError, match=r"reads .*teacher\.keras, and there is no such file"):
        tfc.compress(_model(), recipe, _train, tmp_path / "run")


@pytest.mark.parametrize("as_model", [True, False])
def test_a_model_saved_in_mid_training_goes_on_with_its_teacher(teacher: Path, tmp_path: Path, as_model: bool) -> None:
    source = keras.saving.load_model(teacher) if as_model else str(teacher)
    objectives = [tfc.Hints(steps=6), tfc.SoftTargets(weight=tfc.Linear(1.0, 3.0, 10))]
    learning = _train(tfc.Distillation(source, objectives).wrap(_model()))
    learning.save(tmp_path / "middle.keras")
    loaded = tfc.load(tmp_path / "middle.keras")
    assert is_distilled(loaded)
    for one in (learning, loaded):
        _train(one)
    for one, other in zip(learning.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_it_trains_under_a_mixed_precision_policy(policy: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        teacher, student = _model("residual_add"), _model("conv_then_relu")
        objectives = [tfc.SoftTargets(), tfc.Hints(), tfc.SimilarityPreserving()]
        with pytest.warns(tfc.errors.TfCompressWarning, match="half precision"):
            learning = _train(tfc.Distillation(teacher, objectives).wrap(student))
        assert all(np.isfinite(weight.numpy()).all() for weight in learning.weights)
        assert np.isfinite(list(learning.history.history.values())).all()
    finally:
        keras.config.set_dtype_policy(before)


REPLICAS = """
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import tfcompress as tfc

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
generator = np.random.default_rng(0)
x, y = generator.normal(size=(32, 6)).astype("float32"), np.arange(32) % 3

def model(units):
    keras.utils.set_random_seed(units)
    hidden = keras.layers.Dense(units, activation="relu", name="hidden")
    return keras.Sequential([keras.Input((6,)), hidden, keras.layers.Dense(3, activation="softmax")])

def trained(scope):
    teacher = model(9)
    with scope:
        learning = tfc.Distillation(teacher, [tfc.SoftTargets(), tfc.Hints(steps=2)], alpha=0.5).wrap(model(4))
        learning.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", jit_compile=False)
    history = learning.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history
    return learning.get_weights(), history

import contextlib
(one, logs), (other, same) = trained(contextlib.nullcontext()), trained(strategy.scope())
assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(one, other)), [np.abs(a - b).max() for a, b in zip(one, other)]
assert np.allclose(logs["loss"], same["loss"], rtol=1e-4), (logs, same)
print("the same")
"""


def test_two_replicas_train_as_one_does(tmp_path: Path) -> None:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-W", "ignore", "-c", REPLICAS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.stdout.strip().endswith("the same"), done.stderr[-3000:]


def _dense(units: int, activation: str | None = "softmax", inputs: int = 6) -> keras.Model:
    return keras.Sequential([keras.Input((inputs,)), L.Dense(units, activation=activation, name="head")], name="it")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: tfc.Distillation(objectives=[]), "needs an objective"),
        (lambda: tfc.Distillation([]), "list of teachers is empty"),
        (lambda: tfc.Distillation([None]), "the teacher is None"),
        (lambda: tfc.Distillation(_dense(3), [tfc.Hints(layers={"head": "head"})]).wrap(_dense(3)), "puts out.*SoftT"),
        (lambda: tfc.Distillation(alpha=1.5), r"alpha must be a share in \[0, 1\], not 1.5"),
        (lambda: tfc.Distillation(teacher=3), "the teacher is 3"),
        (lambda: tfc.Distillation(during=tfc.Distillation()), "cannot take Distillation as `during`"),
        (lambda: tfc.Distillation(outputs="probabilities"), "outputs is 'probabilities'"),
        (lambda: tfc.Distillation(_dense(4)).wrap(_dense(3)), r"gives shape \(4,\) and the student 'it' \(3,\)"),
        (
            lambda: tfc.Distillation(_dense(3, None)).wrap(_dense(3)),
            r"gives logits and the student softmax. End both alike, the teacher .*Softmax\(\)\(teacher.outputs\[0\]",
        ),
        (
            lambda: tfc.Distillation(_dense(3)).wrap(_dense(3, None)),
            r"softmax and the student logits. End both alike, the student .*\(student.outputs\[0\]\)\), and compile it",
        ),
        (lambda: tfc.Distillation(_dense(3, inputs=5)).wrap(_dense(3)), r"takes inputs of shape \(5,\)"),
        (lambda: tfc.Distillation(_dense(1, None)).wrap(_dense(1, None)), "fits no output .*LogitRegression"),
        (lambda: tfc.Distillation("no.keras").wrap(_dense(3)), "no.keras does not exist"),
        (lambda: tfc.Distillation("no.logits").wrap(_dense(3)), "no.logits is not a whole file"),
        (lambda: tfc.Distillation([_dense(3), _dense(3)], ["Hints"]).wrap(_dense(3)), "gives outputs only"),
        (lambda: tfc.Recipe([tfc.Distillation(_dense(3))]).to_toml(), "names the teacher's file"),
        (
            lambda: tfc.Recipe([tfc.Distillation(objectives=[lambda student, teacher: student])]).to_toml(),
            "Register the function",
        ),
        (lambda: tfc.Recipe.from_toml('[[step]]\ntechnique = "Distillation"\nteachr = "a"'), "Did you mean 'teacher'"),
        (lambda: tfc.MagnitudePruning().wrap(tfc.Distillation(_dense(3)).wrap(_dense(3))), "is wrapped already"),
    ],
)
def test_what_does_not_fit_is_refused(make: object, text: str) -> None:
    with pytest.raises(tfc.TfCompressError, match=text):
        make()  # type: ignore[operator]


def test_saying_what_both_put_out_lets_a_hidden_softmax_be_taught() -> None:
    class Hidden(L.Layer):
        def call(self, inputs: object) -> object:
            return keras.ops.softmax(inputs)

    inputs = keras.Input((6,))
    student = keras.Model(inputs, Hidden()(L.Dense(3)(inputs)))
    with pytest.raises(tfc.TfCompressError, match='say what both give: outputs="logits", "softmax"'):
        tfc.Distillation(_dense(3)).wrap(student)
    plan = tfc.Distillation(_dense(3), outputs="softmax").wrap(student).plan
    assert "(softmax)" in str(plan)


def test_a_step_of_the_users_own_is_refused() -> None:
    class Own(keras.Model):
        def train_step(self, data: object) -> object:
            return super().train_step(data)

    inputs = keras.Input((6,))
    with pytest.raises(tfc.TfCompressError, match="Own with a train_step of its own"):
        tfc.Distillation().wrap(Own(inputs, L.Dense(3, activation="softmax")(inputs)))


def test_a_subclassed_model_may_teach_outputs() -> None:
    class Subclassed(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="subclassed")
            self.head = L.Dense(3)

        def call(self, inputs: object) -> object:
            return keras.ops.softmax(self.head(inputs))

    teacher = Subclassed()
    samples = np.ones((4, 6), "float32")
    teacher(samples)
    learning = tfc.Distillation(teacher).wrap(_dense(3))
    learning.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    learning.fit(samples, np.zeros(4), verbose=0)
    with pytest.raises(tfc.TfCompressError, match="subclassed"):
        tfc.Distillation(teacher, ["Hints"]).wrap(_model())
    four = tfc.Distillation(teacher).wrap(_dense(4))
    four.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    with pytest.raises(tfc.TfCompressError, match=r"teacher gives shape \(3,\) and the student \(4,\)"):
        four.fit(samples, np.zeros(4), verbose=0)


def test_a_recipe_cannot_name_code_to_be_imported() -> None:
    text = """
[[step]]
technique = "Distillation"

[[step.objectives]]
type = "Custom"

[step.objectives.function]
module = "os"
class_name = "function"
config = "getcwd"
registered_name = "getcwd"
"""
    with pytest.raises(tfc.TfCompressError, match="is no function"):
        tfc.Recipe.from_toml(text)


@pytest.mark.filterwarnings("ignore:.*takes logits:tfcompress.errors.TfCompressWarning")
def test_a_loss_of_keras_distillation_survives_a_file(teacher: Path, tmp_path: Path) -> None:
    loss = keras.distillation.LogitsDistillation(temperature=2.0, loss=keras.losses.KLDivergence())
    tfc.Distillation(str(teacher), [loss]).wrap(_model()).save(tmp_path / "middle.keras")
    loaded = tfc.load(tmp_path / "middle.keras")
    assert _train(loaded).history.history["custom"][0] > 0  # type: ignore[attr-defined]
