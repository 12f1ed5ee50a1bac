"""The shapes of layers that users have: one tiny model each, on which every technique must keep its contract."""

from collections.abc import Callable

import keras
import numpy as np

from tfcompress import layers

L = keras.layers


def _image() -> keras.KerasTensor:
    return keras.Input((8, 8, 3), name="image")


def _sequence() -> keras.KerasTensor:
    return keras.Input((6, 4), name="sequence")


def _classifier(inputs: object, features: keras.KerasTensor) -> keras.Model:
    if len(features.shape) == 4:
        features = L.GlobalAveragePooling2D()(features)
    if len(features.shape) == 3:
        features = L.GlobalAveragePooling1D()(features)
    return keras.Model(inputs, L.Dense(3, activation="softmax", name="head")(features))


def conv_batch_norm_relu() -> keras.Model:
    image = _image()
    features = L.BatchNormalization()(L.Conv2D(6, 3, use_bias=False, name="conv")(image))
    return _classifier(image, L.ReLU()(features))


def conv_then_relu() -> keras.Model:
    image = _image()
    return _classifier(image, L.ReLU()(L.Conv2D(6, 3, name="conv")(image)))


def fused_activation() -> keras.Model:
    image = _image()
    return _classifier(image, L.Conv2D(6, 3, activation="relu", name="conv")(image))


def residual_add() -> keras.Model:
    image = _image()
    first = L.Conv2D(6, 3, padding="same", activation="relu", name="first")(image)
    second = L.Conv2D(6, 3, padding="same", name="second")(first)
    return _classifier(image, L.ReLU()(L.Add()([first, second])))


def concatenation() -> keras.Model:
    image = _image()
    branches = [L.Conv2D(4, size, padding="same", name=f"branch{size}")(image) for size in (1, 3)]
    return _classifier(image, L.Conv2D(5, 1, name="after")(L.Concatenate()(branches)))


def depthwise() -> keras.Model:
    image = _image()
    features = L.Conv2D(6, 1, name="pointwise")(L.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(image))
    return _classifier(image, L.ReLU(6.0)(features))


def separable() -> keras.Model:
    image = _image()
    return _classifier(image, L.SeparableConv2D(6, 3, activation="relu", name="separable")(image))


def group_convolution() -> keras.Model:
    image = _image()
    features = layers.GroupBatchNormalization()(layers.LiftingConv2D(4, 3, use_bias=False, name="lifting")(image))
    features = layers.GroupConv2D(4, 3, activation="relu", name="on_group")(L.ReLU()(features))
    return _classifier(image, layers.GroupPooling()(features))


def double_convolution() -> keras.Model:
    image = _image()
    features = layers.CReLU()(layers.DoubleConv2D(2, 3, name="double")(image))
    return _classifier(image, layers.fire(features, 6, squeeze=3, name="fire"))


def dense() -> keras.Model:
    vector = keras.Input((10,), name="vector")
    return _classifier(vector, L.Dense(8, activation="relu", name="hidden")(vector))


def conv_1d() -> keras.Model:
    sequence = _sequence()
    return _classifier(sequence, L.Conv1D(6, 3, activation="relu", name="conv")(sequence))


def gru() -> keras.Model:
    sequence = _sequence()
    return _classifier(sequence, L.GRU(5, unroll=True, name="gru")(sequence))


def lstm() -> keras.Model:
    sequence = _sequence()
    return _classifier(sequence, L.Bidirectional(L.LSTM(4, unroll=True), name="lstm")(sequence))


def attention() -> keras.Model:
    sequence = _sequence()
    attended = L.MultiHeadAttention(2, 4, name="attention")(sequence, sequence)
    return _classifier(sequence, L.LayerNormalization()(L.Add()([sequence, attended])))


def embedding() -> keras.Model:
    words = keras.Input((5,), dtype="int32", name="words")
    return _classifier(words, L.Conv1D(4, 2, name="conv")(L.Embedding(7, 6, name="embedding")(words)))


def nested() -> keras.Model:
    image = _image()
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), L.Conv2D(4, 3, name="inner_conv"), L.BatchNormalization(), L.ReLU()], name="backbone"
    )
    return _classifier(image, L.Conv2D(5, 1, name="outer_conv")(inner(image)))


def shared_layer() -> keras.Model:
    left, right = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    tower = L.Dense(5, activation="tanh", name="tower")
    return _classifier([left, right], keras.ops.absolute(tower(left) - tower(right)))


def two_inputs() -> keras.Model:
    image, vector = _image(), keras.Input((4,), name="vector")
    pooled = L.GlobalAveragePooling2D()(L.Conv2D(4, 3, name="conv")(image))
    return _classifier([image, vector], L.Concatenate()([pooled, L.Dense(3, name="side")(vector)]))


def two_outputs() -> keras.Model:
    vector = keras.Input((6,), name="vector")
    hidden = L.Dense(8, activation="relu", name="hidden")(vector)
    outputs = {"label": L.Dense(3, activation="softmax", name="label")(hidden), "size": L.Dense(1, name="size")(hidden)}
    return keras.Model(vector, outputs)


ZOO: dict[str, Callable[[], keras.Model]] = {
    builder.__name__: builder
    for builder in (
        conv_batch_norm_relu,
        conv_then_relu,
        fused_activation,
        residual_add,
        concatenation,
        depthwise,
        separable,
        group_convolution,
        double_convolution,
        dense,
        conv_1d,
        gru,
        lstm,
        attention,
        embedding,
        nested,
        shared_layer,
        two_inputs,
        two_outputs,
    )
}


def make(name: str) -> keras.Model:
    """A model of the zoo with seeded weights, its batch-norm statistics away from their start."""
    keras.utils.set_random_seed(1)
    model = ZOO[name]()
    generator = np.random.default_rng(1)
    for weight in model.weights:
        if "moving" in weight.name:
            weight.assign(generator.uniform(0.5, 1.5, weight.shape))
    return model


def samples(model: keras.Model, count: int = 8) -> object:
    """Seeded inputs in the structure of a model's inputs."""
    generator = np.random.default_rng(2)

    def sample(tensor: keras.KerasTensor) -> np.ndarray:
        shape = (count, *tensor.shape[1:])
        if tensor.dtype == "int32":
            return generator.integers(0, 7, shape).astype("int32")
        return generator.normal(size=shape).astype("float32")

    return keras.tree.map_structure(sample, model.input)


def targets(model: keras.Model, count: int = 8) -> object:
    """Seeded targets in the structure of a model's outputs."""
    generator = np.random.default_rng(3)
    return keras.tree.map_structure(
        lambda tensor: generator.random((count, *tensor.shape[1:])).astype("float32"), model.output
    )


def fit(model: keras.Model, epochs: int = 1, *, eagerly: bool = False) -> None:
    """A few steps of training, four samples each; without XLA, whose compilation would cost seconds per model."""
    if not model.compiled:
        model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False, run_eagerly=eagerly)
    model.fit(samples(model), targets(model), batch_size=4, epochs=epochs, shuffle=False, verbose=0)
