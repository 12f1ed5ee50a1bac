"""Blocks: shapes, counts of weights by hand, and the networks' published figures."""

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.errors import UnsupportedLayerError
from tfcompress.layers import Kernels, depthwise_separable, fire, inverted_residual


def model_of(block: object, shape: tuple[int, int, int], *arguments: object, **settings: object) -> keras.Model:
    inputs = keras.Input(shape)
    return keras.Model(inputs, block(inputs, *arguments, name="block", **settings))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("size", [1, 2, 3, (5, 3)])
@pytest.mark.parametrize(
    ("block", "own"), [(depthwise_separable, {}), (fire, {"squeeze": 2}), (inverted_residual, {"expansion": 2})]
)
def test_a_block_has_the_output_shape_of_the_convolution_that_it_stands_for(
    block: object, own: dict[str, int], size: object, strides: int, padding: str
) -> None:
    model = model_of(block, (12, 11, 4), 6, size, strides, padding, **own)
    inputs = keras.Input((12, 11, 4))
    assert model.output_shape == keras.layers.Conv2D(6, size, strides, padding)(inputs).shape


def test_a_depthwise_separable_block_costs_one_over_n_plus_one_over_the_kernel() -> None:
    block, plain = (
        tfc.profile(model_of(depthwise_separable, (8, 8, 32), 64, use_bias=False)),
        tfc.profile(keras.Sequential([keras.Input((8, 8, 32)), keras.layers.Conv2D(64, 3, padding="same")])),
    )
    assert block.macs / plain.macs == pytest.approx(1 / 64 + 1 / 9)
    kernels = {layer.name: layer.parameters for layer in block.layers if layer.macs}
    assert kernels == {"block_depthwise": 9 * 32, "block": 32 * 64}


def test_fire_modules_have_the_weights_of_squeezenets_table() -> None:
    # SqueezeNet's fire2 and fire3: 1x1 squeeze, then both expansions, each with biases.
    assert model_of(fire, (8, 8, 96), 128, squeeze=16).count_params() == 11_920
    assert model_of(fire, (8, 8, 128), 128, squeeze=16).count_params() == 12_432


def test_an_inverted_residual_has_the_weights_of_mobilenet_v2s_third_block() -> None:
    ours = model_of(inverted_residual, (8, 8, 24), 24, expansion=6)
    kernels = 24 * 144 + 9 * 144 + 144 * 24
    assert ours.count_params() == kernels + 4 * (144 + 144 + 24)
    assert type(ours.layers[-1]) is keras.layers.Add
    # Its input is added: with a last scale of zero the block does nothing.
    ours.get_layer("block_project_norm").gamma.assign(np.zeros(24))
    images = np.random.default_rng(0).normal(size=(1, 8, 8, 24)).astype("float32")
    np.testing.assert_allclose(ours(images), images, atol=1e-6)


@pytest.mark.parametrize("change", [{"filters": 16}, {"strides": 2}, {"padding": "valid"}])
def test_where_the_shape_changes_no_input_is_added(change: dict[str, object]) -> None:
    settings = {"filters": 8, "strides": 1, "padding": "same", **change}
    model = model_of(inverted_residual, (8, 8, 8), **settings)
    assert not any(isinstance(layer, keras.layers.Add) for layer in model.layers)


def test_without_expansion_the_first_convolution_is_left_out() -> None:
    assert "block_expand" not in [layer.name for layer in model_of(inverted_residual, (8, 8, 8), 8, expansion=1).layers]


def test_an_odd_number_of_filters_cannot_be_two_branches() -> None:
    with pytest.raises(UnsupportedLayerError, match=r"'block'.*7 filters"):
        model_of(fire, (8, 8, 8), 7, squeeze=2)


def test_kernels_share_how_they_begin_and_their_regularizer_but_not_their_values() -> None:
    kernels = Kernels(keras.initializers.HeNormal(seed=1), keras.regularizers.L2(1e-3))
    model = model_of(fire, (8, 8, 8), 8, squeeze=8, kernels=kernels)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == 3
    assert {type(layer.kernel_initializer).__name__ for layer in convolutions} == {"HeNormal"}
    assert len(model.losses) == 3
