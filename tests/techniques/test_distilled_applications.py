"""Every objective between MobileNets, and a recipe that goes on to pruning, QAT and an int8 file."""

from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.teaching.objectives import OBJECTIVES

IMAGES = np.random.default_rng(0).random((8, 96, 96, 3), "float32")
LABELS = np.arange(8) % 5

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")]


def _mobilenet(alpha: float) -> keras.Model:
    keras.utils.set_random_seed(int(100 * alpha))
    return keras.applications.MobileNetV2((96, 96, 3), alpha, weights=None, classes=5, name=f"mobilenet_{alpha:g}")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("teacher") / "teacher.keras"
    _mobilenet(1.0).save(path)
    return path


def _fit(model: keras.Model, callbacks: list[keras.callbacks.Callback] | None = None) -> None:
    # Step by step: making a graph of two MobileNets and their gradients takes longer than the few steps.
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", run_eagerly=True)
    model.fit(IMAGES, LABELS, batch_size=4, epochs=1, verbose=0, callbacks=callbacks or [])


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - {"WordLevel"}))
def test_each_objective_trains_a_small_mobilenet_from_a_large_one(name: str, teacher: Path) -> None:
    student = _mobilenet(0.35)
    learning = tfc.Distillation(str(teacher), [name], alpha=0.5).wrap(student)
    _fit(learning)
    assert np.isfinite(list(learning.history.history.values())).all()
    trained = tfc.strip(learning)
    changed = [
        not np.array_equal(old, new) for old, new in zip(student.get_weights(), trained.get_weights(), strict=True)
    ]
    assert sum(changed) > 0.9 * len(changed)


def test_one_recipe_leads_from_hints_through_pruning_and_qat_to_an_int8_file(teacher: Path, tmp_path: Path) -> None:
    source = str(teacher)
    everything = [name for name in OBJECTIVES if name not in ("WordLevel", "Hints")]
    recipe = tfc.Recipe(
        [
            tfc.Distillation(source, ["Hints"], alpha=1.0),
            tfc.Distillation(source, everything, during=tfc.MagnitudePruning(sparsity=0.5)),
            tfc.Distillation(source, ["SoftTargets"], during=tfc.QuantizationAware()),
        ]
    )
    recipe.save(tmp_path / "recipe.toml")
    result = tfc.compress(_mobilenet(0.35), tfc.Recipe.load(tmp_path / "recipe.toml"), _fit, tmp_path / "run")
    card = tfc.convert(result.model, tmp_path / "student.tflite", representative=IMAGES)
    assert {tensor["type"] for tensor in card.tensors if tensor["kernel"]} == {"int8"}
    assert result.steps[-1].card.sparsity > 0.45


def test_a_student_made_from_the_teacher_learns_from_it(teacher: Path) -> None:
    student = tfc.student(tfc.load(teacher), width=0.5, depth=0.5)
    assert student.count_params() < 0.4 * _mobilenet(1.0).count_params()
    _fit(tfc.Distillation(str(teacher), ["SoftTargets", "AttentionTransfer"]).wrap(student))
