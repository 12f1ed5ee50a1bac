"""Plain convolutions in their compact forms: what is made, what is left alone, what is refused, and the int8 file."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings, strategies

import tfcompress as tfc
from tests import zoo
from tfcompress.errors import ModelError, RecipeError, TfCompressWarning, UnsupportedLayerError
from tfcompress.layers import CReLU, DoubleConv2D, GroupConv2D
from tfcompress.models.graph import trace
from tfcompress.models.surgery import flatten
from tfcompress.recipe import Recipe
from tfcompress.techniques.compact_filters import CompactFilters
from tfcompress.techniques.compact_forms import FORMS, make_form, plain_convolutions

L = keras.layers
LOCAL = sorted(name for name, form in FORMS.items() if not form.whole)


def network(*, filters: int = 16) -> keras.Model:
    """Convolutions with batch norm and ReLU, with a fused ReLU, strided, 1 x 1, and after a residual sum."""
    keras.utils.set_random_seed(0)
    image = features = keras.Input((9, 9, 3), name="image")
    features = L.ReLU(name="relu1")(
        L.BatchNormalization(name="norm1")(L.Conv2D(filters, 3, padding="same", use_bias=False, name="conv1")(features))
    )
    features = L.Conv2D(filters, 3, strides=2, activation="relu", name="conv2")(features)
    features = keras.ops.relu(L.Conv2D(filters, 3, padding="same", name="conv3")(features))
    summed = L.Add()([features, L.Conv2D(filters, 1, name="conv4")(features)])
    return keras.Model(image, L.Dense(3, name="head")(L.GlobalAveragePooling2D()(summed)), name="plain")


def rewritten(form: object, model: keras.Model | None = None, **settings: object) -> keras.Model:
    with pytest.warns(TfCompressWarning, match="left alone"):
        return CompactFilters(form, **settings).wrap(model or network())


@pytest.mark.parametrize("form", LOCAL)
def test_shapes_between_layers_stay_and_weights_become_fewer(form: str) -> None:
    plain, compact = network(), rewritten(form)
    assert compact.output_shape == plain.output_shape
    assert tfc.profile(compact).parameters < tfc.profile(plain).parameters
    for name in ("norm1", "relu1", "head"):
        if form != "ConcatenatedReLU" or name != "norm1":
            assert compact.get_layer(name).output.shape == plain.get_layer(name).output.shape
    # What is not rewritten keeps its weights.
    np.testing.assert_array_equal(compact.get_layer("head").kernel.numpy(), plain.get_layer("head").kernel.numpy())
    np.testing.assert_array_equal(compact.get_layer("conv4").kernel.numpy(), plain.get_layer("conv4").kernel.numpy())


@pytest.mark.parametrize("form", FORMS)
def test_a_rewritten_model_trains_saves_and_loads(form: str, tmp_path: Path) -> None:
    model = CompactFilters(form).wrap(zoo.make("nested")) if form.startswith("P4") else rewritten(form)
    zoo.fit(model, eagerly=True)
    plain = tfc.strip(model)
    plain.save(tmp_path / "m.keras")
    samples = zoo.samples(plain)
    np.testing.assert_array_equal(tfc.load(tmp_path / "m.keras")(samples), plain(samples))
    np.testing.assert_allclose(plain(samples), model(samples, training=False), atol=1e-6)


def test_concatenated_relu_halves_filters_and_batch_norm_wherever_a_relu_follows() -> None:
    compact = rewritten("ConcatenatedReLU")
    filters = {layer.name: layer.filters for layer in compact.layers if isinstance(layer, L.Conv2D)}
    assert filters == {"conv1": 8, "conv2": 8, "conv3": 8, "conv4": 16}
    assert compact.get_layer("norm1").gamma.shape == (8,)
    assert [layer.name for layer in compact.layers if isinstance(layer, CReLU)][:2] == ["relu1", "conv2_crelu"]
    assert sum(isinstance(layer, CReLU) for layer in compact.layers) == 3
    assert compact.get_layer("conv2").activation is keras.activations.linear
    # Every channel of the concatenation is one part of what the convolution made.
    inner = keras.Model(compact.input, [compact.get_layer(name).output for name in ("norm1", "relu1")])
    normed, parts = inner(zoo.samples(compact))
    expected = np.concatenate([np.maximum(normed, 0), np.maximum(-np.asarray(normed), 0)], -1)
    np.testing.assert_array_equal(parts, expected)


def test_doubly_convolutional_layers_keep_every_setting_of_the_convolution() -> None:
    source = L.Conv2D(
        *(8, (3, 5), 2, "same"),
        activation="relu",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(1e-3),
        name="conv",
    )
    model = keras.Sequential([keras.Input((9, 9, 3)), source, L.Flatten(), L.Dense(2)])
    found = CompactFilters({"type": "DoublyConvolutional", "extra": 3, "pool": 2}).wrap(model).get_layer("conv")
    assert type(found) is DoubleConv2D
    assert (found.filters, found.extra, found.pool, found.kernel_size) == (2, 3, 2, (3, 5))
    assert (found.strides, found.padding, found.use_bias) == ((2, 2), "same", False)
    assert found.activation is keras.activations.relu
    assert type(found.kernel_initializer).__name__ == "HeNormal"
    assert found.kernel_regularizer.l2 == pytest.approx(1e-3)


def test_blocks_take_over_initializer_regularizer_bias_and_activation() -> None:
    source = L.Conv2D(
        16, 3, activation="relu", kernel_initializer="he_normal", kernel_regularizer=keras.regularizers.L2(1e-3)
    )
    model = keras.Sequential([keras.Input((9, 9, 8)), source])
    for form in ("DepthwiseSeparable", "Fire"):
        kernels = [layer for layer in CompactFilters(form).wrap(model).layers if isinstance(layer, L.Conv2D)]
        assert all(layer.kernel_regularizer and layer.use_bias for layer in kernels)
        assert kernels[-1].activation is keras.activations.relu
        assert {type(layer.kernel_initializer).__name__ for layer in kernels} == {"HeNormal"}


def test_what_is_left_alone_is_named_with_its_reason_once() -> None:
    with pytest.warns(TfCompressWarning) as caught:
        CompactFilters(skip=("conv1",)).wrap(network())
    assert [str(item.message) for item in caught] == [
        "CompactFilters left alone conv1 (skip has 'conv1'); conv4 (its kernel is 1 x 1)."
    ]


def test_a_block_that_would_have_more_weights_is_not_made() -> None:
    image = keras.Input((9, 9, 16))
    model = keras.Model(image, L.Conv2D(16, 3, name="few")(L.Conv2D(64, 3, name="many")(image)))
    with pytest.warns(TfCompressWarning, match=r"few \(InvertedResidual would have 34,176 weights, and it has 9,216\)"):
        CompactFilters({"type": "InvertedResidual", "expansion": 6}, skip=("many",), layers={"many": "Fire"}).wrap(
            model
        )


def one_convolution(side: int | None, channels: int, filters: int, **settings: object) -> keras.Model:
    return keras.Sequential([keras.Input((side, side, channels)), L.Conv2D(filters, 3, name="conv", **settings)])


def test_a_block_that_would_take_more_macs_at_these_sizes_is_not_made() -> None:
    # It has 57,802,752 MACs (28 x 28 places, 9 x 64 x 128 weights); expanded to 320 channels at 56 x 56 places,
    # 64 x 320 weights take 64,225,280 there, and (9 + 128) x 320 at 28 x 28 places take 34,370,560.
    model = one_convolution(56, 64, 128, strides=2, padding="same")
    form = {"type": "InvertedResidual", "expansion": 5}
    with pytest.raises(
        RecipeError, match=r"conv \(InvertedResidual would take 98,595,840 MACs, and it takes 57,802,752"
    ):
        CompactFilters(form).wrap(model)
    # With open sizes, four places of the input to one of the output: 4 x 64 x 320 + (9 + 128) x 320.
    with pytest.raises(RecipeError, match=r"would take 125,760 MACs, and it takes 73,728"):
        CompactFilters(form).wrap(one_convolution(None, 64, 128, strides=2, padding="same"))


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    form=strategies.sampled_from(
        ["DepthwiseSeparable", "Fire", "InvertedResidual", {"type": "InvertedResidual", "expansion": 1}]
    ),
    side=strategies.integers(3, 12),
    channels=strategies.sampled_from([4, 8, 24]),
    strides=strategies.integers(1, 3),
    padding=strategies.sampled_from(["same", "valid"]),
)
def test_a_block_takes_the_macs_that_it_was_chosen_for(
    form: object, side: int, channels: int, strides: int, padding: str
) -> None:
    model = one_convolution(side, channels, 24, strides=strides, padding=padding)
    compact, flat = make_form(form), flatten(model)
    (source,) = plain_convolutions(flat)
    counted = compact.macs(source, trace(flat, flat.inputs)[0])
    assert tfc.profile(compact.rewrite(flat, ["conv"])).macs == counted
    saves = counted < tfc.profile(flat).macs and sum(compact.weights(source)) < source.kernel.numpy().size
    assert ("conv" in compact.left_alone(flat, [source])) is not saves


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"dilation_rate": 2}, "grouped or dilated"),
        ({"groups": 2}, "grouped or dilated"),
        ({"kernel_constraint": "unit_norm"}, "a constraint"),
    ],
)
def test_what_a_block_has_no_place_for_is_left_alone(settings: dict[str, object], reason: str) -> None:
    model = keras.Sequential([keras.Input((9, 9, 16)), L.Conv2D(32, 3, name="conv", **settings)])
    with pytest.raises(RecipeError, match=rf"no plain Conv2D to rewrite: conv \(.*{reason}"):
        CompactFilters().wrap(model)


def test_layers_have_forms_of_their_own() -> None:
    compact = rewritten(None, layers={"conv1": "ConcatenatedReLU", "conv[23]": "DoublyConvolutional"})
    kinds = {name: type(compact.get_layer(name)).__name__ for name in ("conv1", "conv2", "conv3", "conv4")}
    assert kinds == {"conv1": "Conv2D", "conv2": "DoubleConv2D", "conv3": "DoubleConv2D", "conv4": "Conv2D"}
    assert compact.get_layer("conv1").filters == 8


def test_a_shared_convolution_stays_shared() -> None:
    left, right = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    tower = L.Conv2D(8, 3, name="tower")
    model = keras.Model([left, right], L.Subtract()([tower(left), tower(right)]))
    compact = CompactFilters("DoublyConvolutional").wrap(model)
    assert sum(isinstance(layer, DoubleConv2D) for layer in compact.layers) == 1
    images = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype("float32")
    assert not np.any(compact([images, images]))


@pytest.mark.parametrize(
    ("form", "filters", "message"),
    [
        ("DoublyConvolutional", 6, r"'conv' .*4 shifts of each meta filter do not divide its 6 filters"),
        ("ConcatenatedReLU", 7, r"'conv' .*its 7 filters cannot be halved"),
        ("Fire", 7, r"'conv'.*7 filters must be halved"),
    ],
)
def test_filters_that_cannot_be_divided_are_refused_by_name(form: str, filters: int, message: str) -> None:
    model = keras.Sequential([keras.Input((8, 8, 8)), L.Conv2D(filters, 3, activation="relu", name="conv")])
    with pytest.raises(UnsupportedLayerError, match=message):
        CompactFilters(form).wrap(model)


@pytest.mark.parametrize("form", FORMS)
def test_channels_first_is_refused_by_name(form: str) -> None:
    model = keras.Sequential([keras.Input((3, 8, 8)), L.Conv2D(8, 3, data_format="channels_first", name="conv")])
    with pytest.raises(UnsupportedLayerError, match=r"'conv' .*channels_first"):
        CompactFilters(form).wrap(model)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"form": "Firy"}, "Unknown form 'Firy'.*'Fire'"),
        ({"form": {"type": "Fire", "squeeze": 1.0}}, r"squeeze must be a share in \(0, 1\)"),
        ({"form": {"type": "Fire", "size": 1.0}}, "does not take these settings"),
        ({"form": {"type": "InvertedResidual", "expansion": 0}}, "expansion must be a whole number from 1"),
        ({"form": {"type": "DoublyConvolutional", "extra": 2, "pool": 2}}, "pool 2 does not divide the 3 shifts"),
        ({"form": {"type": "P4", "width": 0}}, r"P4: width must be in \(0, 1\]"),
        ({"form": None}, "neither a form"),
        ({"form": "P4", "skip": ("conv1",)}, "rewritten as a whole"),
        ({"layers": {"conv1": "P4M"}}, "rewritten as a whole"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        CompactFilters(**settings)


def test_patterns_that_match_nothing_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(RecipeError, match=r"'conv5' matches no plain Conv2D of 'plain'.*'conv"):
        CompactFilters(skip=("conv5",)).wrap(network())


def test_weights_that_are_not_finite_are_refused() -> None:
    model = network()
    model.get_layer("conv2").kernel.assign(np.full((3, 3, 16, 16), np.nan))
    with pytest.raises(ModelError, match="conv2"):
        CompactFilters().wrap(model)


def test_what_an_earlier_step_established_would_be_undone() -> None:
    with pytest.raises(RecipeError, match="undo the sparsity"):
        Recipe([tfc.MagnitudePruning(), CompactFilters()])


def composed(form: object, folder: Path) -> tuple[keras.Model, tfc.Card, float]:
    """The form, then all weight techniques: the model, its int8 file's card, and how far the two differ."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((10, 10, 3)),
            L.Conv2D(16, 3, use_bias=False, name="conv1"),
            L.BatchNormalization(),
            L.ReLU(),
            L.MaxPooling2D(),
            L.Conv2D(16, 3, activation="relu", name="conv2"),
            L.GlobalAveragePooling2D(),
            L.Dense(3, name="head"),
        ]
    )
    steps = [
        CompactFilters(form),
        tfc.Together(
            [tfc.MagnitudePruning(sparsity=0.5, skip=()), tfc.WeightClustering(clusters=6), tfc.QuantizationAware()]
        ),
    ]

    def fit(wrapped: keras.Model, callbacks: list[keras.callbacks.Callback]) -> None:
        # So slowly that no ReLU dies on the zoo's random targets.
        wrapped.compile(keras.optimizers.Adam(1e-3), "mse", jit_compile=False, run_eagerly=True)
        zoo.fit(wrapped, epochs=2)

    result = tfc.compress(model, Recipe(steps), fit, folder)
    samples = np.asarray(zoo.samples(result.model, 40))
    card = tfc.convert(result.model, folder / "m.tflite", representative=samples)
    expected = np.asarray(result.model(samples))
    outputs = np.asarray(tfc.predict(folder / "m.tflite", samples))
    return result.model, card, float(np.abs(outputs - expected).max() / np.ptp(expected))


@pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")
@pytest.mark.parametrize(
    "form",
    [
        "DepthwiseSeparable",
        "DoublyConvolutional",
        "P4",
        *(
            pytest.param(form, marks=pytest.mark.slow)
            for form in (
                "P4M",
                {"type": "DoublyConvolutional", "pool": 2},
                "ConcatenatedReLU",
                "Fire",
                "InvertedResidual",
            )
        ),
    ],
    ids=str,
)
def test_one_recipe_leads_through_every_weight_technique_to_an_int8_file(form: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model, card, difference = composed(form, Path(folder))
    assert not card.conversion["float_operators"]
    assert difference < 0.05
    kernels = {layer.name: layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel")}
    assert all((kernel == 0).mean() >= 0.5 - 1 / kernel.size for kernel in kernels.values())
    if form in ("DepthwiseSeparable", "InvertedResidual"):
        assert any(isinstance(layer, L.DepthwiseConv2D) for layer in model.layers)
    if form in ("P4", "P4M"):
        # Each filter is there in every orientation: as many zeros, and no other values.
        assert any(isinstance(layer, GroupConv2D) for layer in model.layers)
        assert card.sparsity == pytest.approx(0.5, abs=0.02)
        assert card.distinct_values <= 6
