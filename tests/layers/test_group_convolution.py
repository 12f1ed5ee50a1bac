"""Convolutions on groups: against the formula in loops, and turned inputs against turned outputs."""

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tfcompress as tfc
from tests.layers.test_symmetry import both, matrix
from tfcompress.errors import UnsupportedLayerError
from tfcompress.layers import P4, P4M, Group, GroupBatchNormalization, GroupConv2D, GroupPooling, LiftingConv2D

L = keras.layers


def by_formula(features: np.ndarray, kernel: np.ndarray, group: Group, orientations: int) -> np.ndarray:
    """out(x, g) = sum over y, h, k of f_k(x + y, h) psi_k(g^-1 y, g^-1 h), in loops, with matrices for the elements."""
    samples, height, width, _ = features.shape
    size, filters = kernel.shape[0], kernel.shape[3]
    half = (size - 1) / 2
    elements = [matrix(element) for element in range(group.order)]
    known = {element.tobytes(): number for number, element in enumerate(elements)}
    features = features.reshape(samples, height, width, -1, orientations)
    kernel = kernel.reshape(size, size, -1, orientations, filters)
    out = np.zeros((samples, height - size + 1, width - size + 1, filters, group.order))
    for g, element in enumerate(elements):
        back = np.round(np.linalg.inv(element)).astype(int)
        for row in range(size):
            for column in range(size):
                x, y = back @ np.array([column - half, half - row])
                source_row, source_column = int(half - y), int(x + half)
                for h in range(orientations):
                    source_h = known[(back @ elements[h]).tobytes()] if orientations > 1 else 0
                    patch = features[:, row : row + out.shape[1], column : column + out.shape[2], :, h]
                    weights = kernel[source_row, source_column, :, source_h]
                    out[..., g] += np.einsum("nijc,cf->nijf", patch, weights)
    return out.reshape(*out.shape[:3], -1)


@both
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_lifting_is_its_formula(group: Group, size: int) -> None:
    image = np.random.default_rng(0).normal(size=(2, 6, 5, 3)).astype("float32")
    layer = LiftingConv2D(4, size, group=group.name, use_bias=False)
    outputs = layer(image)
    np.testing.assert_allclose(outputs, by_formula(image, layer.kernel.numpy(), group, 1), atol=1e-5)


@both
@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_group_convolution_is_its_formula(group: Group, size: int) -> None:
    features = np.random.default_rng(0).normal(size=(2, 5, 4, 2 * group.order)).astype("float32")
    layer = GroupConv2D(3, size, group=group.name, use_bias=False)
    outputs = layer(features)
    np.testing.assert_allclose(outputs, by_formula(features, layer.kernel.numpy(), group, group.order), atol=1e-5)


def test_a_filter_worked_by_hand_is_turned_counter_clockwise() -> None:
    layer = LiftingConv2D(1, 2, use_bias=False)
    layer.build((None, 2, 2, 1))
    layer.set_weights([np.array([1.0, 2.0, 3.0, 4.0]).reshape(2, 2, 1, 1)])
    pixel = np.zeros((1, 2, 2, 1), "float32")
    pixel[0, 0, 0, 0] = 1
    # The weight at the upper left: of 1 2 / 3 4, then of 2 4 / 1 3, of 4 3 / 2 1, of 3 1 / 4 2.
    assert layer(pixel).numpy().reshape(-1).tolist() == [1, 2, 4, 3]


def equivariance_error(layer: keras.Layer, group: Group, size: tuple[int, int], *, lifted: bool) -> float:
    """The largest difference between the output of a turned input and the turned output, over all elements."""
    channels = 2 * group.order if lifted else 3
    inputs = np.random.default_rng(1).normal(size=(2, *size, channels)).astype("float32")
    act_on_input = group.act_on_features if lifted else group.act_on_images
    outputs = np.asarray(layer(inputs))
    return max(
        float(np.abs(np.asarray(layer(act_on_input(element, inputs))) - group.act_on_features(element, outputs)).max())
        for element in range(group.order)
    )


@settings(max_examples=25, deadline=None)
@given(
    group=st.sampled_from([P4, P4M]),
    lifted=st.booleans(),
    kernel=st.integers(1, 5),
    size=st.tuples(st.integers(5, 9), st.integers(5, 9)),
    padding=st.sampled_from(["valid", "same"]),
    bias=st.booleans(),
)
def test_turning_the_input_permutes_the_output_at_stride_1(
    group: Group, lifted: bool, kernel: int, size: tuple[int, int], padding: str, bias: bool
) -> None:
    if padding == "same":
        kernel += kernel % 2 == 0
    layer_class = GroupConv2D if lifted else LiftingConv2D
    layer = layer_class(3, kernel, padding=padding, group=group.name, bias_initializer="normal", use_bias=bias)
    assert equivariance_error(layer, group, size, lifted=lifted) < 1e-5


@both
@pytest.mark.parametrize(
    ("settings", "exact_at", "broken_at"),
    [
        ({"strides": 2}, (9, 7), (8, 8)),
        ({"strides": 2, "padding": "same"}, (9, 7), (8, 8)),
        ({"strides": 3}, (9, 6), (8, 8)),
        ({"dilation_rate": 2}, (8, 9), None),
    ],
)
def test_with_strides_it_holds_where_the_windows_lie_symmetrically(
    group: Group, settings: dict[str, object], exact_at: tuple[int, int], broken_at: tuple[int, int] | None
) -> None:
    layer = GroupConv2D(3, 3, group=group.name, **settings)
    assert equivariance_error(layer, group, exact_at, lifted=True) < 1e-5
    if broken_at:
        assert equivariance_error(layer, group, broken_at, lifted=True) > 1e-2


def network(group: Group, side: int) -> keras.Model:
    """Lifting, normalization, group convolution, pooling over places; all that an equivariant network has."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((side, side, 2)),
            LiftingConv2D(4, 3, group=group.name, bias_initializer="normal", name="lifting"),
            GroupBatchNormalization(group.name, name="norm"),
            L.ReLU(),
            L.MaxPooling2D(2),
            GroupConv2D(3, 3, padding="same", group=group.name, activation="relu", name="on_group"),
        ]
    )
    generator = np.random.default_rng(3)
    for weight in model.get_layer("norm").weights:
        weight.assign(generator.uniform(0.5, 1.5, weight.shape))
    return model


@both
@pytest.mark.parametrize("side", [10, pytest.param(11, marks=pytest.mark.slow)])
def test_the_float_tflite_has_plain_convolutions_and_is_equivariant_too(
    group: Group, side: int, tmp_path: Path
) -> None:
    # A side of 11 leaves 9 pixels, over which pooling by 2 does not lie symmetrically: no file can be exact there.
    images = np.random.default_rng(1).normal(size=(1, side, side, 2)).astype("float32")
    card = tfc.convert(network(group, side), tmp_path / "m.tflite", mode="float32")
    assert [operator["name"] for operator in card.operators] == ["CONV_2D", "MAX_POOL_2D", "CONV_2D"]
    turned = [group.act_on_images(element, images) for element in range(group.order)]
    outputs = [np.asarray(tfc.predict(tmp_path / "m.tflite", image)) for image in turned]
    errors = [np.abs(found - group.act_on_features(g, outputs[0])).max() for g, found in enumerate(outputs)]
    assert np.abs(outputs[0]).max() > 0.1
    assert max(errors) < 1e-5 if side == 10 else max(errors) > 1e-2


@both
def test_pooling_over_orientations_leaves_what_does_not_turn(group: Group) -> None:
    model = keras.Sequential([network(group, 10), GroupPooling(group.name), L.GlobalAveragePooling2D()])
    image = np.random.default_rng(1).normal(size=(1, 10, 10, 2)).astype("float32")
    first = np.asarray(model(image))
    assert first.shape == (1, 3)
    for element in range(group.order):
        np.testing.assert_allclose(model(group.act_on_images(element, image)), first, atol=1e-5)


def test_as_many_weights_as_a_plain_network_with_twice_the_filters() -> None:
    plain, on_group = L.Conv2D(20, 3, use_bias=False), GroupConv2D(10, 3, use_bias=False)
    plain.build((None, 8, 8, 20))
    on_group.build((None, 8, 8, 40))
    assert plain.count_params() == 3600
    assert on_group.count_params() == 3600


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_size": (3, 5)}, r"'mine' \(GroupConv2D\): kernel_size is \(3, 5\).*quarter turn"),
        ({"kernel_size": 3, "strides": (1, 2)}, r"'mine'.*strides is \(1, 2\)"),
        ({"kernel_size": 4, "padding": "same"}, r"'mine'.*4 x 4 is padded on one side"),
        ({"kernel_size": 0}, r"'mine'.*kernel_size is 0"),
        ({"kernel_size": 3, "filters": 0}, r"'mine'.*filters is 0"),
        ({"kernel_size": 3, "padding": "causal"}, r"'mine'.*'causal'"),
        ({"kernel_size": 3, "strides": 2, "dilation_rate": 2}, r"'mine'.*strides and a dilation"),
    ],
)
def test_settings_that_break_the_symmetry_are_refused_by_name(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UnsupportedLayerError, match=message):
        GroupConv2D(**{"filters": 4, "name": "mine", **arguments})


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (GroupConv2D(4, 3, name="mine"), "GroupConv2D"),
        (GroupPooling(name="mine"), "GroupPooling"),
        (GroupBatchNormalization(name="mine"), "GroupBatchNormalization"),
    ],
)
def test_channels_that_the_orientations_do_not_divide_are_refused_by_name(layer: keras.Layer, kind: str) -> None:
    with pytest.raises(UnsupportedLayerError, match=rf"'mine' \({kind}\): its input has 6 channels.*4 orientations"):
        layer.build((None, 8, 8, 6))


def test_an_input_that_is_no_image_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedLayerError, match=r"'mine' \(LiftingConv2D\): its input has the shape"):
        LiftingConv2D(4, 3, name="mine").build((None, 8))


def test_models_save_and_load_without_a_scope(tmp_path: Path) -> None:
    model = keras.Sequential([network(P4M, 10), GroupPooling("p4m")])
    model.save(tmp_path / "m.keras")
    loaded = tfc.load(tmp_path / "m.keras")
    image = np.random.default_rng(1).normal(size=(1, 10, 10, 2)).astype("float32")
    np.testing.assert_array_equal(loaded(image), model(image))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_computes_in_its_own_and_keeps_float32_weights(policy: str) -> None:
    layers = [LiftingConv2D(2, 3, dtype=policy), GroupBatchNormalization(dtype=policy), GroupPooling(dtype=policy)]
    outputs = np.zeros((1, 8, 8, 3))
    for layer in layers:
        outputs = layer(outputs)
    assert outputs.dtype == policy.removeprefix("mixed_")
    assert {weight.dtype for layer in layers for weight in layer.weights} == {"float32"}
