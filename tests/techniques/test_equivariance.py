"""Plain networks on symmetry groups: what the rewritten ones answer to turned images, and what is refused."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tests.layers.test_symmetry import both
from tfcompress.errors import RecipeError, TfCompressWarning, UnsupportedLayerError
from tfcompress.layers import Group, GroupBatchNormalization, GroupConv2D, GroupPooling, LiftingConv2D
from tfcompress.techniques.compact_filters import CompactFilters
from tools.bench_rotated_mnist import p4cnn, z2cnn

L = keras.layers


def residual_network(side: int = 13) -> keras.Model:
    """Sums, concatenation, strides, both kinds of pooling, `keras.ops`, and a dense head."""
    image = features = keras.Input((side, side, 2), name="image")
    features = L.ReLU()(L.BatchNormalization(name="norm")(L.Conv2D(8, 3, padding="same", name="first")(features / 2.0)))
    features = L.Add()([features, L.Conv2D(8, 1, name="second")(features)])
    features = keras.ops.relu(L.Conv2D(12, 3, strides=2, padding="same", name="third")(features))
    features = L.Concatenate()([features, L.Conv2D(4, 5, padding="same", name="fourth")(features)])
    features = L.AveragePooling2D(3)(L.ZeroPadding2D(1)(features))
    return keras.Model(image, L.Dense(5, name="head")(L.GlobalMaxPooling2D()(features)), name="residual")


def wrapped(model: keras.Model, group: Group) -> keras.Model:
    """The model on a group, its batch norms away from their start."""
    keras.utils.set_random_seed(0)
    made = CompactFilters(group.name.upper()).wrap(model)
    generator = np.random.default_rng(0)
    for layer in made.layers:
        if isinstance(layer, (GroupBatchNormalization, L.BatchNormalization)):
            for weight in layer.weights:
                weight.assign(generator.uniform(0.5, 1.5, weight.shape))
    return made


def answers(model: keras.Model, group: Group) -> list[np.ndarray]:
    """What a model says of an image in each position."""
    image = np.random.default_rng(1).normal(size=(1, *model.input_shape[1:])).astype("float32")
    return [np.asarray(model(group.act_on_images(element, image))) for element in range(group.order)]


@both
def test_a_whole_network_answers_the_same_however_the_image_lies(group: Group) -> None:
    model = wrapped(residual_network(), group)
    first, *others = answers(model, group)
    assert np.ptp(first) > 1e-2
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-5)


def test_the_plain_network_does_not() -> None:
    first, *others = answers(residual_network(), tfc.layers.P4)
    assert min(np.abs(other - first).max() for other in others) > 1e-2


@both
def test_maps_that_the_model_gives_out_turn_with_the_image(group: Group) -> None:
    image = keras.Input((8, 8, 2))
    features = L.Conv2D(8, 3, padding="same", activation="relu", name="hidden")(image)
    model = wrapped(keras.Model(image, L.Conv2D(3, 3, padding="same", name="maps")(features)), group)
    assert model.output_shape == (None, 8, 8, 3)
    assert model.get_layer("maps").filters == 3  # its channels are the answer
    assert model.get_layer("hidden").filters == round(8 / group.order**0.5)
    first, *others = answers(model, group)
    for element, other in enumerate(others, 1):
        np.testing.assert_allclose(other, group.act_on_images(element, first), atol=1e-5)


def test_the_papers_plain_network_becomes_its_p4_network() -> None:
    ours = CompactFilters("P4").wrap(z2cnn())
    kinds = [type(layer) for layer in ours.layers if not isinstance(layer, (L.Dropout, L.InputLayer))]
    assert kinds == [type(layer) for layer in p4cnn().layers if not isinstance(layer, L.InputLayer)]
    assert [weight.shape for weight in ours.weights] == [weight.shape for weight in p4cnn().weights]
    kernels = [layer for layer in ours.layers if isinstance(layer, (LiftingConv2D, GroupConv2D))]
    assert sum(int(np.prod(layer.kernel.shape)) for layer in kernels) == 24_490
    plain = [layer for layer in z2cnn().layers if isinstance(layer, L.Conv2D)]
    assert sum(int(np.prod(layer.kernel.shape)) for layer in plain) == 21_380


def test_features_are_pooled_over_orientations_once_and_only_where_they_are_read_as_channels() -> None:
    image = keras.Input((9, 9, 2))
    features = L.Conv2D(8, 3, name="conv")(image)
    heads = [L.GlobalAveragePooling2D()(features), L.Flatten()(L.Conv2D(8, 7, name="more")(features))]
    model = CompactFilters("P4").wrap(keras.Model(image, [L.Dense(2)(head) for head in heads]))
    assert sorted(layer.name for layer in model.layers if isinstance(layer, GroupPooling)) == [
        "group_pooling",
        "group_pooling_2",
    ]
    assert isinstance(model.get_layer("more"), GroupConv2D)


def test_width_sets_the_filters_of_each_orientation() -> None:
    model = CompactFilters({"type": "P4", "width": 0.25}).wrap(residual_network())
    assert [model.get_layer(name).filters for name in ("first", "third", "fourth")] == [2, 3, 1]


def test_layers_whose_shape_stays_keep_their_weights() -> None:
    image = keras.Input((9, 9, 2))
    scaled = L.Normalization(mean=[1.0, 2.0], variance=[3.0, 4.0], name="scaling")(image)
    hidden = L.Dense(6, name="hidden")(L.GlobalAveragePooling2D()(L.Conv2D(8, 3, name="conv")(scaled)))
    model = keras.Model(image, L.Dense(2, name="head")(hidden))
    made = CompactFilters("P4").wrap(model)
    np.testing.assert_array_equal(made.get_layer("head").kernel.numpy(), model.get_layer("head").kernel.numpy())
    assert made.get_layer("hidden").kernel.shape == (4, 6)
    np.testing.assert_array_equal(made.get_layer("scaling").mean, [[[[1.0, 2.0]]]])


@pytest.mark.parametrize(("side", "warned"), [(12, True), (13, False)])
def test_strides_that_lie_unevenly_are_named_with_their_pixels(side: int, warned: bool) -> None:
    image = keras.Input((side, side, 2))
    model = keras.Model(image, L.GlobalAveragePooling2D()(L.Conv2D(8, 3, 2, "same", name="stem")(image)))
    if not warned:
        CompactFilters("P4").wrap(model)
        return
    with pytest.warns(TfCompressWarning, match=r"'stem' \(12 pixels, windows of 3 every 2, same\)"):
        CompactFilters("P4").wrap(model)


READS_PLACES = {
    "flatten": lambda features: L.Flatten(name="mine")(features),
    "flatten_after_dense": lambda features: L.Flatten(name="mine")(L.Dense(4)(features)),
    "reshape": lambda features: L.GRU(4)(L.Reshape((49, -1), name="mine")(features)),
    "reshape_operation": lambda features: keras.ops.reshape(features, (-1, 7 * 7 * 4)),
    "mean_over_rows": lambda features: L.Flatten()(keras.ops.mean(features, axis=1)),
}


@pytest.mark.parametrize("reading", READS_PLACES)
def test_what_tells_places_apart_is_named_and_the_answer_does_change(reading: str) -> None:
    image = keras.Input((9, 9, 2))
    features = L.Conv2D(8, 3, activation="relu")(image)
    model = keras.Model(image, L.Dense(3)(READS_PLACES[reading](features)))
    with pytest.warns(
        TfCompressWarning, match=r"answer changes .* '(mine|mean|reshape)\w*' .* 7 x 7 places .* global pooling"
    ):
        made = wrapped(model, tfc.layers.P4)
    first, *others = answers(made, tfc.layers.P4)
    assert max(np.abs(other - first).max() for other in others) > 1e-2


READS_OUT = {
    "global_pooling": lambda features: L.Flatten()(L.GlobalMaxPooling2D(keepdims=True)(features)),
    "mean_over_places": lambda features: keras.ops.mean(features, axis=(1, 2)),
    "dense_at_places": lambda features: L.GlobalAveragePooling2D()(L.Dense(4, activation="relu")(features)),
    "softmax_of_channels": lambda features: L.GlobalAveragePooling2D()(L.Softmax()(features)),
    "softmax_over_places": lambda features: keras.ops.max(L.Softmax(axis=(1, 2))(features), axis=(1, 2)),
    "number": lambda features: L.GlobalAveragePooling2D()(features * np.float32(2.0)),
    "same_places": lambda features: L.GlobalAveragePooling2D()(L.Reshape((7, 7, -1))(features)),
}


@pytest.mark.parametrize("reading", READS_OUT)
def test_what_reads_all_places_alike_is_not_named_and_the_answer_stays(reading: str) -> None:
    image = keras.Input((9, 9, 2))
    features = L.Conv2D(8, 3, activation="relu")(image)
    made = wrapped(keras.Model(image, L.Dense(3)(READS_OUT[reading](features))), tfc.layers.P4)
    first, *others = answers(made, tfc.layers.P4)
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-5)


VARYING = np.arange(49, dtype="float32").reshape(7, 7, 1)
PER_CHANNEL = np.arange(8, dtype="float32")
MISFITS = {
    "map": (lambda x: x * VARYING, r"constant \(7, 7, 1\) that differs between places"),
    "map_after_dense": (lambda x: L.Dense(4)(x) * VARYING, "differs between places"),
    "per_channel": (lambda x: x * PER_CHANNEL, r"constant \(8,\) that differs between"),
    "per_pooled_channel": (
        lambda x: L.GlobalMaxPooling2D()(x) * PER_CHANNEL,
        r"does not take \(4,\)",
    ),
    "reshape": (lambda x: L.Reshape((7 * 7 * 8,), name="mine")(x), r"does not take \(7, 7, 4\)"),
    "reshape_operation": (lambda x: keras.ops.reshape(x, (-1, 7 * 7 * 8)), r"does not take \(7, 7, 4\)"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_what_does_not_fit_other_numbers_of_channels_is_refused_by_name(misfit: str) -> None:
    image = keras.Input((9, 9, 2))
    make, message = MISFITS[misfit]
    with pytest.raises(UnsupportedLayerError, match=rf"'(mine|multiply|reshape)\w*'.*{message}"):
        CompactFilters("P4").wrap(keras.Model(image, L.Dense(2)(make(L.Conv2D(8, 3)(image)))))


def test_a_constant_per_channel_of_the_image_is_none_of_places() -> None:
    image = keras.Input((9, 9, 2))
    features = L.Conv2D(8, 3, activation="relu")(image - np.float32([0.5, 0.2]))
    made = wrapped(keras.Model(image, L.GlobalMaxPooling2D()(features)), tfc.layers.P4)
    first, *others = answers(made, tfc.layers.P4)
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-5)


class Custom(L.Layer):
    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return inputs * 2.0


@pytest.mark.parametrize(
    "layer",
    [
        Custom(name="mine"),
        L.DepthwiseConv2D(3, name="mine"),
        L.SeparableConv2D(4, 3, name="mine"),
        L.Conv2DTranspose(4, 3, name="mine"),
        L.Conv2D(8, 3, groups=2, name="mine"),
        L.Conv2D(8, (3, 5), name="mine"),
        L.Conv2D(8, 3, strides=(1, 2), name="mine"),
        L.Conv2D(8, 4, padding="same", name="mine"),
        L.Conv2D(8, 3, activation="softmax", name="mine"),
        L.MaxPooling2D((2, 1), name="mine"),
        L.ZeroPadding2D(((0, 1), (0, 1)), name="mine"),
        L.UpSampling2D((1, 2), name="mine"),
        L.PReLU(name="mine"),
        L.LayerNormalization(name="mine"),
        L.Permute((2, 1, 3), name="mine"),
        L.BatchNormalization(axis=1, name="mine"),
    ],
    ids=lambda layer: type(layer).__name__,
)
@pytest.mark.parametrize("first", [True, False])
def test_what_breaks_the_symmetry_is_refused_by_name(layer: keras.Layer, first: bool) -> None:
    image = keras.Input((8, 8, 4))
    clone = type(layer).from_config(layer.get_config())
    conv = L.Conv2D(8, 3, name="conv")
    features = conv(clone(image)) if first else clone(conv(image))
    with pytest.raises(UnsupportedLayerError, match=r"'mine'"):
        CompactFilters("P4").wrap(keras.Model(image, features))


def gated(image: keras.KerasTensor) -> keras.KerasTensor:
    features = L.Conv2D(8, 3, name="conv")(image)
    gate = L.Dense(8, activation="sigmoid", name="gate")(L.GlobalAveragePooling2D(keepdims=True)(features))
    return L.Multiply(name="mine")([features, gate])


def shared(image: keras.KerasTensor) -> keras.KerasTensor:
    conv = L.Conv2D(4, 3, padding="same", name="mine")
    return conv(conv(image))


@pytest.mark.parametrize(("make", "message"), [(gated, "together with others"), (shared, "Use two layers")])
def test_features_on_the_group_do_not_meet_others(
    make: Callable[[keras.KerasTensor], keras.KerasTensor], message: str
) -> None:
    image = keras.Input((8, 8, 4))
    with pytest.raises(UnsupportedLayerError, match=f"'mine'.*{message}"):
        CompactFilters("P4").wrap(keras.Model(image, make(image)))


def test_a_network_without_convolutions_is_refused_by_name() -> None:
    model = keras.Sequential([keras.Input((4,)), L.Dense(2)], name="only_dense")
    with pytest.raises(RecipeError, match="'only_dense' has no plain Conv2D"):
        CompactFilters("P4").wrap(model)
