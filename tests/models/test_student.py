import keras
import numpy as np
import pytest

import tfcompress as tfc
from tests import zoo

L = keras.layers


def _residual(tensor: keras.KerasTensor, filters: int, name: str, *, strides: int = 1) -> keras.KerasTensor:
    inner = L.Conv2D(filters, 3, strides, padding="same", use_bias=False, name=f"{name}_a")(tensor)
    inner = L.ReLU(name=f"{name}_relu")(L.BatchNormalization(name=f"{name}_norm")(inner))
    inner = L.Conv2D(filters, 3, padding="same", name=f"{name}_b")(inner)
    if strides > 1:
        tensor = L.Conv2D(filters, 1, strides, name=f"{name}_shortcut")(tensor)
    return L.Add(name=f"{name}_add")([tensor, inner])


def _resnet() -> keras.Model:
    image = tensor = keras.Input((16, 16, 3))
    tensor = L.Conv2D(16, 3, padding="same", name="stem")(tensor)
    for stage, filters in enumerate((16, 32)):
        for block in range(4):
            tensor = _residual(tensor, filters, f"s{stage}b{block}", strides=2 if stage and not block else 1)
    return keras.Model(image, L.Dense(5, name="head")(L.GlobalAveragePooling2D()(tensor)), name="resnet")


def names(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers if layer.weights and not layer.name.endswith("norm")]


def test_half_of_each_run_of_residual_blocks_goes_and_half_of_the_channels() -> None:
    teacher = _resnet()
    student = tfc.student(teacher, width=0.5, depth=0.5)
    # Four blocks alike in the first stage; in the second three, after the one that halves the size: 1.5, rounded to 2.
    first = [f"s0b{block}_{part}" for block in (0, 1) for part in "ab"]
    second = ["s1b0_a", "s1b0_b", "s1b0_shortcut", *(f"s1b{block}_{part}" for block in (1, 2) for part in "ab")]
    assert sorted(names(student)) == sorted(["stem", *first, *second, "head"])
    assert [student.get_layer(name).filters for name in ("stem", "s0b1_a", "s1b0_b")] == [8, 8, 16]
    assert student.output_shape == teacher.output_shape
    images = np.ones((2, 16, 16, 3), "float32")
    assert student(images).shape == (2, 5)


def test_the_teacher_stays_and_the_student_learned_nothing() -> None:
    teacher = _resnet()
    before = teacher.get_weights()
    student = tfc.student(teacher, width=1.0, depth=0.75)
    assert all(np.array_equal(old, new) for old, new in zip(before, teacher.get_weights(), strict=True))
    assert not np.array_equal(student.get_layer("stem").kernel, teacher.get_layer("stem").kernel)
    assert len(student.layers) < len(teacher.layers)


def test_convolutions_of_a_plain_network_repeat_with_their_norm_and_activation() -> None:
    layers: list[keras.Layer] = [keras.Input((16, 16, 3))]
    for stage, filters in enumerate((16, 32)):
        for block in range(3):
            layers += [
                L.Conv2D(filters, 3, padding="same", name=f"conv{stage}{block}"),
                L.BatchNormalization(),
                L.ReLU(),
            ]
        layers.append(L.MaxPooling2D())
    model = keras.Sequential([*layers, L.Flatten(), L.Dense(4, name="head")])
    # The first of each stage reads other channels; of the two that are alike one goes.
    student = tfc.student(model, width=1.0, depth=0.5)
    convolutions = [layer.name for layer in student.layers if isinstance(layer, L.Conv2D)]
    assert convolutions == ["conv00", "conv01", "conv10", "conv11"]
    assert len([layer for layer in student.layers if isinstance(layer, L.BatchNormalization)]) == 4


def test_blocks_inside_a_nested_model_are_found() -> None:
    inner = keras.Sequential(
        [keras.Input((8,)), *(L.Dense(8, name=f"block{number}") for number in range(4))], name="in"
    )
    inputs = keras.Input((8,))
    student = tfc.student(keras.Model(inputs, L.Dense(2, name="head")(inner(inputs))), width=1.0)
    assert names(student) == ["block0", "block1", "head"]


def test_blocks_that_differ_in_a_setting_are_not_repeated() -> None:
    layers = [L.Dense(8, activation=activation) for activation in ("relu", "tanh", "relu", "gelu")]
    model = keras.Sequential([keras.Input((8,)), *layers, L.Dense(2)])
    with pytest.warns(tfc.errors.TfCompressWarning, match="no repeated blocks"):
        student = tfc.student(model, width=1.0, depth=0.5)
    assert len(student.layers) == len(model.layers)


def test_a_layer_that_is_shared_stays() -> None:
    dense = L.Dense(8)
    inputs = keras.Input((8,))
    model = keras.Model(inputs, L.Dense(2)(dense(dense(dense(inputs)))))
    with pytest.warns(tfc.errors.TfCompressWarning, match="no repeated blocks"):
        tfc.student(model, width=1.0, depth=0.5)


@keras.saving.register_keras_serializable("test_student")
class Mixing(L.Layer):
    """Adds a table of its own to all features, so that which channel is which cannot be followed through it."""

    def build(self, shape: tuple) -> None:
        self.table = self.add_weight(shape=(shape[-1],))

    def call(self, inputs: object) -> object:
        return inputs + self.table  # type: ignore[operator]


def test_depth_alone_works_where_no_channel_can_be_left_out() -> None:
    model = keras.Sequential([keras.Input((8,)), *(Mixing(name=f"mix{number}") for number in range(4))], name="mixed")
    with pytest.warns(tfc.errors.TfCompressWarning, match="'mixed' has no channels.*so its width stays"):
        student = tfc.student(model, width=0.5, depth=0.5)
    assert names(student) == ["mix0", "mix1"]
    with (
        pytest.warns(tfc.errors.TfCompressWarning, match="no repeated blocks"),
        pytest.raises(tfc.TfCompressError, match="has no channels that can be left out"),
    ):
        tfc.student(keras.Sequential([keras.Input((8,)), Mixing()]))


@pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")
# Channels on a symmetry group are not followed, so that model has nothing to leave out.
@pytest.mark.parametrize("name", sorted(set(zoo.ZOO) - {"group_convolution"}))
def test_a_student_of_each_model_of_the_zoo_takes_and_gives_the_same_shapes(name: str) -> None:
    teacher = zoo.make(name)
    student = tfc.student(teacher, width=0.5, depth=0.5, round_to=1)
    shapes = [
        keras.tree.map_structure(lambda output: tuple(output.shape), model(zoo.samples(teacher)))
        for model in (teacher, student)
    ]
    assert shapes[0] == shapes[1]
    assert student.count_params() <= teacher.count_params()


@pytest.mark.parametrize("settings", [{"width": 0}, {"depth": 1.5}, {"depth": "half"}, {"width": True}])
def test_shares_out_of_range_are_refused(settings: dict) -> None:
    with pytest.raises(tfc.TfCompressError, match="must be a share"):
        tfc.student(_resnet(), **settings)
