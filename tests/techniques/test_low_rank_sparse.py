import warnings

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.errors import RecipeError, TfCompressWarning

L = keras.layers


def low_rank_and_outliers(rows: int, columns: int, rank: int, outliers: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(rows, rank)) @ generator.normal(size=(rank, columns))
    matrix.flat[generator.choice(matrix.size, outliers, replace=False)] += 8.0
    return matrix / 10


CASES = {
    "dense": (lambda: L.Dense(30, activation="relu", name="one"), (40,)),
    "linear": (lambda: L.Dense(30, name="one"), (5, 40)),
    "no-bias": (lambda: L.Dense(30, use_bias=False, name="one"), (40,)),
    "convolution": (lambda: L.Conv2D(30, (2, 4), 2, padding="same", activation="relu", name="one"), (9, 8, 5)),
    "dilated": (lambda: L.Conv2D(30, (2, 4), dilation_rate=2, name="one"), (9, 10, 5)),
    "sequence": (lambda: L.Conv1D(30, 4, padding="causal", name="one"), (12, 10)),
}


@pytest.mark.parametrize("case", CASES)
def test_an_exact_sum_computes_what_the_layer_did(case: str) -> None:
    make, shape = CASES[case]
    model = keras.Sequential([keras.Input(shape), make()])
    layer = model.layers[-1]
    layer.kernel.assign(low_rank_and_outliers(40, 30, 2, 24).reshape(layer.kernel.shape))
    if layer.use_bias:
        layer.bias.assign(np.linspace(-1, 1, 30))
    plain = tfc.strip(tfc.LowRankSparse(sparsity=1 - 24 / 1200, ranks=2).wrap(model))
    x = np.random.default_rng(1).normal(size=(3, *shape)).astype("float32")
    np.testing.assert_allclose(plain(x), model(x), atol=0.02)
    assert plain.layers[-1].name == "one"
    assert np.count_nonzero(plain.get_layer("one_sparse").kernel.numpy()) == 24
    kernels = [plain.get_layer(f"one_low_rank{end}").kernel.numpy() for end in ("_factor1", "")]
    sizes = [np.linalg.norm(kernel) for kernel in kernels]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)


def test_zeros_stay_zero_while_both_parts_train() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((20,)), L.Dense(20, name="one")])
    wrapped = tfc.LowRankSparse(sparsity=0.9, ranks=2).wrap(model)
    before = [weight.numpy() for weight in tfc.strip(wrapped).trainable_weights]
    wrapped.compile("adam", "mse", jit_compile=False)
    x = np.random.default_rng(0).normal(size=(32, 20))
    wrapped.fit(x, x, epochs=2, verbose=0)
    plain = tfc.strip(wrapped)
    assert all((old != new.numpy()).any() for old, new in zip(before, plain.trainable_weights, strict=True))
    assert (plain.get_layer("one_sparse").kernel.numpy() == 0).mean() == pytest.approx(0.9)


def test_layers_that_would_store_no_less_are_left_alone_and_named() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((20,)), L.Dense(20, name="kept"), L.Dense(20, name="done"), L.Dense(2, name="small")]
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", TfCompressWarning)
        wrapped = tfc.LowRankSparse(sparsity=0.9, ranks=2, layers={"kept": 0.5}).wrap(model)
    assert [str(one.message) for one in said if one.category is TfCompressWarning] == [
        "LowRankSparse left alone small (would not be cheaper with ranks 2); kept (would store no fewer values)."
    ]
    assert {layer.name for layer in wrapped.layers} >= {"kept", "done_sparse", "done_low_rank", "small"}


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"LowRankSparse: sparsity must be a share in \(0, 1\), not 1"):
        tfc.LowRankSparse(sparsity=1)
    with pytest.raises(RecipeError, match="there is no Budget of them"):
        tfc.LowRankSparse(ranks={"type": "Budget", "macs": 0.5})


def test_weights_on_large_inputs_are_kept_better_with_samples() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4, 4, 6)), L.Conv2D(24, 2, name="one")])
    x = np.random.default_rng(0).normal(size=(32, 4, 4, 6)).astype("float32")
    x[..., :2] *= 20
    errors = []
    for samples in (None, x):
        both = tfc.LowRankSparse(sparsity=0.9, ranks=2, samples=samples).wrap(model)
        errors.append(np.linalg.norm(np.asarray(both(x)) - model(x)))
    assert errors[1] < 0.8 * errors[0]
