"""The calibration doctor: what is wrong or doubtful about representative data, and which tensors suffer."""

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tests.spread import spread_model
from tfcompress.conversion.doctor import check_representative, examined
from tfcompress.errors import ConversionError

L = keras.layers


def _classifier(name: str = "net") -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [L.Conv2D(4, 3, activation="relu", name="conv"), L.GlobalAveragePooling2D(), L.Dense(3, name="head")]
    return keras.Sequential([keras.Input((8, 8, 1), name="image"), *layers], name=name)


def _images(count: int = 100) -> np.ndarray:
    return np.random.default_rng(0).random((count, 8, 8, 1)).astype("float32")


def test_good_data_is_called_good() -> None:
    checkup = check_representative(_classifier(), _images())
    assert checkup.good
    assert checkup.samples == 100
    assert checkup.enough is not None
    assert str(checkup).startswith("representative data: 100 samples, good")
    assert [point.samples for point in checkup.curve] == [10, 20, 50, 75]


def test_pixels_for_a_model_of_scaled_images_are_caught_by_a_training_sample() -> None:
    checkup = check_representative(_classifier(), 255 * _images(), training=_images())
    assert "wrong scale: input 'image' spans 255 in it" in checkup.wrong[0]
    assert str(checkup).splitlines()[0].endswith("wrong")


def test_shapes_and_types_that_do_not_fit_are_said_not_raised() -> None:
    assert "Add the last axis" in check_representative(_classifier(), _images()[..., 0]).wrong[0]
    assert "is empty" in check_representative(_classifier(), []).wrong[0]


def test_repeated_and_blank_samples_are_doubtful() -> None:
    images = np.repeat(_images(20), 5, axis=0)
    images[:3] = 0.5
    doubtful = " ".join(check_representative(_classifier(), images).doubtful)
    assert "79 of 100 samples repeat another one" in doubtful
    assert "3 of 100 samples have one value throughout" in doubtful


def test_an_input_that_never_changes_is_named() -> None:
    notes = examined(_classifier(), {"image": _images(30), "other": np.ones((30, 2), np.float32)}, None)
    assert any("Input 'other' is the same in all samples" in text for text in notes)


def test_classes_that_are_missing_are_named() -> None:
    labels = np.zeros(100, int)
    assert any(
        "of class 1, 2." in text for text in check_representative(_classifier(), _images(), labels=labels).doubtful
    )
    labels[::2], labels[::3] = 1, 2
    assert check_representative(_classifier(), _images(), labels=labels).good
    one_hot = np.eye(3)[labels]
    assert check_representative(_classifier(), _images(), labels=one_hot).good


def test_a_channel_that_takes_the_range_is_named_with_its_layer() -> None:
    x = np.random.default_rng(0).random((60, 10, 10, 2), np.float32)
    checkup = check_representative(spread_model(x), x)
    assert checkup.guilty[0] == "stem_relu"
    assert checkup.tensors[0].bits_left < 4
    assert "In 1 tensors one channel takes the range" in " ".join(checkup.doubtful)


def test_a_few_large_values_are_named() -> None:
    images = _images()
    images[0, 0, 0, 0] = 30.0
    model = keras.Sequential([keras.Input((8, 8, 1), name="image"), L.ReLU(name="relu"), L.Flatten(), L.Dense(2)])
    doubtful = " ".join(check_representative(model, images).doubtful)
    assert "a few values make the range wider" in doubtful
    assert "image (" in doubtful


def test_a_layer_of_ones_own_is_no_obstacle() -> None:
    class Doubling(keras.layers.Layer):
        def __init__(self, factor: int) -> None:
            super().__init__()
            self.factor = factor

        def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
            return inputs * self.factor

    model = keras.Sequential([keras.Input((8, 8, 1), name="image"), Doubling(2), L.Flatten(), L.Dense(2)])
    checkup = check_representative(model, _images())
    assert checkup.good
    assert not checkup.tensors


def test_a_model_with_free_axes_is_refused_as_by_convert() -> None:
    model = keras.Sequential([keras.Input((None, 4), name="sequence"), L.GlobalAveragePooling1D(), L.Dense(2)])
    with pytest.raises(ConversionError, match="free"):
        tfc.check_representative(model, np.ones((4, 6, 4)))
