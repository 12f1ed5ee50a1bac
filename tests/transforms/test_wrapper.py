import keras
import numpy as np
import pytest
import tensorflow as tf

import tfcompress as tfc
from tfcompress.techniques.kernels import kernels_of, wrap_kernels
from tfcompress.transforms.transform import Transform
from tfcompress.transforms.wrapper import Transformed

L = keras.layers
X = np.random.default_rng(0).normal(size=(16, 6)).astype("float32")
Y = np.random.default_rng(1).normal(size=(16, 2)).astype("float32")


@keras.saving.register_keras_serializable("tests")
class Unchanged(Transform):
    """A transform that does nothing, so that a wrapped model must behave exactly like the plain one."""

    def __call__(self, kernel: tf.Tensor) -> tf.Tensor:
        return kernel

    def get_config(self) -> dict[str, object]:
        return {}


@keras.saving.register_keras_serializable("tests")
class Block(L.Layer):
    """A user's layer with everything inside: a kernel, batch norm, dropout, a loss of its own."""

    def __init__(self, units: int, **keras_arguments: object) -> None:
        super().__init__(**keras_arguments)
        self.units = units
        self.dense, self.norm, self.dropout = L.Dense(units), L.BatchNormalization(), L.Dropout(0.5, seed=3)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.dense.build(input_shape)
        self.norm.build((None, self.units))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        outputs = self.norm(self.dense(inputs))
        self.add_loss(0.1 * keras.ops.mean(outputs**2))
        return self.dropout(outputs)

    def get_config(self) -> dict[str, object]:
        return super().get_config() | {"units": self.units}


def _model(*layers: L.Layer) -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((6,)), *layers, L.Dense(2, name="head")])


def _unchanged(model: keras.Model) -> keras.Model:
    return wrap_kernels(model, {kernel: [Unchanged()] for kernel in kernels_of(model)})


def _fit(model: keras.Model, **compile_arguments: object) -> dict[str, list[float]]:
    model.compile(keras.optimizers.Adam(0.01), "mse", **compile_arguments)
    return model.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0).history


@pytest.mark.parametrize("settings", [{"jit_compile": False}, {"jit_compile": True}, {"run_eagerly": True}])
def test_inner_state_and_losses_go_on_as_without_the_wrapper(settings: dict[str, bool]) -> None:
    plain = _model(Block(5, name="block"), L.Dense(4, activity_regularizer="l2"))
    wrapped = _unchanged(plain)
    expected, received = _fit(plain, **settings), _fit(wrapped, **settings)
    np.testing.assert_allclose(received["loss"], expected["loss"], rtol=1e-5)
    block = wrapped.get_layer("block")
    assert isinstance(block, Transformed)
    for one, other in zip(plain.get_layer("block").variables, block.layer.variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=1e-6, err_msg=one.path)


def test_a_users_constraint_still_holds_and_comes_back() -> None:
    model = _model(L.Dense(4, kernel_constraint=keras.constraints.NonNeg(), name="positive"))
    pruning = tfc.MagnitudePruning(sparsity=0.5)
    wrapped = pruning.wrap(model)
    _fit(wrapped)
    plain = pruning.strip(wrapped)
    kernel = plain.get_layer("positive").kernel
    assert isinstance(kernel.constraint, keras.constraints.NonNeg)
    assert kernel.numpy().min() == 0
    assert (kernel.numpy() > 0).any()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_masks_are_made_in_full_precision_under_mixed_precision(policy: str) -> None:
    # Four weights that float16 and bfloat16 cannot tell apart, so that a mask made in them would keep all.
    layer = L.Dense(4, use_bias=False, dtype=policy, name="close")
    model = _model(layer)
    close = np.float32(1) + np.arange(4, dtype="float32") * 1e-5
    layer.set_weights([np.tile(close, (6, 1))])
    wrapped = tfc.MagnitudePruning(sparsity=0.5, layers={"head": 0.0}).wrap(model)
    _fit(wrapped)
    assert wrapped.get_layer("close").compute_dtype == "float32"
    assert keras.backend.standardize_dtype(wrapped.get_layer("close")(X).dtype) == policy.removeprefix("mixed_")
    assert (tfc.strip(wrapped).get_layer("close").kernel.numpy() == 0).mean() == 0.5


def test_a_custom_training_step_and_a_bare_loop_prune_too() -> None:
    schedule = tfc.PolynomialDecay(0.0, 0.5, begin_step=0, end_step=4, frequency=1)
    wrapped = tfc.MagnitudePruning(schedule=schedule).wrap(_model(L.Dense(4)))
    optimizer = keras.optimizers.SGD(0.01)

    @tf.function
    def step(x: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((wrapped(x, training=True) - y) ** 2)
        optimizer.apply_gradients(
            zip(tape.gradient(loss, wrapped.trainable_weights), wrapped.trainable_weights, strict=True)
        )

    for _ in range(4):
        step(X, Y)
        wrapped(X, training=True)  # a forward pass without an update does not count as a step
    plain = tfc.strip(wrapped)
    assert [(kernel.variable.numpy() == 0).mean() for kernel in kernels_of(plain)] == [0.5, 0.5]


def test_a_shared_layer_counts_one_step_per_update() -> None:
    one, two = keras.Input((6,)), keras.Input((6,))
    shared = L.Dense(2, name="shared")
    model = keras.Model([one, two], L.Add()([shared(one), shared(two)]))
    wrapped = tfc.MagnitudePruning(schedule=tfc.PolynomialDecay(0.0, 0.5, 0, 4, frequency=1)).wrap(model)
    wrapped.compile("sgd", "mse")
    wrapped.fit([X, X], Y, batch_size=4, epochs=1, verbose=0)
    (stack,) = wrapped.get_layer("shared").stacks.values()
    assert int(stack[0].steps.numpy()) == 4


def test_masks_pass_through_to_layers_after() -> None:
    words = keras.Input((5,), dtype="int32")
    embedded = L.Embedding(7, 4, mask_zero=True, name="words")(words)
    model = keras.Model(words, L.LSTM(3, name="lstm")(embedded))
    padded = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 1, 2]], "int32")
    np.testing.assert_allclose(_unchanged(model)(padded), model(padded), atol=1e-6)


def test_zeros_of_a_released_kernel_are_positive_since_zeros_of_both_signs_do_not_zip() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((20,)), L.Dense(20, name="one")])
    kernel = tfc.strip(tfc.MagnitudePruning(sparsity=0.8).wrap(model)).get_layer("one").kernel.numpy()
    assert (kernel == 0).sum() == 320
    assert not np.signbit(kernel[kernel == 0]).any()
