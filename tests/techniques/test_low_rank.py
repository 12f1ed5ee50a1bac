import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.errors import RecipeError, TfCompressWarning, UnsupportedLayerError
from tfcompress.models.surgery import layers_of

L = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")


def outputs(model: keras.Model, seed: int = 0) -> np.ndarray:
    shape = (2, *model.input_shape[1:])
    return np.asarray(model(np.random.default_rng(seed).normal(size=shape).astype("float32"), training=False))


def one_layer(layer: keras.Layer, shape: tuple[int, ...], kernel: np.ndarray | None = None) -> keras.Model:
    """A model of one layer with random biases, and its kernel where one is given."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input(shape), layer])
    if layer.use_bias:
        layer.bias.assign(np.random.default_rng(1).normal(size=layer.bias.shape))
    if kernel is not None:
        layer.kernel.assign(kernel)
    return model


def separable_kernel(height: int, width: int, channels: int, filters: int, terms: int) -> np.ndarray:
    """A sum of separable terms: its rank is their number, in whatever way it is factorized."""
    generator = np.random.default_rng(7)
    parts = [generator.normal(size=(size, terms)) for size in (height, width, channels, filters)]
    return np.einsum("hr,wr,sr,tr->hwst", *parts)


GEOMETRIES = {
    "valid": {},
    "same": {"padding": "same"},
    "strides": {"strides": 2},
    "strides-same": {"strides": 2, "padding": "same"},
    "dilation": {"dilation_rate": 2, "padding": "same"},
    "dilation-valid": {"dilation_rate": (2, 1)},
    "no-bias": {"use_bias": False},
    "activation": {"activation": "relu", "padding": "same"},
}


@pytest.mark.parametrize("convolution", ["Tucker2", "SpatialSVD", "SVD", "CP"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_chain_of_full_information_computes_what_the_convolution_did(geometry: str, convolution: str) -> None:
    layer = L.Conv2D(12, (3, 5), name="conv", **GEOMETRIES[geometry])
    model = one_layer(layer, (11, 12, 10), separable_kernel(3, 5, 10, 12, terms=2))
    smaller = tfc.LowRank(ranks=2, convolution=convolution).wrap(model)
    assert len(smaller.layers) > 2
    scale = np.abs(outputs(model)).max()
    np.testing.assert_allclose(
        outputs(smaller) / scale, outputs(model) / scale, atol=1e-2 if convolution == "CP" else 1e-5
    )
    assert smaller.output_shape == model.output_shape


def test_a_convolution_with_another_stride_along_each_axis_is_factorized_without_depthwise_layers() -> None:
    layer = L.Conv2D(12, (3, 5), (1, 2), padding="same", name="conv")
    model = one_layer(layer, (11, 12, 10), separable_kernel(3, 5, 10, 12, terms=2))
    for convolution in ("Tucker2", "SpatialSVD"):
        smaller = tfc.LowRank(ranks=2, convolution=convolution).wrap(model)
        np.testing.assert_allclose(outputs(smaller), outputs(model), rtol=1e-3, atol=1e-2)
    left = tfc.LowRank(ranks=2, convolution="CP").plan(model).left
    assert left == (("conv", "no depthwise convolution has strides of 1 and 2"),)


@pytest.mark.parametrize("strides", [1, 2])
def test_a_convolution_of_one_by_one_becomes_two(strides: int) -> None:
    kernel = np.ones((1, 1, 16, 12)) * np.arange(16).reshape(1, 1, 16, 1)
    model = one_layer(L.Conv2D(12, 1, strides, name="conv"), (7, 7, 16), kernel)
    smaller = tfc.LowRank().wrap(model)
    shapes = [tuple(layer.kernel.shape) for layer in smaller.layers[1:]]
    assert shapes == [(1, 1, 16, 1), (1, 1, 1, 12)]
    # The stride stands first, so that the second layer computes on fewer positions.
    assert [layer.strides for layer in smaller.layers[1:]] == [(strides, strides), (1, 1)]
    np.testing.assert_allclose(outputs(smaller), outputs(model), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("convolution", ["Tucker2", "SpatialSVD", "SVD", "CP"])
@pytest.mark.parametrize("settings", [{"padding": "same"}, {"strides": 2, "padding": "same"}, {"dilation_rate": 2}])
def test_a_convolution_over_a_sequence_is_factorized_too(settings: dict[str, object], convolution: str) -> None:
    kernel = separable_kernel(5, 1, 9, 11, terms=1)[:, 0]
    model = one_layer(L.Conv1D(11, 5, name="conv", **settings), (20, 9), kernel)
    smaller = tfc.LowRank(ranks=1, convolution=convolution).wrap(model)
    assert len(smaller.layers) > 2
    np.testing.assert_allclose(outputs(smaller), outputs(model), rtol=1e-3, atol=1e-3)


def test_a_causal_convolution_stays_causal() -> None:
    kernel = separable_kernel(5, 1, 9, 11, terms=1)[:, 0]
    model = one_layer(L.Conv1D(11, 5, padding="causal", name="conv"), (20, 9), kernel)
    smaller = tfc.LowRank(ranks=1).wrap(model)
    np.testing.assert_allclose(outputs(smaller), outputs(model), rtol=1e-3, atol=1e-3)
    assert tfc.LowRank(ranks=1, convolution="CP").plan(model).left == (("conv", "no depthwise convolution is causal"),)


@pytest.mark.parametrize("shape", [(16,), (5, 16)], ids=["vector", "sequence"])
def test_a_dense_layer_becomes_two_with_its_bias_and_activation_in_the_second(shape: tuple[int, ...]) -> None:
    kernel = np.outer(np.arange(16), np.arange(12)) + np.outer(np.ones(16), np.arange(12) ** 2)
    model = one_layer(L.Dense(12, activation="tanh", name="hidden"), shape, kernel / 100)
    smaller = tfc.LowRank(energy=0.999999).wrap(model)
    first, second = smaller.layers[1:]
    assert (first.name, first.use_bias, first.activation.__name__) == ("hidden_factor1", False, "linear")
    assert (second.name, second.use_bias, second.activation.__name__) == ("hidden", True, "tanh")
    assert first.units == 2
    np.testing.assert_allclose(outputs(smaller), outputs(model), atol=1e-4)


def test_the_first_outputs_are_those_of_the_best_approximation() -> None:
    model = one_layer(L.Dense(20, use_bias=False, name="hidden"), (30,))
    left, values, right = np.linalg.svd(model.layers[-1].kernel.numpy(), full_matrices=False)
    x = np.random.default_rng(0).normal(size=(2, 30)).astype("float32")
    expected = x @ (left[:, :5] * values[:5]) @ right[:5]
    plan = tfc.LowRank(ranks=5).plan(model)
    np.testing.assert_allclose(tfc.LowRank(ranks=5).wrap(model)(x), expected, atol=1e-5)
    assert plan.layers[0].error == pytest.approx(np.sqrt((values[5:] ** 2).sum() / (values**2).sum()), rel=1e-4)


def test_a_layer_is_left_alone_where_nothing_is_saved_and_named_with_why() -> None:
    image = keras.Input((8, 8, 16))
    features = L.Conv2D(16, 3, name="conv")(image)
    features = L.DepthwiseConv2D(3, name="depthwise")(features)
    features = L.Conv2D(16, 1, groups=4, name="grouped")(features)
    features = L.Conv2D(16, 1, name="zero", kernel_initializer="zeros")(features)
    model = keras.Model(image, L.Dense(2, name="head")(L.Flatten()(features)))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", TfCompressWarning)
        smaller = tfc.LowRank(ranks=1, layers={"head": 2}, skip=["zero"]).wrap(model)
    assert [str(one.message) for one in said if one.category is TfCompressWarning] == [
        "LowRank left alone depthwise (DepthwiseConv2D); grouped (Conv2D in 4 groups); "
        "head (would not be cheaper with ranks 2)."
    ]
    assert [layer.name for layer in layers_of(smaller)][:3] == ["conv_factor1", "conv_factor2", "conv"]
    left = dict(tfc.LowRank(ranks=1, skip=["depthwise"]).plan(model).left)
    assert left == {"depthwise": "skip has 'depthwise'", "grouped": "Conv2D in 4 groups", "zero": "its kernel is zero"}


def test_shared_layers_and_nested_models_stay_so() -> None:
    shared = L.Dense(12, name="tower")
    inner = keras.Sequential([keras.Input((12,)), L.Dense(12, name="inside")], name="inner")
    left, right = keras.Input((12,)), keras.Input((12,))
    model = keras.Model([left, right], inner(shared(left) + shared(right)))
    smaller = tfc.LowRank(ranks=12 // 4).wrap(model)
    assert [layer.name for layer in layers_of(smaller) if layer.weights] == [
        *("tower_factor1", "tower", "inside_factor1", "inside")
    ]
    assert tfc.profile(smaller).macs == 3 * 2 * 3 * 12  # three calls, two layers each, 12 x 3 weights
    plan = tfc.LowRank(ranks=3).plan(model)
    assert sum(one.after.macs for one in plan.layers) == tfc.profile(smaller).macs


def test_the_costs_of_a_plan_are_those_of_the_profile() -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((17, 15, 8))
    features = L.Conv2D(12, 3, 2, padding="same", name="a")(image)
    features = L.Conv2D(12, (5, 3), name="b")(features)
    model = keras.Model(image, L.Dense(40, name="c")(L.Flatten()(features)))
    for convolution in ("Tucker2", "SpatialSVD", "CP"):
        technique = tfc.LowRank(ranks={"type": "Ratio", "ratio": 0.4}, convolution=convolution)
        plan, smaller = technique.plan(model), tfc.profile(technique.wrap(model))
        assert len(plan.layers) == 3
        assert sum(one.before.macs for one in plan.layers) == tfc.profile(model).macs
        assert sum(one.after.macs for one in plan.layers) == smaller.macs
        assert all(one.after.macs <= 0.4 * one.before.macs for one in plan.layers)


def test_a_cp_has_one_rank_which_may_be_above_in_and_out() -> None:
    model = one_layer(L.Conv2D(24, 3, padding="same", name="conv"), (8, 8, 16))
    for technique in (
        tfc.LowRank(ranks=40, convolution="CP"),
        tfc.LowRank(convolution="CP", layers={"conv": [40]}),
    ):
        plan = technique.plan(model)
        assert plan.layers[0].ranks == (40,)
        assert plan.layers[0].after.weights == 40 * (16 + 3 + 3 + 24)
    assert tfc.LowRank(ranks={"type": "Ratio", "ratio": 0.8}, convolution="CP").plan(model).layers[0].ranks == (60,)


@pytest.mark.parametrize("convolution", ["Tucker2", "SpatialSVD", "SVD"])
def test_energy_is_what_the_kernel_keeps(convolution: str) -> None:
    noise = np.random.default_rng(0).normal(size=(3, 3, 16, 24))
    model = one_layer(L.Conv2D(24, 3, name="conv"), (8, 8, 16), separable_kernel(3, 3, 16, 24, terms=3) + noise)
    (layer,) = tfc.LowRank(energy=0.8, convolution=convolution).plan(model).layers
    assert 0.15 < layer.error**2 <= 0.2 + 1e-6


def test_a_dead_filter_does_not_change_the_rank_by_vbmf() -> None:
    generator = np.random.default_rng(0)
    kernel = separable_kernel(3, 3, 16, 24, terms=3) + 0.2 * generator.normal(size=(3, 3, 16, 24))
    kernel[..., 7] = 0
    kernel[:, :, 3] = 0
    model = one_layer(L.Conv2D(24, 3, name="conv"), (8, 8, 16), kernel)
    assert tfc.LowRank(ranks="VBMF").plan(model).layers[0].ranks == (3, 3)


def test_frozen_layers_stay_frozen_and_precision_stays() -> None:
    model = one_layer(L.Dense(12, name="hidden", dtype="mixed_bfloat16", trainable=False), (16,))
    smaller = tfc.LowRank(ranks=2).wrap(model)
    assert all(not layer.trainable and layer.compute_dtype == "bfloat16" for layer in smaller.layers[1:])


def test_open_sizes_are_weighed_by_one_position() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((None, None, 16)), L.Conv2D(16, 3, 2, padding="same", name="conv")])
    assert len(tfc.LowRank(ranks=4).wrap(model).layers) == 4


def test_a_budget_holds_for_the_profile_of_the_model() -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    features = L.Conv2D(16, 3, name="a")(image)
    features = L.DepthwiseConv2D(3, name="b")(features)
    features = L.Conv2D(32, 3, name="c")(features)
    model = keras.Model(image, L.Dense(10, name="d")(L.Flatten()(features)))
    macs = tfc.profile(model).macs
    assert 0.4 * macs < tfc.profile(tfc.LowRank(macs=0.5).wrap(model)).macs <= 0.5 * macs
    with pytest.raises(RecipeError, match=r"Budget: 0.01 of the model's .* MACs cannot be reached"):
        tfc.LowRank(macs=0.01).wrap(model)


def test_a_layer_has_a_factorization_and_ranks_of_its_own() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((8, 8, 16)), L.Conv2D(24, 3, name="conv"), L.Flatten(), L.Dense(64, name="fc1"), L.Dense(20)]
    )
    technique = tfc.LowRank(
        ranks=5,
        layers={"fc*": {"factorization": "TensorTrain", "ranks": 4}, "conv": {"ranks": [3, 4]}},
        skip=["Dense"],
    )
    found = {one.name: (one.factorization, one.ranks) for one in technique.plan(model).layers}
    assert found == {"conv": ("Tucker2", (3, 4)), "fc1": ("TensorTrain", (4,))}
    recipe = tfc.Recipe([technique])
    assert tfc.Recipe.from_toml(recipe.to_toml()) == recipe
    both = {"factorization": {"type": "CP", "joined": True}, "ranks": {"type": "Ratio", "ratio": 0.3}}
    assert tfc.LowRank(layers={"conv": both}, skip=["Dense"]).plan(model).layers[0].factorization == "CP"
    with pytest.raises(RecipeError, match="LowRank: layers, 'a': A table has a `type`, or `factorization` and `ranks`"):
        tfc.LowRank(layers={"a": {"factorisation": "CP"}})
    with pytest.raises(RecipeError, match="LowRank: layers, 'a': Unknown factorization 'VBMF'"):
        tfc.LowRank(layers={"a": {"factorization": "VBMF"}})
    with pytest.raises(RecipeError, match="LowRank: layers, 'a': Budget is for the whole model"):
        tfc.LowRank(layers={"a": {"ranks": "Budget"}})


def test_a_layer_whose_kernel_has_a_constraint_is_left_alone_and_named() -> None:
    layers = [
        L.Dense(12, kernel_constraint="max_norm", name="held"),
        L.Dense(12, bias_constraint="non_neg", name="free"),
    ]
    model = keras.Sequential([keras.Input((16,)), *layers])
    plan = tfc.LowRank(ranks=2).plan(model)
    assert plan.left == (("held", "its kernel has the constraint MaxNorm, which no product keeps"),)
    assert isinstance(tfc.LowRank(ranks=2).wrap(model).layers[-1].bias_constraint, keras.constraints.NonNeg)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", TfCompressWarning)
        tfc.LowRankSparse(ranks=1, sparsity=0.9).wrap(model)
    texts = [str(one.message) for one in said if one.category is TfCompressWarning]
    assert texts == ["LowRankSparse left alone held (its kernel has the constraint MaxNorm, which no product keeps)."]


def test_only_what_goes_together_is_accepted() -> None:
    with pytest.raises(RecipeError, match="energy and ranks both say"):
        tfc.LowRank(energy=0.9, ranks="VBMF")
    with pytest.raises(RecipeError, match=r"energy must be a share in \(0, 1\), not 1.5"):
        tfc.LowRank(energy=1.5)
    with pytest.raises(RecipeError, match=r"Unknown factorization 'Tucker3'\. Did you mean 'Tucker2'"):
        tfc.LowRank(convolution="Tucker3")
    with pytest.raises(RecipeError, match="Budget is for the whole model"):
        tfc.LowRank(layers={"a": {"type": "Budget", "macs": 0.5}})


def test_errors_name_the_layer() -> None:
    model = one_layer(L.Dense(12, name="hidden"), (16,))
    with pytest.raises(RecipeError, match="Layer 'hidden' cannot have the rank 13: its full rank is 12"):
        tfc.LowRank(ranks=13).wrap(model)
    with pytest.raises(RecipeError, match=r"LowRank: layers, 'hid\*': A rank must be a whole number from 1, not 0"):
        tfc.LowRank(layers={"hid*": 0})
    train = {"type": "TensorTrain", "inputs": [4, 2, 2], "outputs": [3, 2, 2]}
    with pytest.raises(RecipeError, match=r"Layer 'hidden' cannot have the rank 5, 1: .* its ranks can be 4, 1 at"):
        tfc.LowRank(dense=train, layers={"hidden": [5, 1]}).wrap(model)
    with pytest.raises(RecipeError, match=r"LowRank: 'hiden' matches no layer .* Did you mean 'hidden'"):
        tfc.LowRank(layers={"hiden": 3}).wrap(model)
    model.layers[-1].kernel.assign(np.full((16, 12), np.nan))
    with pytest.raises(tfc.TfCompressError, match="hidden': 192 of 192 values of its weight 'kernel' are NaN"):
        tfc.LowRank().wrap(model)

    class Hidden(keras.Model):
        pass

    with pytest.raises(UnsupportedLayerError, match="my_model"):
        tfc.LowRank().wrap(Hidden(name="my_model"))


def test_the_result_loads_without_tfcompress_and_the_card_has_the_errors(tmp_path: Path) -> None:
    model = one_layer(L.Conv2D(12, 3, name="conv"), (8, 8, 10))

    def fit(model: keras.Model, callbacks: list[keras.callbacks.Callback]) -> None:
        model.compile("sgd", "mse", jit_compile=False)
        model.fit(np.ones((4, 8, 8, 10)), np.ones((4, 6, 6, 12)), verbose=0, callbacks=callbacks)

    recipe = tfc.Recipe([tfc.LowRank(layers={"conv": {"type": "Fixed", "rank": [3, 4]}})])
    step = tfc.compress(model, recipe, fit, tmp_path).steps[0]
    assert step.card.notes[0].startswith("LowRank factorized conv (Tucker2 3, 4: ")
    saved = keras.saving.load_model(step.directory / "model.keras", custom_objects={})
    assert {type(layer).__module__.split(".")[0] for layer in saved.layers} == {"keras"}


def test_a_model_is_factorized_again_and_no_name_is_taken_twice() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((8, 8, 16)), L.Conv2D(24, 3, name="conv"), L.Flatten(), L.Dense(30, name="d")]
    )
    once = tfc.LowRank(ranks=8).wrap(model)
    twice = tfc.LowRankSparse(ranks=2, sparsity=0.9).wrap(tfc.LowRank(ranks=4, dense="TensorTrain").wrap(once))
    names = [layer.name for layer in layers_of(tfc.strip(twice))]
    assert len(set(names)) == len(names) > len(layers_of(once))
    assert tfc.LowRank(layers={"conv": [3, 4]}, skip=["d"]).plan(model).layers[0].ranks == (3, 4)
