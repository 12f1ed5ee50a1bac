"""A narrower architecture has the shapes of the whole one outside and weights of its own."""

import keras
import numpy as np
import pytest

from tests import zoo
from tfcompress.errors import ModelError
from tfcompress.models.narrowing import narrow

L = keras.layers


def network() -> keras.Model:
    image = keras.Input((8, 8, 3))
    norm = L.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 4.0, 4.0], name="norm")
    x = L.Conv2D(32, 3, padding="same", name="conv1")(norm(image))
    x = L.Add()([x, L.SeparableConv2D(32, 3, padding="same", name="conv2")(x)])
    return keras.Model(image, L.Dense(5, name="head")(L.Dense(20, name="hidden")(L.Flatten()(x))))


@pytest.mark.parametrize(("width", "conv", "hidden"), [(1.0, 32, 20), (0.75, 24, 16), (0.5, 16, 8), (0.01, 8, 8)])
def test_each_group_has_its_share_in_steps_of_eight(width, conv, hidden):
    model = network()
    student = narrow(model, width)
    assert [student.get_layer(name).filters for name in ("conv1", "conv2")] == [conv, conv]
    assert student.get_layer("hidden").units == hidden
    assert student.output_shape == model.output_shape
    assert student(zoo.samples(model)).shape == (8, 5)


def test_nothing_is_learned_yet_but_the_statistics_of_the_data_are_known():
    model = network()
    student = narrow(model, 1.0)
    assert not np.allclose(student.get_layer("conv1").kernel, model.get_layer("conv1").kernel)
    for name in ("mean", "variance"):
        np.testing.assert_array_equal(getattr(student.get_layer("norm"), name), getattr(model.get_layer("norm"), name))


def test_a_step_of_one_takes_any_width():
    assert narrow(network(), 0.4, round_to=1).get_layer("hidden").units == 8


@pytest.mark.parametrize("settings", [{"width": 0}, {"width": 2}, {"round_to": 0}, {"round_to": 1.5}])
def test_widths_out_of_range_are_refused(settings):
    with pytest.raises(ModelError, match=r"width must be in \(0, 1\]"):
        narrow(network(), **settings)


def test_a_model_without_inner_channels_is_refused_by_name():
    model = keras.Sequential([keras.Input((4,)), L.Dense(2, name="only")], name="small")
    with pytest.raises(ModelError, match="'small' has no channels"):
        narrow(model)
