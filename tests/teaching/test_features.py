import keras
import numpy as np
import pytest

from tests import zoo
from tfcompress.teaching.features import Tapped, features_of


@pytest.mark.parametrize("name", ["nested", "residual_add", "lstm", "two_inputs", "two_outputs", "shared_layer"])
@pytest.mark.parametrize("training", [False, True])
def test_a_tapped_model_gives_what_the_model_gives(name: str, training: bool) -> None:
    model, inputs = zoo.make(name), zoo.samples(zoo.make(name))
    names = [feature.name for feature in features_of(model)]
    before = [variable.numpy() for variable in model.non_trainable_variables]
    expected = model(inputs, training=training)
    updated = [variable.numpy() for variable in model.non_trainable_variables]
    for variable, value in zip(model.non_trainable_variables, before, strict=True):
        variable.assign(value)
    outputs, features = Tapped(model, names)(inputs, training=training)
    assert set(features) == set(names)
    keras.tree.map_structure(np.testing.assert_array_equal, outputs, expected)
    for variable, value in zip(model.non_trainable_variables, updated, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_features_are_what_layers_give_also_inside_nested_models() -> None:
    model = zoo.make("nested")
    inputs = zoo.samples(model)
    _, features = Tapped(model, ["inner_conv", "outer_conv"])(inputs, training=False)
    inner = model.get_layer("backbone")
    np.testing.assert_allclose(features["inner_conv"], inner.get_layer("inner_conv")(inputs), rtol=1e-6)
    np.testing.assert_allclose(features["outer_conv"], model.get_layer("outer_conv")(inner(inputs)), rtol=1e-6)


def test_what_a_model_puts_out_is_no_feature() -> None:
    tensor = inputs = keras.Input((8, 8, 3))
    for layer in (
        keras.layers.Conv2D(4, 3, name="conv"),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dense(5, name="hidden"),
        keras.layers.Dense(2, name="head"),
        keras.layers.Softmax(),
    ):
        tensor = layer(tensor)
    names = [str(feature) for feature in features_of(keras.Model(inputs, tensor))]
    assert names == ["conv (6 x 6 x 4)", "flat (144)", "hidden (5)"]


def test_a_rank_that_lacks_the_channel_is_taken_as_keras_takes_it() -> None:
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3, name="conv"), keras.layers.Flatten()])
    images = np.ones((2, 4, 4), "float32")
    outputs, _ = Tapped(model, ["conv"])(images, training=False)
    np.testing.assert_array_equal(outputs, model(images))
