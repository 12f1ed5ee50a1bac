import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tests import zoo
from tfcompress.techniques.kernels import kernels_of
from tfcompress.techniques.technique import Property, Technique
from tfcompress.transforms.magnitude_mask import MagnitudeMask
from tfcompress.transforms.wrapper import Transformed

SCHEDULE = {
    "type": "PolynomialDecay",
    "initial_sparsity": 0.1,
    "final_sparsity": 0.5,
    "begin_step": 0,
    "end_step": 8,
    "frequency": 1,
}
TECHNIQUES: dict[str, Technique] = {
    "MagnitudePruning": tfc.MagnitudePruning(schedule=SCHEDULE),
    "WeightClustering": tfc.WeightClustering(clusters=6),
    "WeightClustering-refreshed": tfc.WeightClustering(clusters=6, sharing="Refreshed"),
    "QuantizationAware": tfc.QuantizationAware(freeze_batch_norm_after=3),
    "QuantizationAware-learned": tfc.QuantizationAware(bits=4, activations="Learned", gradients=8),
    "Together": tfc.Together(
        [tfc.MagnitudePruning(schedule=SCHEDULE), tfc.WeightClustering(clusters=6), tfc.QuantizationAware()]
    ),
}
BATCHES = 8  # of one `_fit`

MAIN = [name for name in TECHNIQUES if "-" not in name]
every_technique = pytest.mark.parametrize("technique", [TECHNIQUES[name] for name in MAIN], ids=MAIN)
pytestmark = pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")


@pytest.fixture
def policy(request: pytest.FixtureRequest) -> Iterator[str]:
    """The dtype policy of the whole process, as users set it."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param.removeprefix("mixed_")
    keras.config.set_dtype_policy(before)


def _model() -> keras.Model:
    keras.utils.set_random_seed(0)
    return zoo.make("conv_batch_norm_relu")


def _data() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.normal(size=(16, 8, 8, 3)).astype("float32"), np.arange(16) % 3


def _fit(model: keras.Model, **settings: object) -> keras.Model:
    # The same order of batches in each training, so that two trainings can be compared.
    if not model.compiled:
        accumulation = settings.pop("gradient_accumulation_steps", None)
        optimizer = keras.optimizers.SGD(0.05, momentum=0.9, gradient_accumulation_steps=accumulation)
        # Without XLA unless it is the point: its compilation takes seconds for each model.
        model.compile(optimizer, "sparse_categorical_crossentropy", **{"jit_compile": False, **settings})
    images, labels = _data()
    model.fit(images, labels, batch_size=2, epochs=1, shuffle=False, verbose=0)
    return model


def _close(one: keras.Model, other: keras.Model, tolerance: float = 0.0) -> None:
    for first, second in zip(one.weights, other.weights, strict=True):
        np.testing.assert_allclose(first.numpy(), second.numpy(), atol=tolerance, err_msg=first.path)


def _steps(model: keras.Model) -> set[int]:
    """The steps that scheduled masks have counted."""
    stacks = [stack for layer in model.layers if isinstance(layer, Transformed) for stack in layer.stacks.values()]
    return {int(item.steps.numpy()) for stack in stacks for item in stack if isinstance(item, MagnitudeMask)}


def _check_established(plain: keras.Model, technique: Technique) -> None:
    kernels = [kernel.variable.numpy() for kernel in kernels_of(plain)]
    if Property.SPARSITY in technique.establishes:
        assert [float((kernel == 0).mean()) for kernel in kernels] == [0.5] * len(kernels)
    if Property.CLUSTERS in technique.establishes:
        inside = [tuple(range(kernel.ndim - 1)) for kernel in kernels]
        grids = [w / np.abs(w).max(axis=axes) * 127 for w, axes in zip(kernels, inside, strict=True)]
        values = [min(len(np.unique(w)), len(np.unique(g.round(2)))) for w, g in zip(kernels, grids, strict=True)]
        assert max(values) <= 6


@every_technique
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"], indirect=True)
def test_trains_under_a_mixed_precision_policy(technique: Technique, policy: str) -> None:
    model = _model()
    wrapped = _fit(technique.wrap(model))
    assert {keras.backend.standardize_dtype(kernel.variable.dtype) for kernel in kernels_of(model)} == {"float32"}
    assert all(np.isfinite(weight.numpy()).all() for weight in wrapped.weights)
    images, _ = _data()
    answers = wrapped(images, training=False)
    plain = tfc.strip(wrapped)
    for trained, before in zip(kernels_of(plain), kernels_of(tfc.strip(technique.wrap(model))), strict=True):
        assert not np.array_equal(trained.variable.numpy(), before.variable.numpy())
    stripped = plain(images, training=False)
    assert keras.backend.standardize_dtype(answers.dtype) == policy
    assert keras.backend.standardize_dtype(stripped.dtype) == policy
    np.testing.assert_array_equal(keras.ops.cast(stripped, "float32"), keras.ops.cast(answers, "float32"))
    _check_established(plain, technique)


@every_technique
@pytest.mark.parametrize("setting", [pytest.param("jit_compile", marks=pytest.mark.slow), "run_eagerly"])
def test_trains_the_same_compiled_by_xla_and_step_by_step(technique: Technique, setting: str) -> None:
    wrapped = _fit(technique.wrap(_model()), **{setting: True})
    assert getattr(wrapped, setting)
    _close(wrapped, _fit(technique.wrap(_model())), tolerance=1e-5)
    _check_established(tfc.strip(wrapped), technique)


@every_technique
def test_each_batch_counts_as_a_step_where_gradients_are_accumulated(technique: Technique) -> None:
    wrapped = _fit(technique.wrap(_model()), gradient_accumulation_steps=2)
    assert int(wrapped.optimizer.iterations) == BATCHES // 2  # Keras counts updates
    if Property.SPARSITY in technique.establishes:
        assert _steps(wrapped) == {BATCHES}
    _check_established(tfc.strip(wrapped), technique)


def test_accumulated_gradients_of_two_batches_are_those_of_both() -> None:
    clustering = TECHNIQUES["WeightClustering"]
    images, labels = _data()
    results = []
    for accumulation, size in ((2, 4), (None, 8)):
        model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
        keras.utils.set_random_seed(1)
        model.layers[-1].kernel.assign(np.random.default_rng(2).normal(size=(192, 3)))
        wrapped = clustering.wrap(model)
        optimizer = keras.optimizers.SGD(0.01, gradient_accumulation_steps=accumulation)
        wrapped.compile(optimizer, "mse", jit_compile=False)
        wrapped.fit(images, keras.utils.to_categorical(labels, 3), batch_size=size, shuffle=False, verbose=0)
        results.append(wrapped)
    # The centroids move by more than 1; a processor's order of adding leaves 2e-6, a batch left out 0.02 and more.
    _close(*results, tolerance=1e-5)


@every_technique
def test_a_clone_made_by_keras_computes_and_trains_as_the_wrapped_model(technique: Technique) -> None:
    wrapped = _fit(technique.wrap(_model()))
    clone = keras.models.clone_model(wrapped)
    assert [type(layer) for layer in clone.layers] == [type(layer) for layer in wrapped.layers]
    assert [item.name for item in clone.trainable_weights] == [item.name for item in wrapped.trainable_weights]
    clone.set_weights(wrapped.get_weights())
    images, _ = _data()
    np.testing.assert_array_equal(clone(images), wrapped(images))
    for model in (wrapped, clone):
        model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
        _fit(model)
    _close(clone, wrapped)
    _check_established(tfc.strip(clone), technique)


GO_ON = """
import sys
import keras
import tfcompress
model = keras.saving.load_model(sys.argv[1])
import numpy as np
data = np.load(sys.argv[2])
model.fit(data["x"], data["y"], batch_size=2, epochs=1, shuffle=False, verbose=0)
model.save(sys.argv[3])
"""


@pytest.mark.slow
def test_another_process_goes_on_from_a_file_saved_in_mid_training(tmp_path: Path) -> None:
    wrapped = _fit(_all_in_one())
    wrapped.save(tmp_path / "middle.keras")
    images, labels = _data()
    np.savez(tmp_path / "data.npz", x=images, y=labels)
    files = [str(tmp_path / name) for name in ("middle.keras", "data.npz", "end.keras")]
    done = subprocess.run([sys.executable, "-c", GO_ON, *files], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    _close(keras.saving.load_model(tmp_path / "end.keras"), _fit(wrapped), tolerance=1e-7)


def test_load_knows_wrapped_models_whichever_was_imported_first(tmp_path: Path) -> None:
    TECHNIQUES["MagnitudePruning"].wrap(zoo.make("dense")).save(tmp_path / "middle.keras")
    script = "import sys, tfcompress; print(type(tfcompress.load(sys.argv[1]).layers[1]).__name__)"
    command = [sys.executable, "-c", script, str(tmp_path / "middle.keras")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "Transformed", done.stderr[-3000:]


def _all_in_one() -> keras.Model:
    """A model in which each kind of transform is at work, so that one process shows for all that they load."""
    image = keras.Input((8, 8, 3), name="image")
    features = image
    for number, technique in enumerate(TECHNIQUES.values()):
        block = keras.Sequential(
            [
                keras.Input((8, 8, 3)),
                keras.layers.Conv2D(3, 3, padding="same", name=f"conv{number}"),
                keras.layers.BatchNormalization(name=f"norm{number}"),
            ],
            name=f"block{number}",
        )
        features = technique.wrap(block)(features)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    return keras.Model(image, keras.layers.Dense(3, activation="softmax")(pooled))
