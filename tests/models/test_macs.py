import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcompress import layers
from tfcompress.models.graph import LayerCall
from tfcompress.models.macs import _OPERATIONS_WITH_MACS, macs

L = keras.layers

# Every row is worked by hand: positions x kernel.
HAND_COMPUTED = [
    (L.Dense(4), (5, 3), 5 * 3 * 4),
    (L.Conv1D(4, 3), (10, 2), 8 * 3 * 2 * 4),
    (L.Conv2D(6, (3, 5), strides=2, padding="same"), (9, 8, 2), (5 * 4) * (3 * 5 * 2) * 6),
    (L.Conv2D(6, 3, groups=2), (8, 8, 4), (6 * 6) * (3 * 3 * 2) * 6),
    (L.Conv2D(6, 3, dilation_rate=2), (8, 8, 4), (4 * 4) * (3 * 3 * 4) * 6),
    (L.Conv3D(2, 2), (4, 4, 4, 3), 27 * (8 * 3) * 2),
    (L.Conv2DTranspose(5, 3, strides=2), (4, 4, 3), (4 * 4) * (3 * 3 * 3) * 5),
    (L.Conv1DTranspose(5, 3), (4, 2), 4 * 3 * 2 * 5),
    (L.DepthwiseConv2D(3, depth_multiplier=2), (8, 8, 4), (6 * 6) * 9 * 4 * 2),
    (L.DepthwiseConv1D(3), (8, 4), 6 * 3 * 4),
    (L.SeparableConv2D(7, 3), (8, 8, 4), (6 * 6) * (9 * 4 + 4 * 7)),
    (L.SeparableConv1D(7, 3), (8, 4), 6 * (3 * 4 + 4 * 7)),
    (L.EinsumDense("abc,cd->abd", output_shape=(None, 6)), (5, 4), 5 * 4 * 6),
    (L.EinsumDense("...x,xyz->...yz", output_shape=(2, 3)), (5, 6, 4), 5 * 6 * 4 * 2 * 3),
    (L.SimpleRNN(4), (6, 3), 6 * (3 * 4 + 4 * 4)),
    (L.LSTM(4), (6, 3), 6 * 4 * (3 * 4 + 4 * 4)),
    (L.GRU(4, return_sequences=True), (6, 3), 6 * 3 * (3 * 4 + 4 * 4)),
    (L.RNN([L.LSTMCell(4), L.GRUCell(5)]), (6, 3), 6 * (4 * (3 + 4) * 4 + 3 * (4 + 5) * 5)),
    (L.Bidirectional(L.LSTM(4)), (6, 3), 2 * 6 * 4 * (3 * 4 + 4 * 4)),
    (L.TimeDistributed(L.Conv2D(2, 3)), (5, 6, 6, 3), 5 * (4 * 4) * 27 * 2),
    (L.ConvLSTM2D(2, 3, padding="same"), (5, 6, 6, 3), 5 * 36 * 9 * 4 * (3 * 2 + 2 * 2)),
    (L.ConvLSTM2D(2, 3, return_sequences=True), (5, 6, 6, 3), 5 * 16 * 9 * 4 * (3 * 2 + 2 * 2)),
    (L.SpectralNormalization(L.Dense(4)), (3,), 3 * 4),
    (layers.LiftingConv2D(5, 3), (8, 8, 3), (6 * 6) * (3 * 3 * 3) * (4 * 5)),
    (layers.GroupConv2D(5, 3, strides=2, group="p4m"), (9, 9, 16), (4 * 4) * (3 * 3 * 16) * (8 * 5)),
    (layers.DoubleConv2D(5, 3, extra=1, pool=2), (8, 8, 3), (6 * 6) * (3 * 3 * 3) * (4 * 5)),
    (layers.GroupBatchNormalization(), (8, 8, 4), 0),
    (layers.GroupPooling(), (8, 8, 4), 0),
    (layers.CReLU(), (8, 8, 4), 0),
    (L.Embedding(10, 4), (6,), 0),
    (L.BatchNormalization(), (8, 8, 3), 0),
    (L.MaxPooling2D(), (8, 8, 3), 0),
    (L.ReLU(), (8, 8, 3), 0),
    (L.Flatten(), (8, 8, 3), 0),
    (L.Dropout(0.5), (8,), 0),
]


def call(layer, *shapes, **kwargs):
    tensors = [keras.KerasTensor((1, *shape)) for shape in shapes]
    return LayerCall(layer, tuple(tensors), kwargs, tuple(keras.tree.flatten(layer(*tensors, **kwargs))))


@pytest.mark.parametrize(
    ("layer", "shape", "expected"), HAND_COMPUTED, ids=[type(row[0]).__name__ + str(row[1]) for row in HAND_COMPUTED]
)
def test_macs_equal_those_worked_by_hand(layer, shape, expected):
    assert macs(call(layer, shape)) == expected


def test_macs_of_attention_are_projections_and_two_products_per_head():
    layer = L.MultiHeadAttention(num_heads=2, key_dim=4, value_dim=5, output_shape=7)
    query, value = (6, 8), (9, 3)
    projections = 6 * 8 * (2 * 4) + 9 * 3 * (2 * 4) + 9 * 3 * (2 * 5) + 6 * (2 * 5) * 7
    assert macs(call(layer, query, value)) == projections + 2 * 6 * 9 * (4 + 5)


def test_macs_of_attention_over_one_axis_of_two():
    layer = L.MultiHeadAttention(num_heads=2, key_dim=4, attention_axes=(2,))
    projections = 4 * (5 * 6) * 8 * (2 * 4)
    assert macs(call(layer, (5, 6, 8), (5, 6, 8))) == projections + 2 * 5 * (6 * 6) * (4 + 4)


def test_macs_of_dot_attention():
    layer = L.Attention()
    tensors = [keras.KerasTensor((1, 6, 8)), keras.KerasTensor((1, 9, 8))]
    assert macs(LayerCall(layer, (tensors,), {}, (layer(tensors),))) == 6 * 9 * 8 + 6 * 9 * 8


def test_macs_of_a_dot_layer():
    layer = L.Dot(axes=(2, 1))
    tensors = [keras.KerasTensor((1, 6, 8)), keras.KerasTensor((1, 8, 5))]
    assert macs(LayerCall(layer, (tensors,), {}, (layer(tensors),))) == 6 * 8 * 5


def test_macs_of_operations():
    inputs = keras.Input((6, 8), batch_size=1)
    for tensor, expected in [
        (keras.ops.matmul(inputs, keras.ops.transpose(inputs, (0, 2, 1))), 6 * 8 * 6),
        (keras.ops.einsum("bij,bkj->bik", inputs, inputs), 6 * 8 * 6),
        (keras.ops.relu(inputs), 0),
    ]:
        operation = tensor._keras_history.operation
        arguments = operation._inbound_nodes[0].arguments
        assert macs(LayerCall(operation, tuple(arguments.args), arguments.kwargs, (tensor,))) == expected


def test_layers_without_a_rule_are_not_counted_as_nothing():
    class Custom(L.Layer):
        def call(self, inputs):
            return inputs @ keras.ops.ones((3, 3))

        def compute_output_shape(self, input_shape):
            return input_shape

    class Changed(L.Dense):
        def call(self, inputs):
            return super().call(super().call(inputs))

    class Renamed(L.Dense):
        pass

    assert macs(call(Custom(), (3,))) is None
    assert macs(call(Changed(3), (3,))) is None
    assert macs(call(Renamed(3), (3,))) == 9
    assert macs(call(L.Lambda(lambda x: x), (3,))) is None
    assert macs(call(L.TimeDistributed(Custom()), (2, 3))) is None


def test_the_operations_with_macs_exist_in_keras():
    from keras.src.ops import einops, image, linalg, nn, numpy

    names = {name for module in (einops, image, linalg, nn, numpy) for name in vars(module)}
    assert set(_OPERATIONS_WITH_MACS) <= names


@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(5, 12),
    kernel=st.integers(1, 5),
    strides=st.integers(1, 3),
    padding=st.sampled_from(["same", "valid"]),
    channels=st.integers(1, 4),
    filters=st.integers(1, 4),
)
def test_a_convolution_of_ones_counts_its_own_macs(size, kernel, strides, padding, channels, filters):
    """Without padding, a convolution of ones with ones sums one per multiplication."""
    layer = L.Conv2D(filters, kernel, strides=strides, padding=padding, kernel_initializer="ones", use_bias=False)
    expected = float(np.sum(layer(np.ones((1, size, size, channels), "float32"))))
    counted = macs(call(layer, (size, size, channels)))
    if padding == "valid" or kernel == 1:
        assert counted == expected
    else:
        assert counted >= expected  # multiplications with the padding's zeros count as well
