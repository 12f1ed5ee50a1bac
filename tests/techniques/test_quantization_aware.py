"""Quantization-aware training: its settings, what training and strip leave, and the same integers in the int8 file."""

import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tests import zoo
from tfcompress.errors import RecipeError, TfCompressError, TfCompressWarning
from tfcompress.models.surgery import layers_of
from tfcompress.tflite.reading import read
from tfcompress.transforms.activation_range import ActivationRange, FixedRange
from tfcompress.transforms.quantization_kinds import FixedPoint, MovingAverage, PerChannel, PerTensor
from tfcompress.transforms.weight_grid import BinaryGrid, GradientGrid

L = keras.layers


def _small() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), L.Dense(8, "relu", name="hidden"), L.Dense(3, name="head")])


def _trained(model: keras.Model, technique: tfc.QuantizationAware, epochs: int = 1) -> keras.Model:
    wrapped = technique.wrap(model)
    zoo.fit(wrapped, epochs=epochs, eagerly=True)
    return wrapped


@pytest.mark.parametrize("bits", [1, 9, 4.0, True, "8"])
def test_bits_outside_two_to_eight_are_refused(bits: object) -> None:
    for settings in ({"bits": bits}, {"gradients": bits}, {"layers": {"head": bits}}):
        if settings == {"layers": {"head": "8"}}:
            continue
        with pytest.raises(RecipeError, match="from 2 to 8"):
            tfc.QuantizationAware(**settings)
    with pytest.raises(RecipeError, match="from 2 to 8"):
        MovingAverage(bits=bits)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": "PerChanel"}, "Did you mean 'PerChannel'"),
        ({"activations": "Learnt"}, "Did you mean 'Learned'"),
        ({"activations": {"type": "Fixed", "minimum": 1.0}}, "with 0 between them"),
        ({"activations": {"type": "MovingAverage", "decay": 1}}, r"in \[0, 1\)"),
        ({"weights": {"type": "FixedPoint", "bits": 3}}, "does not take these settings"),
        ({"freeze_batch_norm_after": -1}, "number of training batches"),
    ],
)
def test_settings_out_of_range_say_what_to_do(settings: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        tfc.QuantizationAware(**settings)


def test_kinds_may_be_objects_names_or_tables_and_come_back_from_toml() -> None:
    technique = tfc.QuantizationAware(
        bits=5,
        weights={"type": "FixedPoint", "fraction": 3},
        activations={"type": "MovingAverage", "initial": [-6, 6], "decay": 0.999},
        layers={"head": 8, "hid*": "Ternary"},
        freeze_batch_norm_after=10,
    )
    assert technique.weights == FixedPoint(3)
    assert technique == tfc.QuantizationAware(
        bits=5,
        weights=FixedPoint(3),
        activations=MovingAverage(decay=0.999, initial=(-6.0, 6.0)),
        layers={"head": 8, "hid*": {"type": "Ternary"}},
        freeze_batch_norm_after=10,
    )
    recipe = tfc.Recipe([technique, tfc.QuantizationAware(activations=None)])
    assert tfc.Recipe.from_toml(recipe.to_toml()) == recipe


def test_patterns_choose_bits_and_grids_and_skip_leaves_layers_alone() -> None:
    technique = tfc.QuantizationAware(bits=4, layers={"head": PerTensor()}, skip=("Dense",))
    with pytest.warns(TfCompressWarning, match="skipped hidden/kernel"):
        wrapped = technique.wrap(_small())
    assert [layer.name for layer in wrapped.layers if isinstance(layer, ActivationRange)][1:] == ["head_range"]
    plain = _stripped(wrapped, technique)
    kernel = plain.get_layer("head").kernel.numpy()
    integers = kernel / np.abs(kernel).max() * 7
    np.testing.assert_allclose(integers, np.round(integers), atol=1e-5)
    assert len(np.unique(plain.get_layer("hidden").kernel.numpy())) == 48


def _stripped(wrapped: keras.Model, technique: tfc.QuantizationAware) -> keras.Model:
    zoo.fit(wrapped, eagerly=True)
    return technique.strip(wrapped)


def test_two_claims_on_one_model_are_refused_and_stripped_ranges_are_kept() -> None:
    technique = tfc.QuantizationAware()
    wrapped = _trained(_small(), technique)
    with pytest.raises(RecipeError, match="is wrapped already"):
        technique.wrap(wrapped)
    plain = technique.strip(wrapped)
    names = [layer.name for layer in plain.layers]
    again = tfc.QuantizationAware(bits=4).wrap(plain)
    assert [layer.name for layer in again.layers] == names
    assert not any(isinstance(layer, ActivationRange) for layer in again.layers)


def test_what_would_undo_the_grid_is_refused_before_training() -> None:
    with pytest.raises(RecipeError, match="it would undo the ranges"):
        tfc.Recipe([tfc.QuantizationAware(), tfc.MagnitudePruning(sparsity=0.5)])


def test_ranges_that_no_batch_passed_are_named_and_left_out() -> None:
    technique = tfc.QuantizationAware()
    wrapped = technique.wrap(_small())
    with pytest.warns(TfCompressWarning, match="hidden_range, head_range: no training batch passed, or"):
        plain = technique.strip(wrapped)
    assert [type(layer) for layer in plain.layers] == [L.InputLayer, L.Dense, L.Dense]


def test_the_range_of_a_relu_that_never_fired_is_named_and_left_out() -> None:
    model = _small()
    hidden = model.get_layer("hidden")
    hidden.set_weights([-np.abs(hidden.kernel.numpy()), hidden.bias.numpy()])
    technique = tfc.QuantizationAware()
    wrapped = technique.wrap(model)
    wrapped(np.ones((2, *model.input_shape[1:]), "float32"), training=True)
    with pytest.warns(TfCompressWarning, match="every value in it was 0"):
        plain = technique.strip(wrapped)
    assert [type(layer) for layer in plain.layers] == [L.InputLayer, FixedRange, L.Dense, L.Dense]


def test_layers_without_a_rule_are_named_once() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TfCompressWarning)
        tfc.QuantizationAware().wrap(zoo.make("attention"))
    texts = [str(item.message) for item in caught if item.category is TfCompressWarning]
    assert len(texts) == 1
    assert "MultiHeadAttention 'attention'" in texts[0]
    assert "LayerNormalization" in texts[0]


def test_constant_kernels_are_named_and_nan_is_refused() -> None:
    model = _small()
    model.get_layer("head").kernel.assign(np.zeros((8, 3)))
    with pytest.warns(TfCompressWarning, match="head/kernel has one value only"):
        tfc.QuantizationAware().wrap(model)
    model.get_layer("head").kernel.assign(np.full((8, 3), np.nan))
    with pytest.raises(TfCompressError, match="head"):
        tfc.QuantizationAware().wrap(model)


def test_a_model_without_a_kernel_is_refused() -> None:
    with pytest.raises(RecipeError, match="no kernel to work on"):
        tfc.QuantizationAware().wrap(keras.Sequential([keras.Input((3,)), L.ReLU()]))


def test_batch_norm_statistics_stay_after_the_given_batch_and_inference_is_plain() -> None:
    model = zoo.make("conv_batch_norm_relu")
    technique = tfc.QuantizationAware(freeze_batch_norm_after=2)
    wrapped = technique.wrap(model)
    zoo.fit(wrapped, eagerly=True)  # two batches
    layer = next(item for item in wrapped.layers if "batch_normalization" in item.name)
    moving = [item.numpy() for item in layer.layer.non_trainable_variables]
    zoo.fit(wrapped, eagerly=True)
    assert all(np.array_equal(one, item) for one, item in zip(moving, layer.layer.non_trainable_variables, strict=True))
    plain = technique.strip(wrapped)
    assert isinstance(plain.get_layer(layer.name), L.BatchNormalization)
    x = zoo.samples(model)
    np.testing.assert_allclose(plain(x), wrapped(x), atol=1e-6)
    np.testing.assert_array_equal(plain.get_layer(layer.name).moving_mean, moving[0])


def test_gradients_are_on_a_coarse_grid_when_asked_for() -> None:
    owner, kernel = L.Dense(3), keras.Variable(np.ones((4, 3), "float32"))
    grid = GradientGrid(bits=3)
    grid.build(owner, kernel, "kernel")
    import tensorflow as tf

    with tf.GradientTape() as tape:
        values = tf.constant(kernel.numpy())
        tape.watch(values)
        loss = tf.reduce_sum(grid(values) * tf.reshape(tf.range(12.0), (4, 3)))
    gradient = tape.gradient(loss, values).numpy()
    steps = gradient / (11 / 3)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-5)
    assert np.abs(gradient - np.arange(12).reshape(4, 3)).max() < 11 / 3


def test_binary_connect_keeps_raw_weights_where_gradients_reach_them() -> None:
    np.testing.assert_array_equal(BinaryGrid().after_update(np.array([-3.0, 0.2, 1.5])), [-1, 0.2, 1])
    technique = tfc.QuantizationAware(weights="BinaryConnect")
    plain = technique.strip(_trained(_small(), technique))
    assert set(np.unique(plain.get_layer("head").kernel.numpy())) == {-1.0, 1.0}


def _kernels_in_file(path: Path) -> dict[tuple[int, ...], tuple[np.ndarray, np.ndarray]]:
    """The integer kernels of a file and their scales, output channels in front, by their shapes."""
    graph = read(path).graphs[0]
    used = {
        item.inputs[1] for item in graph.operators if item.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    }
    found = {}
    for tensor in (graph.tensors[number] for number in used):
        values = np.frombuffer(tensor.data, "int8").reshape(tensor.shape)
        assert tensor.quantization is not None
        values = np.moveaxis(values, tensor.quantization.axis or 0, 0)
        found[values.shape] = values, np.array(tensor.quantization.scales)
    return found


@pytest.mark.parametrize("bits", [8, 4])
def test_the_file_holds_the_integers_that_training_saw(tmp_path: Path, bits: int) -> None:
    keras.utils.set_random_seed(0)
    layers = [
        *(L.Conv2D(6, 3, use_bias=False, name="conv"), L.BatchNormalization(), L.ReLU()),
        *(L.DepthwiseConv2D(3, use_bias=False, name="depthwise"), L.BatchNormalization(), L.ReLU()),
        *(L.GlobalAveragePooling2D(), L.Dense(4, "softmax", name="head")),
    ]
    model = keras.Sequential([keras.Input((8, 8, 3), name="image"), *layers])
    technique = tfc.QuantizationAware(bits=bits, layers={"head": 8})
    plain = technique.strip(_trained(model, technique, epochs=2))
    samples = zoo.samples(plain)
    card = tfc.convert(plain, tmp_path / "m.tflite", representative=samples)
    assert card.conversion["arithmetic"] == "int8 throughout"
    assert card.conversion["difference"]["max"] <= 2.5 / 256
    in_file = _kernels_in_file(tmp_path / "m.tflite")
    wanted = {"conv": (3, 0, 1, 2), "depthwise": (2, 3, 0, 1), "head": (1, 0)}
    for name, order in wanted.items():
        kernel = next(weight for weight in plain.get_layer(name).weights if "kernel" in weight.name).numpy()
        kernel = kernel.transpose(order)
        if name == "depthwise":
            kernel = kernel.reshape(6, 1, 3, 3)
        flat = kernel.reshape(len(kernel), -1)
        scales = np.abs(flat).max(1, keepdims=True) / 127
        stored = in_file[kernel.shape][0].reshape(len(kernel), -1).astype(int)
        # Batch norm may turn the sign of a channel; its scale is folded into that of the file.
        expected = np.round(flat / scales).astype(int)
        assert all(
            np.array_equal(one, two) or np.array_equal(one, -two) for one, two in zip(stored, expected, strict=True)
        )
        if bits == 4 and name != "head":
            assert max(len(np.unique(row)) for row in stored) <= 15


def test_zeros_and_clusters_of_earlier_steps_stay(tmp_path: Path) -> None:
    model = zoo.make("depthwise")
    pruning, clustering = tfc.MagnitudePruning(sparsity=0.5, skip=()), tfc.WeightClustering(clusters=8)
    for technique in (pruning, clustering, tfc.QuantizationAware()):
        wrapped = technique.wrap(model)
        zoo.fit(wrapped, eagerly=True)
        model = technique.strip(wrapped)
    kernels = [weight.numpy() for weight in model.weights if "kernel" in weight.name]
    assert sum((kernel == 0).sum() for kernel in kernels) >= 0.5 * sum(kernel.size for kernel in kernels) - len(kernels)
    card = tfc.convert(model, tmp_path / "m.tflite", representative=zoo.samples(model))
    assert card.distinct_values <= 8


def test_a_stripped_model_is_loaded_again_with_its_ranges(tmp_path: Path) -> None:
    technique = tfc.QuantizationAware()
    plain = technique.strip(_trained(_small(), technique))
    plain.save(tmp_path / "m.keras")
    loaded = tfc.load(tmp_path / "m.keras")
    assert [type(layer) for layer in layers_of(loaded)].count(FixedRange) == 3
    x = zoo.samples(plain)
    np.testing.assert_array_equal(loaded(x), plain(x))


def test_the_default_grid_is_per_channel() -> None:
    assert tfc.QuantizationAware().weights == PerChannel()
