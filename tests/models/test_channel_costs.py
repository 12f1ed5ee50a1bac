"""Costs computed from the numbers of channels are those of the model that is built with them."""

import keras
import numpy as np
import pytest

from tests import zoo
from tests.models.test_cutting import both_parts, gates_of_operations, half, halves, meta_filters
from tfcompress.errors import ModelError
from tfcompress.models.channel_costs import ChannelCosts
from tfcompress.models.channels import channel_groups
from tfcompress.models.cutting import cut
from tfcompress.models.profile import profile

L = keras.layers


def assert_costs_are_those_of_the_cut_model(model: keras.Model) -> None:
    found = channel_groups(model)
    costs = ChannelCosts(model, found)
    for kept in ([np.arange(group.channels) for group in found.groups], half(found)):
        counts = [len(numbers) for numbers in kept]
        expected = profile(cut(model, found, kept))
        assert costs.macs(counts) == expected.macs
        assert costs.parameters(counts) == expected.parameters
        assert costs.profile(counts) == expected


@pytest.mark.parametrize("name", sorted(zoo.ZOO))
def test_costs_of_the_zoo(name):
    assert_costs_are_those_of_the_cut_model(zoo.make(name))


@pytest.mark.parametrize("build", [both_parts, gates_of_operations, halves, meta_filters])
def test_costs_where_channels_are_arranged_anew(build):
    assert_costs_are_those_of_the_cut_model(build())


def attention_of_two() -> keras.Model:
    left, right = keras.Input((5, 3)), keras.Input((7, 2))
    queries, values = L.Dense(6, name="queries")(left), L.Dense(4, name="values")(right)
    x = L.MultiHeadAttention(2, 3, value_dim=5, output_shape=6, name="heads")(queries, values)
    keys, more = L.Dense(6, name="keys")(right), L.Dense(8, name="more")(right)
    x = L.Attention(use_scale=True)([x, more, keys])
    x = L.AdditiveAttention()([L.Dense(8)(x), L.Dense(8)(right)])
    return keras.Model([left, right], L.Dense(2)(x))


def transposed_and_grouped() -> keras.Model:
    image = keras.Input((6, 6, 3))
    x = L.Conv2DTranspose(8, 3, strides=2, name="up")(image)
    x = L.Conv2D(8, 3, groups=4, name="grouped")(x)
    x = L.Conv2D(16, 3, groups=8, name="one_to_a_group")(x)
    x = L.LSTM(4)(L.Reshape((-1, 16))(x))
    return keras.Model(image, L.Dense(2)(L.Dense(8, name="last")(x)))


@pytest.mark.parametrize("build", [attention_of_two, transposed_and_grouped])
def test_costs_of_layers_with_several_kernels(build):
    assert_costs_are_those_of_the_cut_model(build())


def test_an_open_size_is_refused():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, L.Conv2D(2, 1)(L.Conv2D(4, 1)(image)))
    with pytest.raises(ModelError, match="a size is open"):
        ChannelCosts(model, channel_groups(model))
