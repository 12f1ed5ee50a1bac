import types

import keras
import numpy as np
import pytest

from tests.applications import DIFFERENT, FAMILIES, SMALLEST_SIDE
from tfcompress.errors import ModelError, UnsupportedLayerError
from tfcompress.models.graph import graph_of
from tfcompress.models.surgery import copy, flatten, layers_of, rebuild

QUICK = {"mobilenet", "mobilenet_v3", "vgg16"}  # by default; all with `-m slow`


class Forward(keras.layers.Wrapper):
    """A wrapper that only passes on."""

    def call(self, inputs, **kwargs):
        return self.layer(inputs, **kwargs)


def samples(model, count=2):
    rng = np.random.default_rng(0)

    def draw(tensor):
        shape = (count, *(size or 5 for size in tensor.shape[1:]))
        if "int" in tensor.dtype:
            return rng.integers(0, 5, shape).astype(tensor.dtype)
        return rng.normal(size=shape).astype(tensor.dtype)

    return keras.tree.map_structure(draw, graph_of(model).input)


def outputs_of(model, inputs):
    return [np.asarray(output) for output in keras.tree.flatten(model(inputs, training=False))]


def assert_same_outputs(model, other):
    inputs = samples(model)
    for own, new in zip(outputs_of(model, inputs), outputs_of(other, inputs), strict=True):
        np.testing.assert_allclose(new, own, rtol=1e-5, atol=1e-5 * np.abs(own).max())


def shuffle_weights(model):
    """Gives every weight a value of its own, so that one that is not copied shows."""
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(weight * rng.uniform(0.9, 1.1, weight.shape) + rng.uniform(0, 0.001, weight.shape))
    for layer in layers_of(model):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def residual():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)
    y = keras.layers.SeparableConv2D(4, 3, padding="same")(x)
    x = keras.layers.Concatenate()([keras.layers.Add()([x, y]), keras.layers.DepthwiseConv2D(3, padding="same")(x)])
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(keras.layers.GlobalAveragePooling2D()(x)))


def shared_backbone():
    backbone = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(5, activation="relu", name="a"), keras.layers.Dense(4, name="b")]
    )
    left, right = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    distance = keras.ops.abs(backbone(left) - backbone(right))
    return keras.Model([left, right], keras.layers.Dense(1, name="a")(distance))


def dictionaries():
    one, two = keras.Input((4,), name="one"), keras.Input((4,), name="two")
    dense = keras.layers.Dense(3)
    x, y = dense(one), dense(two)
    sliced = keras.ops.concatenate([x[:, :2], keras.ops.reshape(y, (-1, 3))], axis=-1)
    return keras.Model({"one": one, "two": two}, {"sum": x + y, "sliced": sliced * 2.0, "both": [x, y]})


def recurrent():
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(7, 4, mask_zero=True)(inputs)
    x = keras.layers.GRU(5, return_sequences=True)(x)
    x = keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True))(x)
    x = keras.layers.TimeDistributed(keras.layers.Dense(4))(x)
    return keras.Model(inputs, keras.layers.SimpleRNN(2)(x))


def attention():
    inputs = keras.Input((6, 8))
    x = keras.layers.LayerNormalization()(inputs)
    x = keras.layers.MultiHeadAttention(2, 4)(x, x)
    x, state = keras.layers.LSTM(4, return_sequences=True, return_state=True)(inputs + x)[:2]
    return keras.Model(inputs, [x, keras.ops.relu(state)])


def deeply_nested():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="dense")], name="inner")
    middle = keras.Sequential([keras.Input((4,)), inner, keras.layers.Dense(4, name="dense")], name="middle")
    functional_inputs = keras.Input((4,))
    functional = keras.Model(functional_inputs, keras.ops.tanh(middle(functional_inputs)), name="functional")
    return keras.Sequential([keras.Input((4,)), functional, keras.layers.Dense(2, name="dense")], name="outer")


def multiple_use():
    inputs = keras.Input((4,))
    dense, relu = keras.layers.Dense(4), keras.layers.ReLU()
    return keras.Model(inputs, relu(dense(relu(dense(relu(dense(inputs)))))))


def adapted():
    layer = keras.layers.Normalization()
    layer.adapt(np.random.default_rng(0).normal(3, 2, (50, 4)).astype("float32"))
    return keras.Sequential([keras.Input((4,)), layer, keras.layers.Rescaling(0.5), keras.layers.Dense(2)])


def nested_in_inference_mode():
    backbone = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), keras.layers.BatchNormalization()])
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(2)(backbone(inputs, training=False)))


MODELS = [
    residual,
    shared_backbone,
    dictionaries,
    recurrent,
    attention,
    deeply_nested,
    multiple_use,
    adapted,
    nested_in_inference_mode,
]


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("operation", [copy, flatten], ids=lambda operation: operation.__name__)
def test_outputs_and_weights_are_kept(make, operation):
    model = make()
    shuffle_weights(model)
    new = operation(model)
    assert_same_outputs(model, new)
    assert new.count_params() == model.count_params()
    assert len(layers_of(new)) == len(layers_of(model))
    keras.tree.assert_same_structure(graph_of(model).output, new.output)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_the_source_is_not_changed(make):
    model = make()
    shuffle_weights(model)
    layers_of(model)[-1].trainable = False
    model.compile("sgd", "mse")
    optimizer, config = model.optimizer, model.to_json()
    weights = model.get_weights()
    copied = flatten(copy(model))
    for weight in copied.weights:
        weight.assign(weight + 1)
    copied.trainable = False
    assert model.to_json() == config
    assert model.optimizer is optimizer
    assert not layers_of(model)[-1].trainable
    assert all(np.array_equal(before, after) for before, after in zip(weights, model.get_weights(), strict=True))


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_a_rebuilt_model_survives_a_keras_file(make, tmp_path):
    model = make()
    for number, new in enumerate([copy(model), flatten(model)]):
        path = tmp_path / f"{number}.keras"
        new.save(path)
        assert_same_outputs(model, keras.models.load_model(path))


def test_every_family_of_keras_applications_has_a_representative():
    modules = [name for name, value in vars(keras.applications).items() if isinstance(value, types.ModuleType)]
    assert set(FAMILIES) == {name for name in modules if not name.startswith("_")} - {"imagenet_utils"}


@pytest.mark.parametrize(
    "family",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in DIFFERENT],
)
def test_outputs_are_kept_on_a_family_of_keras_applications(family):
    side = SMALLEST_SIDE.get(family, 32)
    make = getattr(keras.applications, FAMILIES[family])
    model = make(input_shape=(side, side, 3), weights=None, include_top=False, pooling="avg")
    shuffle_weights(model)
    new = copy(model)
    inputs = np.random.default_rng(0).uniform(0, 255, (2, side, side, 3)).astype("float32")
    (own,), (other,) = outputs_of(model, inputs), outputs_of(new, inputs)
    assert np.abs(own).max() > 0
    np.testing.assert_allclose(other, own, rtol=1e-5, atol=1e-5 * np.abs(own).max())


def test_replace_is_asked_once_per_layer_with_names_kept():
    model = shared_backbone()
    asked = []

    def wrap(clone, source):
        asked.append(source.name)
        return Forward(clone, name=f"wrapped_{source.name}") if isinstance(source, keras.layers.Dense) else clone

    wrapped = rebuild(model, wrap)
    assert sorted(asked) == ["a", "a", "b"]
    assert sorted(layer.name for layer in layers_of(wrapped)) == ["wrapped_a", "wrapped_a", "wrapped_b"]
    assert_same_outputs(model, wrapped)


def test_after_sees_inputs_layers_and_operations_but_no_nested_model():
    model = shared_backbone()
    seen = []

    def double_dense(source, output):
        seen.append(type(source).__name__)
        return output * 2 if isinstance(source, keras.layers.Dense) else output

    rebuilt = rebuild(model, after=double_dense)
    # The nested model's graph is built once and called twice.
    assert sorted(seen) == ["Absolute", "Dense", "Dense", "Dense", "InputLayer", "InputLayer", "Subtract"]
    for bias in [weight for weight in model.weights if weight.name == "bias"]:
        np.testing.assert_array_equal(bias, 0)
    inputs = samples(model)
    (own,), (new,) = outputs_of(model, inputs), outputs_of(rebuilt, inputs)
    np.testing.assert_allclose(new, own * 8, rtol=1e-5)  # three dense layers without bias, each doubled


def test_shared_layers_stay_shared():
    model = shared_backbone()
    assert len(layers_of(copy(model))) == 3
    flat = flatten(model)
    assert len([layer for layer in flat.layers if isinstance(layer, keras.layers.Dense)]) == 3
    assert not any(isinstance(layer, keras.Model) for layer in flat.layers)


def test_flatten_puts_the_model_before_a_name_used_twice():
    names = [layer.name for layer in flatten(deeply_nested()).layers if isinstance(layer, keras.layers.Dense)]
    assert names == ["functional_middle_inner_dense", "functional_middle_dense", "dense"]


def test_flatten_keeps_inference_mode_of_a_nested_model():
    model = nested_in_inference_mode()
    flat = flatten(model)
    batch = np.random.default_rng(0).normal(5, 3, (8, 4)).astype("float32")
    np.testing.assert_allclose(flat(batch, training=True), model(batch, training=True), rtol=1e-5)


def test_trainable_flags_are_kept_at_every_level():
    model = deeply_nested()
    model.get_layer("functional").get_layer("middle").trainable = False
    model.get_layer("functional").get_layer("middle").get_layer("inner").trainable = True
    new = copy(model)
    flat = flatten(model)
    # Keras 3 trains what is trainable itself, below a frozen model too: `inner` and the outermost layer.
    assert [len(part.trainable_weights) for part in (model, new, flat)] == [4, 4, 4]
    middle = new.get_layer("functional").get_layer("middle")
    assert not middle.trainable
    assert middle.get_layer("inner").trainable
    assert [layer.trainable for layer in layers_of(flat)] == [True, False, True]


def test_trainable_flags_inside_a_layer_are_kept():
    model = keras.Sequential([keras.Input((3, 4)), keras.layers.Bidirectional(keras.layers.LSTM(2))])
    model.layers[0].backward_layer.trainable = False
    new = layers_of(copy(model))[0]
    assert new.forward_layer.trainable
    assert not new.backward_layer.trainable


def test_dropout_continues_with_the_same_random_numbers():
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dropout(0.5)])
    batch = np.ones((2, 64), "float32")
    model(batch, training=True)
    new = copy(model)
    np.testing.assert_array_equal(new(batch, training=True), model(batch, training=True))


def test_a_stateful_layer_keeps_its_state():
    model = keras.Sequential([keras.Input(batch_shape=(2, 3, 4)), keras.layers.GRU(5, stateful=True)])
    batch = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    model(batch)
    new = copy(model)
    np.testing.assert_allclose(new(batch), model(batch), rtol=1e-6)


def test_a_subclass_with_its_own_train_step_is_kept():
    class Trained(keras.Model):
        def train_step(self, data):
            return {"answer": 42.0}

    inputs = keras.Input((2,))
    model = Trained(inputs, keras.layers.Dense(1)(inputs))
    assert type(copy(model)) is Trained


def test_a_subclass_with_its_own_constructor_becomes_functional():
    class Sized(keras.Model):
        def __init__(self, units):
            inputs = keras.Input((2,))
            super().__init__(inputs, keras.layers.Dense(units)(inputs))

    model = Sized(3)
    assert_same_outputs(model, copy(model))


def test_a_layer_of_another_kind_may_take_the_place():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="wide"), keras.layers.ReLU()])

    def without_bias(clone, source):
        is_dense = isinstance(source, keras.layers.Dense)
        return keras.layers.Dense(3, use_bias=False, name="narrow") if is_dense else clone

    new = rebuild(model, without_bias)
    new.get_layer("narrow").set_weights(model.get_layer("wide").get_weights()[:1])
    assert_same_outputs(model, new)


def test_a_subclassed_model_is_refused_by_name():
    class Hidden(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(UnsupportedLayerError, match=r"'hidden' is a Hidden.*functional API"):
        copy(Hidden(name="hidden"))


def test_a_sequential_without_an_input_shape_is_refused():
    with pytest.raises(ModelError, match=r"'empty' has no input shape"):
        copy(keras.Sequential([keras.layers.Dense(2)], name="empty"))


def test_a_layer_without_get_config_is_refused_by_name():
    class Opaque(keras.layers.Layer):
        def __init__(self, values, **kwargs):
            super().__init__(**kwargs)
            self.values = values

        def call(self, inputs):
            return inputs * self.values[0]

    model = keras.Sequential([keras.Input((2,)), Opaque(np.ones(1), name="opaque")])
    with pytest.raises(UnsupportedLayerError, match=r"'opaque' \(Opaque\).*get_config"):
        copy(model)


def test_a_layer_whose_config_says_too_little_is_refused_by_name():
    class Forgetful(keras.layers.Layer):
        def __init__(self, units=1, **kwargs):
            super().__init__(**kwargs)
            self.units = units

        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")

        def call(self, inputs):
            return inputs @ self.kernel

        def get_config(self):
            return super().get_config()

    model = keras.Sequential([keras.Input((2,)), Forgetful(3, name="forgetful")])
    with pytest.raises(UnsupportedLayerError, match="'forgetful'"):
        copy(model)


def test_a_lambda_is_refused_by_name():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x * 2, name="double")])
    with pytest.raises(UnsupportedLayerError, match=r"'double' is a Lambda"):
        copy(model)


def test_skipped_operations_pass_on_what_they_read():
    inputs = keras.Input((4,))
    doubling = keras.layers.Rescaling(2.0)
    model = keras.Model(inputs, keras.ops.abs(doubling(keras.layers.Dense(3)(inputs))))
    negative = np.full((2, 4), -1, "float32")
    model.layers[1].set_weights([np.eye(4, 3), np.zeros(3)])
    absolute = next(operation for operation in model.operations if type(operation).__name__ == "Absolute")
    np.testing.assert_array_equal(model(negative), np.full((2, 3), 2))
    np.testing.assert_array_equal(rebuild(model, skip=[doubling, absolute])(negative), np.full((2, 3), -1))
