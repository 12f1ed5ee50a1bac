"""What is left when channels are removed computes what the whole model does with these channels at zero."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies

from tests import zoo
from tests.models import random_graphs
from tests.models.masked import masked
from tfcompress import layers
from tfcompress.models.channels import Channels, channel_groups
from tfcompress.models.cutting import cut

L = keras.layers


def half(found: Channels, seed: int = 0) -> list[np.ndarray]:
    """About half of each group's channels, drawn."""
    generator = np.random.default_rng(seed)
    return [
        np.sort(generator.choice(group.channels, max(1, group.channels // 2), replace=False)) for group in found.groups
    ]


def shuffled(model: keras.Model) -> keras.Model:
    """The model with every weight away from zeros and ones, so that a bias or a scale that is mixed up shows."""
    generator = np.random.default_rng(1)
    for weight in model.weights:
        if "seed" not in weight.name:
            positive = "variance" in weight.name
            weight.assign(
                generator.uniform(0.5, 1.5, weight.shape) if positive else generator.normal(size=weight.shape) / 3
            )
    return model


def assert_cut_equals_masked(model: keras.Model, groups: int | None = None) -> keras.Model:
    """Removes half of each group's channels both ways; gives the smaller model."""
    shuffled(model)
    found = channel_groups(model)
    assert groups is None or len(found.groups) == groups, str(found)
    kept = half(found)
    before = model.get_weights()
    smaller = cut(model, found, kept)
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    inputs = zoo.samples(model)
    expected = keras.tree.flatten(masked(model, found, kept)(inputs, training=False))
    for one, other in zip(expected, keras.tree.flatten(smaller(inputs, training=False)), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5 * max(1.0, float(np.abs(one).max())))
    assert not found.groups or smaller.count_params() < model.count_params()
    return smaller


@pytest.mark.parametrize("name", sorted(zoo.ZOO))
def test_a_model_of_the_zoo_with_half_of_its_channels(name):
    assert_cut_equals_masked(zoo.make(name))


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(strategies.data())
def test_any_model_with_half_of_its_channels(data):
    assert_cut_equals_masked(random_graphs.model(data.draw))


@pytest.mark.slow
@pytest.mark.timeout(1800)  # seconds; each model is built three times
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(strategies.data())
def test_many_models_with_half_of_their_channels(data):
    assert_cut_equals_masked(random_graphs.model(data.draw))


def chained_residuals() -> keras.Model:
    image = keras.Input((6, 6, 3))
    x = L.Conv2D(6, 3, padding="same", name="stem")(image)
    for number in range(3):
        y = L.ReLU()(L.BatchNormalization()(L.Conv2D(4, 3, padding="same", name=f"inner{number}")(x)))
        x = L.Add()([x, L.Conv2D(6, 3, padding="same", name=f"outer{number}")(y)])
    return keras.Model(image, L.Dense(2)(L.GlobalAveragePooling2D()(x)))


def densely_connected() -> keras.Model:
    image = keras.Input((6, 6, 3))
    x = L.Conv2D(4, 3, padding="same")(image)
    for _ in range(3):
        x = L.Concatenate()([x, L.Conv2D(3, 3, padding="same")(L.ReLU()(L.BatchNormalization()(x)))])
    return keras.Model(image, L.Dense(2)(L.Flatten()(x)))


def decoder() -> keras.Model:
    """From a vector to a map, as in a generator."""
    vector = keras.Input((5,))
    x = L.Reshape((2, 3, 8), name="map")(L.Dense(48)(vector))
    x = L.Conv2DTranspose(6, 3, strides=2, padding="same")(x)
    return keras.Model(vector, L.Conv2D(1, 3, padding="same")(L.UpSampling2D()(x)))


def squeeze_and_excitation_by_rank() -> keras.Model:
    """A gate (batch, channels), to which the merging layer gives the missing axes."""
    image = keras.Input((6, 6, 3))
    x = L.Conv2D(8, 3)(image)
    gate = L.Dense(8, activation="sigmoid")(L.Dense(2, activation="relu")(L.GlobalMaxPooling2D()(x)))
    return keras.Model(image, L.Dense(2)(L.GlobalAveragePooling2D()(L.Multiply()([x, gate]))))


def nested_twice() -> keras.Model:
    """A nested model in the middle, called twice: its own input loses channels too."""
    inner_input = keras.Input((6, 6, 4))
    inner = keras.Model(inner_input, L.Add()([inner_input, L.Conv2D(4, 3, padding="same")(L.ReLU()(inner_input))]))
    image = keras.Input((6, 6, 3))
    x = inner(inner(L.Conv2D(4, 3, padding="same")(image)))
    return keras.Model(image, L.Dense(2)(L.GlobalAveragePooling2D()(x)))


def transformer_block() -> keras.Model:
    words = keras.Input((5,), dtype="int32")
    x = L.Embedding(7, 8)(words)
    x = L.LayerNormalization()(L.Add()([x, L.MultiHeadAttention(2, 4)(x, x)]))
    y = L.Dense(8)(L.Dense(12, activation="gelu")(x))
    return keras.Model(words, L.Dense(2)(L.GlobalAveragePooling1D()(L.LayerNormalization()(L.Add()([x, y])))))


def two_attentions() -> keras.Model:
    left, right = keras.Input((5, 3)), keras.Input((7, 2))
    x = L.MultiHeadAttention(2, 3, value_dim=5, output_shape=6)(L.Dense(6)(left), L.Dense(4)(right))
    x = L.Attention(use_scale=True)([x, L.Dense(8)(right), L.Dense(6)(right)])
    return keras.Model([left, right], L.Dense(2)(L.AdditiveAttention()([L.Dense(8)(x), L.Dense(8)(right)])))


def norms() -> keras.Model:
    image = keras.Input((4, 4, 3))
    x = L.GroupNormalization(groups=2)(L.Conv2D(8, 1)(image))
    x = L.LayerNormalization()(L.Conv2D(6, 1)(x))
    x = L.RMSNormalization()(L.Conv2D(6, 1)(x))
    x = L.BatchNormalization(scale=False)(L.PReLU()(x))
    return keras.Model(image, L.Dense(2)(L.Flatten()(x)))


def recurrent_stack() -> keras.Model:
    sequence = keras.Input((5, 4))
    x = L.GRU(6, return_sequences=True)(L.Conv1D(6, 2, padding="causal")(sequence))
    x = L.Bidirectional(L.LSTM(3, return_sequences=True))(x)
    return keras.Model(sequence, L.Dense(2)(L.SimpleRNN(4)(L.Dense(6)(x))))


def shared_trunk_with_two_heads() -> keras.Model:
    left, right = keras.Input((6, 6, 3)), keras.Input((6, 6, 3))
    trunk = L.Conv2D(6, 3, name="trunk")
    tops = [L.GlobalAveragePooling2D()(L.ReLU()(trunk(image))) for image in (left, right)]
    merged = L.Dense(4, activation="relu")(L.Concatenate()([*tops, keras.ops.absolute(tops[0] - tops[1])]))
    return keras.Model([left, right], {"same": L.Dense(1)(merged), "class": L.Dense(3)(tops[0])})


def over_time() -> keras.Model:
    """Operations of keras.ops: a mean over time, a transposition there and back, a sum with a number."""
    sequence = keras.Input((6, 4))
    x = keras.ops.transpose(L.Dense(8)(sequence) + 1.0, (0, 2, 1))
    x = L.Conv1D(6, 1)(keras.ops.transpose(keras.ops.silu(x), (0, 2, 1)))
    return keras.Model(sequence, L.Dense(2)(keras.ops.mean(x, axis=1)))


def gates_of_operations() -> keras.Model:
    """Squeeze and excitation written with `keras.ops`, in four ways."""
    image = keras.Input((6, 6, 3))
    x = L.Conv2D(8, 3, name="features")(image)
    openings = (
        lambda gate: keras.ops.reshape(gate, (-1, 1, 1, 8)),
        lambda gate: keras.ops.expand_dims(keras.ops.expand_dims(gate, 1), -2),
        lambda gate: gate[:, None, None, :],
        lambda gate: gate[:, None, ..., None, :],
    )
    for opening in openings:
        squeezed = keras.ops.squeeze(keras.ops.mean(x, axis=(1, 2), keepdims=True), axis=(1, 2))
        x = x * opening(L.Dense(8, activation="sigmoid")(L.Dense(2, activation="relu")(squeezed)))
    return keras.Model(image, L.Dense(2)(keras.ops.reshape(x, (-1, 4 * 4 * 8))))


def halves() -> keras.Model:
    """A split along the channels, and one along the places."""
    image = keras.Input((6, 6, 3))
    one, other = keras.ops.split(L.Conv2D(8, 3)(image), 2, axis=-1)
    top, bottom = keras.ops.split(one * other, 2, axis=1)
    return keras.Model(image, L.Dense(2)(L.Flatten()(top - bottom[:, ::-1])))


def last_step() -> keras.Model:
    sequence = keras.Input((6, 4))
    return keras.Model(sequence, L.Dense(2)(L.GRU(5, return_sequences=True)(L.Dense(6)(sequence))[:, -1]))


def both_parts() -> keras.Model:
    image = keras.Input((6, 6, 3))
    x = layers.CReLU()(L.BatchNormalization()(L.Conv2D(4, 3)(image)))
    return keras.Model(image, L.Dense(2)(L.Flatten()(L.Conv2D(4, 3)(x))))


def meta_filters() -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = layers.DoubleConv2D(4, 3, activation="relu")(L.Conv2D(4, 3)(image))
    return keras.Model(image, L.Dense(2)(L.Flatten()(layers.DoubleConv2D(4, 3, extra=1, pool=2)(x))))


def nested_operations() -> keras.Model:
    """A nested model with a shape in it, called twice."""
    vector = keras.Input((6,))
    features = keras.Input((8,))
    inner = keras.Model(features, L.Conv1D(8, 1)(keras.ops.reshape(features, (-1, 1, 8)))[:, 0])
    return keras.Model(vector, L.Dense(2)(inner(inner(L.Dense(8)(vector)))))


def test_a_reshape_that_mixes_samples_keeps_its_channels():
    sequence = keras.Input((6, 4), batch_size=1)
    x = keras.ops.reshape(L.Dense(8, name="mixed")(sequence), (-1, 8))
    found = channel_groups(keras.Model(sequence, L.Dense(2)(x)))
    assert "with the batch among others" in dict(found.kept)["mixed"]


@pytest.mark.parametrize(
    ("take", "reason"),
    [
        (lambda x: x[:, :, 1:], "are picked by"),
        (lambda x: x[:, :, 0], "are picked by"),
        (lambda x: keras.ops.split(x, [2], axis=-1)[0], "are divided at fixed places by"),
        (lambda x: keras.ops.transpose(keras.ops.transpose(x)), "change places with the batch"),
    ],
)
def test_channels_that_are_picked_one_by_one_are_kept(take, reason):
    sequence = keras.Input((6, 4))
    model = keras.Model(sequence, L.Dense(2)(L.Flatten()(take(L.Dense(8, name="picked")(sequence)))))
    assert reason in dict(assert_keeps(model))["picked"]


def assert_keeps(model: keras.Model) -> tuple[tuple[str, str], ...]:
    """Why channels are kept in a model without a group."""
    assert_cut_equals_masked(model, 0)
    return channel_groups(model).kept


def tower(layer: keras.layers.Layer, first: bool) -> keras.Model:
    """A layer that two convolutions reach, one of them through a layer without a rule."""
    image = keras.Input((4, 4, 3))
    told, hidden = (L.Conv2D(4, 1, name=name)(image) for name in ("told", "hidden"))
    parts = [told, random_graphs.Opaque()(hidden)]
    x = L.Concatenate()([layer(one) for one in (reversed(parts) if first else parts)])
    return keras.Model(image, L.Dense(2)(L.Flatten()(x)))


def nested_convolution() -> keras.Model:
    features = keras.Input((4, 4, 4))
    return keras.Model(features, L.Conv2D(3, 1)(L.ReLU()(features)))


@pytest.mark.parametrize("first", [True, False], ids=["opaque first", "opaque last"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: L.BatchNormalization(),
        lambda: L.Conv2D(3, 1),
        lambda: L.Conv2D(8, 1, groups=2),
        lambda: L.Conv2D(8, 1, groups=4),
        lambda: L.Conv2DTranspose(3, 1),
        lambda: L.DepthwiseConv2D(1),
        lambda: L.Dense(3),
        lambda: L.EinsumDense("bhwc,cd->bhwd", (4, 4, 3)),
        lambda: L.GroupNormalization(2),
        lambda: L.LayerNormalization(),
        lambda: L.PReLU(),
        lambda: L.RMSNormalization(),
        lambda: L.Reshape((16, 4)),
        lambda: L.SeparableConv2D(3, 1),
        nested_convolution,
    ],
    ids=lambda make: type(make()).__name__,
)
def test_a_shared_layer_stays_whole_where_it_also_reads_what_cannot_be_told(make, first):
    model = tower(make(), first)
    assert_cut_equals_masked(model)
    assert dict(channel_groups(model).kept)["told"].startswith(
        ("meet a tensor whose channels cannot be told in", "are counted by a size", "enter a nested model")
    )


def test_a_shared_attention_stays_whole_where_it_also_compares_what_cannot_be_told():
    sequence = keras.Input((5, 3))
    told, hidden = L.Dense(4, name="told")(sequence), random_graphs.Opaque()(L.Dense(4)(sequence))
    attention = L.AdditiveAttention()
    parts = [attention([one, one]) for one in (told, hidden)]
    model = keras.Model(sequence, L.Dense(2)(L.Concatenate()(parts)))
    assert_cut_equals_masked(model, 0)


def test_attention_keeps_channels_that_lie_on_another_axis():
    sequence = keras.Input((5, 3))
    moved = L.Permute((2, 1))(L.Dense(5, name="moved")(sequence))
    assert_cut_equals_masked(keras.Model(sequence, L.Dense(2)(L.Attention()([moved, moved]))), 0)


def test_channels_that_are_looked_up_are_kept():
    vector = keras.Input((3,))
    words = keras.ops.cast(L.Dense(4, activation="sigmoid", name="words")(vector), "int32")
    model = keras.Model(vector, L.Dense(2)(L.Flatten()(L.Embedding(2, 3, name="table")(words))))
    assert_cut_equals_masked(model, 1)
    assert "are looked up by 'table'" in dict(channel_groups(model).kept)["words"]


@pytest.mark.parametrize(
    ("build", "groups"),
    [
        (chained_residuals, 4),
        (densely_connected, 4),
        (decoder, 2),
        (squeeze_and_excitation_by_rank, 2),
        (nested_twice, 1),
        (transformer_block, 3),
        (two_attentions, 6),
        (norms, 3),
        (recurrent_stack, 5),
        (shared_trunk_with_two_heads, 2),
        (over_time, 2),
        (gates_of_operations, 5),
        (halves, 1),
        (last_step, 2),
        (both_parts, 2),
        (meta_filters, 3),
        (nested_operations, 1),
    ],
)
def test_a_graph_with_half_of_its_channels(build, groups):
    assert_cut_equals_masked(build(), groups)


def test_flags_and_the_structure_of_outputs_are_kept():
    model = shared_trunk_with_two_heads()
    model.get_layer("trunk").trainable = False
    found = channel_groups(model)
    smaller = cut(model, found, half(found))
    assert not smaller.get_layer("trunk").trainable
    assert set(smaller.output) == {"same", "class"}
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]


@pytest.mark.parametrize("build", [decoder, gates_of_operations])
def test_a_cut_model_is_saved_and_loaded(build, tmp_path):
    model = build()
    found = channel_groups(model)
    smaller = cut(model, found, half(found))
    smaller.save(tmp_path / "smaller.keras")
    loaded = keras.saving.load_model(tmp_path / "smaller.keras")
    inputs = zoo.samples(model)
    np.testing.assert_array_equal(loaded(inputs), smaller(inputs))
