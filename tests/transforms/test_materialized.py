"""Where ranges belong: the tensors that TFLite keeps, on graphs of each shape."""

import keras

from tests import zoo
from tfcompress import layers
from tfcompress.transforms.materialized import materialized

L = keras.layers


def _places(model: keras.Model) -> list[str]:
    """The names of the operations after which a range belongs, without the input of a Sequential, which has no name."""
    found = materialized(model)
    operations = {id(layer): layer for layer in model._flatten_layers()} | {
        id(item): item for item in getattr(model, "operations", [])
    }
    names = [operations[number].name for number, calls in found.places.items() if any(calls)]
    return [name for name in names if not name.startswith("input_layer")]


def test_a_convolution_with_batch_norm_and_relu_has_one_range_at_its_end() -> None:
    layers = [L.Conv2D(4, 3, name="conv"), L.BatchNormalization(name="norm"), L.Dropout(0.1), L.ReLU(6.0, name="relu")]
    model = keras.Sequential([keras.Input((8, 8, 3), name="image"), *layers])
    assert _places(model) == ["image", "relu"]


def test_what_is_read_twice_or_given_out_keeps_a_range_of_its_own() -> None:
    image = keras.Input((8, 8, 3), name="image")
    conv = L.Conv2D(3, 1, name="conv")(image)
    relu = L.ReLU(name="relu")(conv)
    model = keras.Model(image, [L.Add(name="sum")([relu, conv]), relu])
    assert _places(model) == ["image", "conv", "relu", "sum"]


def test_activations_that_tflite_does_not_merge_keep_what_they_read() -> None:
    for activation in (L.LeakyReLU(name="last"), L.Activation("swish", name="last"), L.ReLU(1.0, name="last")):
        model = keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(4, 3, name="conv"), activation])
        assert _places(model) == ["conv", "last"]


def test_ranges_that_tflite_fixes_or_hands_on_are_left_to_it() -> None:
    layers = [
        L.Conv2D(4, 3, activation="relu", name="conv"),
        L.MaxPooling2D(),
        L.Flatten(),
        L.Dense(3, name="logits"),
        L.Softmax(),
    ]
    assert _places(keras.Sequential([keras.Input((8, 8, 3)), *layers])) == ["conv", "logits"]
    assert _places(keras.Sequential([keras.Input((8,)), L.Dense(3, "sigmoid")])) == []


def test_branches_of_a_concatenation_take_its_range() -> None:
    assert "branch1" not in _places(zoo.make("concatenation"))
    assert "concatenate" in _places(zoo.make("concatenation"))[1]


def test_each_call_of_a_shared_layer_counts_by_itself() -> None:
    model = zoo.make("two_inputs")
    assert materialized(model).unknown == ()
    left, right = keras.Input((6,)), keras.Input((6,))
    tower = L.Dense(5, name="tower")
    model = keras.Model([left, right], L.Subtract()([L.ReLU()(tower(left)), tower(right)]))
    assert materialized(model).places[id(tower)] == [False, True]


def test_what_has_no_rule_is_named() -> None:
    assert materialized(zoo.make("gru")).unknown == ("GRU 'gru'",)
    assert {text.split()[0] for text in materialized(zoo.make("attention")).unknown} == {
        "MultiHeadAttention",
        "LayerNormalization",
    }


def test_indices_are_no_activations() -> None:
    assert "words" not in _places(zoo.make("embedding"))


def test_convolutions_of_compact_networks_take_batch_norm_and_relu_in_as_plain_ones_do() -> None:
    inner = [layers.GroupBatchNormalization(name="norm"), L.ReLU(name="relu"), layers.GroupPooling(name="pooling")]
    chain = [layers.LiftingConv2D(2, 3, name="lifting"), *inner, layers.DoubleConv2D(2, 3, activation="relu", name="d")]
    model = keras.Sequential([keras.Input((8, 8, 3), name="image"), *chain])
    assert _places(model) == ["image", "relu", "d"]
    assert materialized(model).unknown == ()


def test_windows_that_are_pooled_and_both_parts_of_a_concatenated_relu_have_ranges_of_their_own() -> None:
    chain = [layers.DoubleConv2D(2, 3, extra=1, pool=2, name="double"), L.ReLU(name="relu"), layers.CReLU(name="both")]
    model = keras.Sequential([keras.Input((8, 8, 3), name="image"), *chain])
    assert _places(model) == ["image", "double", "relu", "both"]


def test_an_einsum_has_a_range_unless_its_bias_is_an_addition_of_its_own() -> None:
    for bias_axes, known in ((None, True), ("c", True), ("bc", False)):
        einsum = L.EinsumDense("abx,xc->abc", (4, 5), bias_axes=bias_axes, name="einsum")
        model = keras.Sequential([keras.Input((4, 3)), einsum])
        assert (_places(model) == ["einsum"]) is known
        assert bool(materialized(model).unknown) is not known
