"""Equalization: the same outputs, equal ranges, offsets that move, and what cannot be scaled is named."""

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.errors import RecipeError, TfCompressWarning
from tfcompress.models.scaling import scalable_channels

L = keras.layers


def _network(relu: float | None = None, spread: float = 6.0) -> keras.Model:
    """Convolution, depthwise and pointwise convolution with batch norms whose factors spread over 2^spread."""
    keras.utils.set_random_seed(3)
    image = keras.Input((10, 10, 2))
    x = image
    for convolution in (
        L.Conv2D(6, 3, use_bias=False, name="stem"),
        L.DepthwiseConv2D(3, use_bias=False, name="depthwise"),
        L.Conv2D(8, 1, use_bias=False, name="pointwise"),
    ):
        x = L.ReLU(relu)(L.BatchNormalization(name=f"{convolution.name}_norm")(convolution(x)))
    model = keras.Model(image, L.Dense(3, name="head")(L.GlobalAveragePooling2D()(x)))
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            channels = layer.gamma.shape[0]
            layer.gamma.assign(np.exp2(generator.uniform(-spread / 2, spread / 2, channels)))
            layer.beta.assign(generator.normal(size=channels) * layer.gamma.numpy())
    return model


def _x(count: int = 16) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, 10, 10, 2)).astype("float32")


def _ranges(model: keras.Model, made: bool) -> np.ndarray:
    """For each class of channels its largest weight where it is made, or read; nan where it may not be scaled."""
    found = scalable_channels(model)
    ranges = np.full(len(found.classes), np.nan)
    ranges[found.free] = 0
    for link in found.links:
        ids, own = (link.makes, link.made_ranges) if made else (link.reads, link.read_ranges)
        if ids is not None:
            np.fmax.at(ranges, found.classes[ids], np.where(found.free[found.classes[ids]], own(link.kernel()), np.nan))
    return ranges[found.free]


def test_the_outputs_stay_and_both_sides_of_each_channel_have_one_range() -> None:
    model = _network()
    equal = tfc.Equalization(absorb=False).wrap(model)
    np.testing.assert_allclose(np.asarray(equal(_x())), np.asarray(model(_x())), rtol=1e-5, atol=1e-5)
    assert np.ptp(np.log2(_ranges(model, made=True) / _ranges(model, made=False))) > 4
    np.testing.assert_allclose(_ranges(equal, made=True), _ranges(equal, made=False), rtol=0.01)


def test_by_hand_a_pair_of_dense_layers_meets_in_the_geometric_mean() -> None:
    layers = [L.Dense(2, activation="relu", name="one"), L.Dense(1, name="two")]
    model = keras.Sequential([keras.Input((1,)), *layers])
    model.set_weights([np.array(item) for item in [[[8.0, 0.5]], [4.0, 1.0], [[0.5], [2.0]], [7.0]]])
    equal = tfc.Equalization().wrap(model)
    np.testing.assert_allclose(equal.get_layer("one").kernel, [[2.0, 1.0]], rtol=1e-3)
    np.testing.assert_allclose(equal.get_layer("one").bias, [1.0, 2.0], rtol=1e-3)
    np.testing.assert_allclose(equal.get_layer("two").kernel, [[2.0], [1.0]], rtol=1e-3)
    np.testing.assert_allclose(equal.get_layer("two").bias, [7.0])


def test_offsets_that_are_always_there_move_into_the_next_layer() -> None:
    layers = [L.Dense(2, name="one"), L.BatchNormalization(name="norm"), L.ReLU(), L.Dense(1, name="two")]
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.get_layer("norm").set_weights([np.array(item) for item in [[1.0, 1.0], [10.0, 0.0], [0.0, 0.0], [1.0, 1.0]]])
    moved = tfc.Equalization().wrap(model)
    gamma, beta = moved.get_layer("norm").gamma.numpy(), moved.get_layer("norm").beta.numpy()
    np.testing.assert_allclose(beta, [3 * gamma[0], 0.0], atol=1e-5)  # 10 - 3 of 10 deviations are absorbed
    x = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype("float32")
    np.testing.assert_allclose(np.asarray(moved(x)), np.asarray(model(x)), atol=1e-5)
    assert not np.allclose(moved.get_layer("two").bias, model.get_layer("two").bias)


def test_without_a_bias_the_next_batch_norms_mean_takes_the_offset() -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 2))
    x = L.ReLU()(L.BatchNormalization(name="norm")(L.Conv2D(3, 1, name="one")(image)))
    x = L.BatchNormalization(name="after")(L.DepthwiseConv2D(3, use_bias=False, name="two")(x))
    model = keras.Model(image, L.Dense(2)(L.GlobalAveragePooling2D()(L.ReLU()(x))))
    model.get_layer("norm").set_weights(
        [np.array(item) for item in [[0.1, 0.1, 0.1], [9.0, 5.0, 0.0], [0.0] * 3, [1.0] * 3]]
    )
    moved = tfc.Equalization().wrap(model)
    x = np.random.default_rng(0).uniform(-1, 1, (8, 6, 6, 2)).astype("float32")
    np.testing.assert_allclose(np.asarray(moved(x)), np.asarray(model(x)), atol=1e-4)
    assert np.abs(moved.get_layer("after").moving_mean.numpy()).max() > 1


def test_relu6_becomes_relu_and_is_named_or_its_channels_stay() -> None:
    model = _network(relu=6.0, spread=1.0)
    with pytest.warns(TfCompressWarning, match="made ReLU out of ReLU6 in re_lu"):
        equal = tfc.Equalization(absorb=False).wrap(model)
    assert not any(isinstance(layer, L.ReLU) and layer.max_value for layer in equal.layers)
    small = 0.01 * _x()  # no value passes 6
    np.testing.assert_allclose(np.asarray(equal(small)), np.asarray(model(small)), atol=1e-5)
    with pytest.raises(RecipeError, match=r"no channels that could be scaled.*does not hand a scale on"):
        tfc.Equalization(relu6=False).wrap(model)


def test_zeros_stay() -> None:
    model = tfc.strip(tfc.MagnitudePruning(sparsity=0.5, skip=()).wrap(_network()))
    equal = tfc.Equalization(absorb=False).wrap(model)
    for one, other in zip(model.weights, equal.weights, strict=True):
        assert np.array_equal(one.numpy() == 0, other.numpy() == 0)


def test_what_cannot_be_scaled_is_said() -> None:
    layers = [L.Dense(3, activation="tanh", name="first"), L.Dense(4, activation="relu"), L.Dense(2)]
    with pytest.warns(TfCompressWarning, match="left alone first, whose channels pass the activation of 'first'"):
        tfc.Equalization().wrap(keras.Sequential([keras.Input((5,)), *layers]))


def test_a_recipe_needs_no_training() -> None:
    recipe = tfc.Recipe([tfc.Equalization(), tfc.BiasCorrection(bits=4)])
    assert tfc.Recipe.from_toml(recipe.to_toml()) == recipe
    assert not any(step.trains for step in recipe)


def test_settings_of_a_wrong_kind_are_refused() -> None:
    with pytest.raises(RecipeError, match="relu6 is true or false, not 6"):
        tfc.Equalization(relu6=6)  # type: ignore[arg-type]
