"""Batch normalization on groups, against plain batch normalization of the orientations laid out as places."""

import keras
import numpy as np

from tfcompress.layers import P4, GroupBatchNormalization

L = keras.layers


def as_places(features: np.ndarray) -> np.ndarray:
    """(samples, height, width, filters * 4) as (samples, height, width * 4, filters): the same numbers per filter."""
    by_filter = features.reshape(*features.shape[:3], -1, 4)
    return np.moveaxis(by_filter, 4, 3).reshape(features.shape[0], features.shape[1], -1, by_filter.shape[3])


def test_it_is_plain_batch_normalization_over_places_and_orientations() -> None:
    features = np.random.default_rng(0).normal(2.0, 3.0, size=(6, 5, 4, 3 * 4)).astype("float32")
    ours, plain = GroupBatchNormalization(momentum=0.9), L.BatchNormalization(momentum=0.9)
    ours.build(features.shape)
    plain.build(as_places(features).shape)
    for layer in (ours, plain):
        layer.gamma.assign([1.0, 2.0, 3.0])
        layer.beta.assign([0.5, 0.0, -0.5])
    for training in (True, True, False):
        expected = plain(as_places(features), training=training)
        np.testing.assert_allclose(as_places(np.asarray(ours(features, training=training))), expected, atol=1e-4)
    for one, other in zip(ours.weights, plain.weights, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5)


def test_it_is_equivariant_while_it_trains() -> None:
    features = np.random.default_rng(0).normal(size=(2, 5, 5, 8)).astype("float32")
    layer = GroupBatchNormalization()
    first = np.asarray(layer(features, training=True))
    turned = layer(P4.act_on_features(1, features), training=True)
    np.testing.assert_allclose(turned, P4.act_on_features(1, first), atol=1e-5)


def test_without_scale_and_center_there_are_only_statistics() -> None:
    layer = GroupBatchNormalization("p4m", center=False, scale=False)
    layer.build((None, 4, 4, 16))
    assert [(weight.name, tuple(weight.shape)) for weight in layer.weights] == [
        ("moving_mean", (2,)),
        ("moving_variance", (2,)),
    ]
