"""The groups that are found, compared with what is worked out by hand."""

import keras
import numpy as np
import pytest

from tfcompress.errors import UnsupportedLayerError
from tfcompress.models.channels import Channels, channel_groups

L = keras.layers


def names(found: Channels) -> dict[str, int]:
    return {group.name: group.channels for group in found.groups}


def test_a_group_tells_all_that_goes_with_a_channel():
    image = keras.Input((8, 8, 3))
    x = L.BatchNormalization(name="bn1")(L.Conv2D(4, 3, padding="same", name="conv1")(image))
    y = L.Conv2D(4, 3, padding="same", name="conv2")(L.ReLU(name="relu1")(x))
    z = L.Conv2D(2, 1, name="conv3")(L.Add(name="add")([x, y]))
    found = channel_groups(keras.Model(image, z))
    (group,) = found.groups
    assert group.removing(3) == (
        "removing channel 3 of conv1 also removes: bn1[3], relu1[3], conv2[3], conv2 input 3, add[3], conv3 input 3"
    )
    assert found.kept == (("conv3", "are the model's output"),)


def test_flatten_takes_each_channel_to_all_of_its_places():
    image = keras.Input((2, 2, 1))
    x = L.Flatten(name="flatten")(L.Conv2D(3, 1, name="conv")(image))
    found = channel_groups(keras.Model(image, L.Dense(2, name="head")(x)))
    assert found.groups[0].removing(1) == (
        "removing channel 1 of conv also removes: flatten[1, 4, 7 and 1 more], head inputs 1, 4, 7 and 1 more"
    )
    (read,) = [item for item in found.groups[0].slices if item.layer.name == "head"]
    np.testing.assert_array_equal(read.indices, [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]])


def test_a_concatenation_moves_the_second_by_an_offset():
    image = keras.Input((4, 4, 1))
    x = L.Concatenate()([L.Conv2D(3, 1, name="left")(image), L.Conv2D(2, 1, name="right")(image)])
    found = channel_groups(keras.Model(image, L.Conv2D(2, 1, name="after")(x)))
    assert names(found) == {"left": 3, "right": 2}
    assert "after input 4" in found.groups[1].removing(1)


def test_a_sum_with_a_concatenation_ties_ranges():
    image = keras.Input((4, 4, 1))
    parts = [L.Conv2D(size, 1, name=f"part{size}")(image) for size in (2, 3)]
    whole = L.Conv2D(5, 1, name="whole")(image)
    x = L.Add()([L.Concatenate()(parts), whole])
    found = channel_groups(keras.Model(image, L.Conv2D(1, 1, name="after")(x)))
    assert names(found) == {"part2": 2, "part3": 3}
    assert [len(group.layers) for group in found.groups] == [2, 2]
    assert "whole[3]" in found.groups[1].removing(1)


def test_groups_of_a_convolution_lose_the_same_places():
    image = keras.Input((4, 4, 3))
    x = L.Conv2D(8, 3, groups=2, name="grouped")(L.Conv2D(4, 1, name="before")(image))
    found = channel_groups(keras.Model(image, L.Conv2D(1, 1, name="after")(x)))
    # Places 0 and 2 of `before` are the first of either group, and so on; of `grouped`, 0 and 4.
    assert names(found) == {"before": 2, "grouped": 4}
    assert "after inputs 1, 5" in found.groups[1].removing(1)


def test_a_broadcast_gate_goes_with_the_channels_that_it_opens():
    image = keras.Input((4, 4, 3))
    x = L.Conv2D(4, 1, name="features")(image)
    gate = L.Dense(4, activation="sigmoid", name="gate")(L.GlobalAveragePooling2D()(x))
    x = L.Multiply()([x, L.Reshape((1, 1, 4), name="reshape")(gate)])
    found = channel_groups(keras.Model(image, L.Conv2D(1, 1, name="after")(x)))
    assert names(found) == {"features": 4}
    assert "gate[2]" in found.groups[0].removing(2)
    assert "gate input 2" in found.groups[0].removing(2)


def test_a_layer_without_a_rule_keeps_what_reaches_it_and_is_named():
    class Mine(keras.layers.Layer):
        def call(self, inputs):
            return inputs * 2

    image = keras.Input((4, 4, 3))
    x = Mine(name="mine")(L.Conv2D(4, 1, name="before")(image))
    x = L.Conv2D(5, 1, name="between")(x)
    found = channel_groups(keras.Model(image, L.Conv2D(1, 1, name="after")(x)))
    assert names(found) == {"between": 5}
    assert dict(found.kept)["before"] == "reach 'mine' (Mine), for which there is no rule"
    assert "before is kept: its channels reach 'mine' (Mine)" in str(found)


def test_a_subclass_with_a_call_of_its_own_has_no_rule():
    class Twice(L.Dense):
        def call(self, inputs):
            return 2 * super().call(inputs)

    vector = keras.Input((3,))
    x = Twice(4, name="twice")(L.Dense(4, name="before")(vector))
    found = channel_groups(keras.Model(vector, L.Dense(2, name="after")(x)))
    assert not found.groups
    assert "whose own call() may do anything" in dict(found.kept)["before"]


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (L.Softmax(name="s"), "compared with each other by 's'"),
        (L.Activation("softmax", name="s"), "compared with each other by 's'"),
        (L.UnitNormalization(name="s"), "no rule"),
        (L.Permute((2, 3, 1), name="s"), "read along another axis by 'after'"),
    ],
    ids=lambda value: None if isinstance(value, str) else type(value).__name__,
)
def test_what_compares_or_moves_channels_keeps_them(layer, reason):
    image = keras.Input((4, 4, 3))
    x = L.Conv2D(4, 1, name="before")(image)
    model = keras.Model(image, L.Conv2D(2, 1, name="after")(type(layer).from_config(layer.get_config())(x)))
    assert reason in dict(channel_groups(model).kept)["before"]


def test_an_activation_that_is_none_of_keras_keeps_its_channels():
    def mine(x):
        return x

    vector = keras.Input((3,))
    x = L.Dense(4, activation=mine, name="before")(vector)
    found = channel_groups(keras.Model(vector, L.Dense(2, name="after")(x)))
    assert "by the activation mine of 'before' (Dense)" in dict(found.kept)["before"]


def test_a_model_that_hides_its_graph_is_refused():
    class Hidden(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(UnsupportedLayerError, match="my_model"):
        channel_groups(Hidden(name="my_model"))
