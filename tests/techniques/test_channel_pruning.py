"""ChannelPruning: what is chosen, by hand; budgets, floors, rounding; what is refused and how."""

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tests import zoo
from tfcompress.errors import DataError, ModelError, RecipeError, TfCompressWarning
from tfcompress.models.channels import channel_groups
from tfcompress.notes import collecting

L = keras.layers


def chain(*widths: int) -> keras.Model:
    """Dense layers without biases, named by their place."""
    vector = keras.Input((2,), name="vector")
    x = vector
    for number, width in enumerate(widths, 1):
        x = L.Dense(width, use_bias=False, name=f"dense{number}")(x)
    return keras.Model(vector, L.Dense(1, use_bias=False, name="head")(x), name="chain")


def hand_made() -> keras.Model:
    """Four channels: made with norms 5, 1, 2, 4 and read with 1, 3, 1, 3."""
    model = chain(4)
    model.set_weights([np.array([[3.0, 1.0, 0.0, 0.0], [4.0, 0.0, 2.0, 4.0]]), np.array([[1.0], [3.0], [-1.0], [3.0]])])
    return model


def kept(model: keras.Model, importance: object, **settings: object) -> list[int]:
    """Which channels of `dense1` are left, by what reads them."""
    pruning = tfc.ChannelPruning(macs=0.5, round_to=1, importance=importance, **settings)
    smaller = pruning.strip(pruning.wrap(model))
    columns = model.get_layer("dense1").kernel.numpy().T.tolist()
    return [columns.index(column) for column in smaller.get_layer("dense1").kernel.numpy().T.tolist()]


def test_norms_are_a_vote_of_what_makes_and_what_reads():
    # Made: 5, 1, 2, 4 over their mean 3; read: 1, 3, 1, 3 over 2. Sums 2.17, 1.83, 1.17, 2.83.
    assert kept(hand_made(), "L2") == [0, 3]
    # Magnitudes made: 7, 1, 2, 4 over 3.5, read as before: 2.5, 1.79, 1.07, 2.64.
    assert kept(hand_made(), "L1") == [0, 3]


def test_the_geometric_median_drops_what_others_stand_for():
    model = chain(4)
    filters = np.array([[0.0, 0.1, 0.2, 9.0], [0.0, 0.0, 0.0, 0.0]])
    model.set_weights([filters, np.ones((4, 1))])
    # Sums of distances: 9.3, 9.1, 9.1, 26.7.
    assert kept(model, "GeometricMedian") == [0, 3]


def test_gamma_is_the_factor_of_the_batch_norm():
    vector = keras.Input((2,))
    x = L.BatchNormalization(name="norm")(L.Dense(4, use_bias=False, name="dense1")(vector))
    model = keras.Model(vector, L.Dense(1, name="head")(x))
    model.get_layer("norm").gamma.assign([0.5, -3.0, 2.0, 0.1])
    assert kept(model, "Gamma") == [1, 2]


def test_gamma_leaves_groups_without_a_batch_norm_and_says_so():
    model = chain(4, 4)
    with (
        pytest.raises(RecipeError, match=r"macs cannot go down to 0.5"),
        pytest.warns(TfCompressWarning, match=r"left alone dense1 \(no Gamma to judge by\); dense2"),
    ):
        tfc.ChannelPruning(importance="Gamma", round_to=1).wrap(model)


def test_taylor_is_the_square_of_gradient_times_reading_weight():
    model = hand_made()
    x, y = np.array([[1.0, 0.0]], "float32"), np.array([[0.0]], "float32")
    # On this sample the channels are 3, 1, 0, 0; read with 1, 3, -1, 3 they give 6 = 3 + 3. The loss is 36, its
    # gradient 12 by the output: 12 x 3, 12 x 3, 0, 0, squared.
    (scores,) = tfc.Taylor(samples=(x, y), loss="mse").scores(model, channel_groups(model).groups)
    np.testing.assert_allclose(scores, [1296, 1296, 0, 0])
    assert kept(model, tfc.Taylor(samples=(x, y), loss="mse")) == [0, 1]


def test_taylor_is_the_mean_over_batches():
    model = hand_made()
    x, y = np.array([[1.0, 0.0], [0.0, 1.0]], "float32"), np.zeros((2, 1), "float32")
    # The second sample gives channels 4, 0, 2, 4 and 4 - 2 + 12 = 14; times 28 and the reads: 112, 0, -56, 336.
    (scores,) = tfc.Taylor(samples=(x, y), loss="mse", batch_size=1).scores(model, channel_groups(model).groups)
    np.testing.assert_allclose(scores, np.mean([[1296, 1296, 0, 0], [12544, 0, 3136, 112896]], axis=0))


def compared_model() -> keras.Model:
    """Queries and keys of six channels that no kernel reads."""
    sequence = keras.Input((5, 3))
    queries = L.Dense(6, name="queries", bias_initializer="random_normal")(sequence)
    keys = L.Dense(6, name="keys", bias_initializer="random_normal")(sequence)
    attended = L.Attention()([queries, sequence, keys])
    return keras.Model(sequence, L.Dense(1)(L.Dense(8, name="hidden")(L.Flatten()(attended))))


def test_taylor_of_queries_and_keys_is_what_the_loss_changes_by_when_they_shrink():
    keras.utils.set_random_seed(0)
    model = compared_model()
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(4, 5, 3)).astype("float32"), generator.normal(size=(4, 1)).astype("float32")

    def loss_with(channel: int, factor: float) -> float:
        changed = keras.models.clone_model(model)
        changed.set_weights(model.get_weights())
        for name in ("queries", "keys"):
            kernel, bias = (weight.copy() for weight in changed.get_layer(name).get_weights())
            kernel[:, channel] *= factor
            bias[channel] *= factor
            changed.get_layer(name).set_weights([kernel, bias])
        return float(np.mean((np.asarray(changed(x)) - y) ** 2))

    slopes = [(loss_with(channel, 1.01) - loss_with(channel, 0.99)) / 0.02 for channel in range(6)]
    found = channel_groups(model).groups
    scores = tfc.Taylor(samples=(x, y), loss="mse").scores(model, found)
    by_name = {group.name: own for group, own in zip(found, scores, strict=True)}
    np.testing.assert_allclose(by_name["queries"], np.square(slopes), rtol=0.02, atol=1e-6)
    assert by_name["queries"].min() > 0


def test_taylor_reads_a_file_and_survives_toml(tmp_path):
    model = hand_made()
    np.savez(tmp_path / "batch.npz", x=np.ones((3, 2), "float32"), y=np.zeros((3, 1), "float32"))
    loss = keras.losses.Huber(delta=2.0)
    pruning = tfc.ChannelPruning(round_to=1, importance=tfc.Taylor(tmp_path / "batch.npz", loss))
    recipe = tfc.Recipe([pruning])
    assert tfc.Recipe.from_toml(recipe.to_toml()) == recipe
    assert pruning.reads == (tmp_path / "batch.npz",)
    assert pruning.strip(pruning.wrap(model)).get_layer("dense1").units == 2


def test_random_is_the_same_for_the_same_seed():
    model = chain(32)
    draws = [kept(model, {"type": "Random", "seed": seed}) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize(("macs", "left"), [(1.0, 50), (0.99, 48), (0.5, 24), (0.17, 8)])
def test_channels_are_left_in_steps_of_eight(macs, left):
    assert tfc.ChannelPruning(macs=macs).wrap(chain(50)).get_layer("dense1").units == left


def test_uniform_keeps_the_same_share_of_each_group():
    # 1120 of 4288 MACs are left.
    smaller = tfc.ChannelPruning(macs=0.27).wrap(chain(64, 32, 64))
    assert [layer.units for layer in smaller.layers[1:-1]] == [32, 16, 32]


def test_what_rounding_took_too_much_of_comes_back():
    # All at 8 of 16 leave 152 of 560 MACs. With the first back at 16 there are 232, with the second 424, which is more
    # than 308, with the third 304.
    smaller = tfc.ChannelPruning(macs=0.55).wrap(chain(16, 16, 16))
    assert [layer.units for layer in smaller.layers[1:-1]] == [16, 8, 16]


def test_the_widths_that_were_cut_are_noted(tmp_path):
    notes: list[str] = []
    with collecting(notes):
        tfc.ChannelPruning(macs=0.55).wrap(chain(16, 16, 16))
    assert notes == ["ChannelPruning cut dense2 16 -> 8."]
    # Groups of a convolution lose the same places, so a channel of the group is two of the layer. 24 and 8 channels
    # take 16 x 8 x 24 + 4 x 9 x 12 x 8 + 8 = 6,536 of 13,328 MACs.
    image = keras.Input((4, 4, 8))
    x = L.Conv2D(16, 3, groups=2, name="grouped")(L.Conv2D(32, 1, name="before")(image))
    model = keras.Model(image, L.Dense(1)(L.GlobalAveragePooling2D()(x)))
    result = tfc.compress(model, tfc.Recipe([tfc.ChannelPruning(macs=0.5)]), lambda model, callbacks: None, tmp_path)
    assert "ChannelPruning cut before 32 -> 24, grouped 16 -> 8." in result.steps[-1].card.notes


def test_that_nothing_was_cut_is_noted():
    notes: list[str] = []
    with collecting(notes):
        tfc.ChannelPruning(macs=1.0).wrap(chain(16))
    assert notes == ["ChannelPruning cut no channel."]


def test_a_global_threshold_spares_the_layer_whose_channels_matter():
    model = chain(16, 16)
    kernels = [np.ones((2, 16)), np.ones((16, 16)), np.ones((16, 1))]
    kernels[0][:, 8:] = 0.01  # half of the first layer's channels hardly matter
    kernels[1][8:] = 0.01
    model.set_weights(kernels)
    pruning = tfc.ChannelPruning(macs=0.7, round_to=1, allocation="Global")
    smaller = pruning.strip(pruning.wrap(model))  # its equal weights count as clusters, which wrap keeps
    assert smaller.get_layer("dense1").units < smaller.get_layer("dense2").units == 16


def test_parameters_are_a_budget_and_several_budgets_are_all_met():
    model = chain(64, 64)
    smaller = tfc.ChannelPruning(parameters=0.3).wrap(model)
    assert smaller.count_params() <= 0.3 * model.count_params()
    smallest = tfc.ChannelPruning(macs=0.9, parameters=0.1).wrap(model)
    assert smallest.count_params() <= 0.1 * model.count_params()


def test_any_cost_of_a_profile_is_a_budget():
    def widest(profile: tfc.Profile) -> float:
        return max(layer.output_shape[-1] for layer in profile.layers)

    smaller = tfc.ChannelPruning(cost=widest, cost_share=0.25).wrap(chain(64, 32, 64))
    assert tfc.ChannelPruning(cost=widest).macs is None
    assert max(layer.units for layer in smaller.layers[1:]) == 16


def test_floors_and_skipped_layers_hold():
    model = chain(64, 64, 64)
    smaller = tfc.ChannelPruning(macs=0.7, layers={"dense2": 0.75}, skip=("dense1",)).wrap(model)
    widths = [layer.units for layer in smaller.layers[1:-1]]
    assert widths[0] == 64
    assert widths[1] >= 48


def test_a_group_takes_the_highest_floor_of_its_layers():
    image = keras.Input((4, 4, 8))
    x = L.Conv2D(16, 1, name="left")(image)
    x = L.Conv2D(16, 1, name="after")(L.Add()([x, L.Conv2D(16, 1, name="right")(image)]))
    model = keras.Model(image, L.Dense(1)(L.GlobalAveragePooling2D()(x)))
    smaller = tfc.ChannelPruning(macs=0.8, layers={"right": 1.0}).wrap(model)
    assert [smaller.get_layer(name).filters for name in ("left", "right", "after")] == [16, 16, 8]


def test_a_budget_that_cannot_be_met_says_how_far_it_goes():
    # At most 8 of 32 channels are left in each: (2x8 + 8x8 + 8) / (2x32 + 32x32 + 32) = 88 / 1120.
    with pytest.raises(RecipeError, match=r"macs cannot go down to 0.05.*'chain'.*0.079 are left.*round_to \(8\)"):
        tfc.ChannelPruning(macs=0.05).wrap(chain(32, 32))


def test_a_layer_that_stands_in_the_way_is_named():
    class Mine(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    vector = keras.Input((8,))
    x = Mine(name="mine")(L.Dense(64, name="before")(vector))
    model = keras.Model(vector, L.Dense(1)(L.Dense(8, name="after")(x)))
    with (
        pytest.raises(RecipeError, match=r"'before' is kept: its channels reach 'mine' \(Mine\)"),
        pytest.warns(TfCompressWarning, match=r"left alone before \(its channels reach 'mine' \(Mine\)"),
    ):
        tfc.ChannelPruning(macs=0.3).wrap(model)


def test_a_model_with_nothing_to_remove_says_why():
    model = keras.Sequential([keras.Input((4,)), L.Dense(2, name="only")], name="small")
    with pytest.raises(ModelError, match=r"'small' has no channels that could be removed: only is kept"):
        tfc.ChannelPruning().wrap(model)


def test_weights_that_are_not_numbers_are_refused_by_layer():
    model = chain(16)
    model.get_layer("dense1").kernel.assign(np.full((2, 16), np.nan))
    with pytest.raises(ModelError, match="dense1"):
        tfc.ChannelPruning().wrap(model)


def test_an_unknown_pattern_is_refused():
    with pytest.raises(RecipeError, match=r"'dense9' matches no layer of 'chain'. Did you mean"):
        tfc.ChannelPruning(layers={"dense9": 0.5}).wrap(chain(16))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"macs": 0}, "macs must be the share"),
        ({"macs": 1.5}, "macs must be the share"),
        ({"parameters": True}, "parameters must be the share"),
        ({"floor": 2}, "floor must be a share"),
        ({"layers": {"conv": -1}}, "conv must be a share"),
        ({"round_to": 0}, "round_to must be a whole number"),
        ({"importance": "L3"}, "Unknown importance 'L3'"),
        ({"allocation": "uniform"}, "Did you mean 'Uniform'"),
        ({"importance": "Taylor"}, "Taylor needs data"),
        ({"importance": {"type": "Taylor", "samples": "a.npz"}}, "has no loss"),
        ({"importance": {"type": "Taylor", "samples": "a.npz", "loss": "nonsense"}}, "no loss that Keras knows"),
        ({"cost": 3}, "cost must be a function"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(RecipeError, match=message):
        tfc.ChannelPruning(**settings)


def test_what_a_file_cannot_hold_is_explained():
    with pytest.raises(RecipeError, match=r"cost is a Python function.*wrap"):
        tfc.Recipe([tfc.ChannelPruning(cost=lambda profile: profile.macs)]).to_toml()
    in_memory = tfc.Taylor(samples=(np.ones((2, 2)), np.ones((2, 1))), loss="mse")
    with pytest.raises(RecipeError, match=r"Taylor has its samples in memory.*npz"):
        tfc.Recipe([tfc.ChannelPruning(importance=in_memory)]).to_toml()


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ((np.ones((2, 3)), np.ones((2, 1))), "do not fit model 'chain'"),
        ((np.ones((2, 2)), np.ones((3, 1))), "2 and 3 samples"),
        (np.ones((3, 2)), r"must be \(inputs, targets\)"),
        ((np.full((2, 2), np.nan), np.ones((2, 1))), "NaN or infinite"),
        ("nowhere.npz", "nowhere.npz cannot be read"),
    ],
)
def test_samples_that_do_not_fit_are_refused(samples, message):
    with pytest.raises(DataError, match=message):
        tfc.ChannelPruning(importance=tfc.Taylor(samples=samples, loss="mse"), round_to=1).wrap(chain(4))


def test_rounds_end_at_the_share_asked_for():
    model = chain(256, 256)
    steps = tfc.ChannelPruning(macs=0.4, round_to=1).in_rounds(3)
    smaller = model
    for step in steps:
        smaller = step.strip(step.wrap(smaller))
    assert 0.38 < tfc.profile(smaller).macs / tfc.profile(model).macs <= 0.4
    assert tfc.Recipe(steps)
    with pytest.raises(RecipeError, match="rounds"):
        steps[0].in_rounds(0)


def test_what_earlier_steps_established_stays_while_the_smaller_model_trains():
    model = zoo.make("conv_batch_norm_relu")
    sparse = tfc.strip(tfc.MagnitudePruning(sparsity=0.5).wrap(model))
    wrapped = tfc.ChannelPruning(macs=0.7, round_to=1).wrap(sparse)
    zeros = (tfc.strip(wrapped).get_layer("conv").kernel.numpy() == 0).mean()
    zoo.fit(wrapped, epochs=2, eagerly=True)
    assert (tfc.strip(wrapped).get_layer("conv").kernel.numpy() == 0).mean() == zeros > 0.2


def test_it_must_not_undo_ranges():
    with pytest.raises(RecipeError, match=r"it would undo the ranges that QuantizationAware established. Put it first"):
        tfc.Recipe([tfc.QuantizationAware(), tfc.ChannelPruning()])


@pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")
def test_it_goes_before_all_others_down_to_an_int8_file(tmp_path):
    steps = [tfc.ChannelPruning(macs=0.7, round_to=1), tfc.MagnitudePruning(sparsity=0.5)]
    recipe = tfc.Recipe([*steps, tfc.WeightClustering(clusters=8), tfc.QuantizationAware()])
    model = zoo.make("residual_add")

    def fit(wrapped, callbacks):
        zoo.fit(wrapped, eagerly=True)

    result = tfc.compress(model, recipe, fit, tmp_path)
    card = tfc.convert(result.model, tmp_path / "m.tflite", representative=zoo.samples(model))
    assert tfc.profile(result.model).macs <= 0.7 * tfc.profile(model).macs
    assert card.sparsity >= 0.4
    assert all(tensor["type"] == "int8" for tensor in card.tensors if tensor["kernel"])
