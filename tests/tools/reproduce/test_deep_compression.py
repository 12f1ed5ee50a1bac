"""The stages of the reproduction run from training to the test of the decoded file, on digits that are made here."""

from dataclasses import replace

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tools.datasets import LabelledImages
from tools.reproduce.deep_compression import Digits, outcome, quick, summary, validation_split, with_rounded_biases
from tools.reproduce.lenets import EXPERIMENTS, LENET_5, LENET_300_100


def _squares(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images with a bright square at one of ten places: the place is the digit."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, count).astype("uint8")
    images = generator.random((count, 28, 28, 1), np.float32) * 0.3
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 5)
        image[6 + 9 * row : 11 + 9 * row, 2 + 5 * column : 6 + 5 * column] = 1.0
    return images, labels


@pytest.fixture(scope="module")
def digits() -> Digits:
    images, labels = _squares(3000)
    return Digits(images[:2800], labels[:2800], images[2800:], labels[2800:])


@pytest.mark.parametrize(("experiment", "parameters"), [(LENET_300_100, 266_610), (LENET_5, 431_080)])
def test_the_networks_are_the_papers(experiment, parameters):
    assert experiment.build().count_params() == parameters


def test_the_steps_of_each_network_are_a_recipe():
    for experiment in EXPERIMENTS:
        recipe = tfc.Recipe([step.technique(1000) for step in experiment.steps])
        assert isinstance(recipe.steps[-1], tfc.WeightClustering)


def test_validation_takes_its_images_from_those_of_training_and_never_those_of_the_test():
    numbers = np.arange(60_000)
    images = np.zeros((60_000, 1, 1), np.uint8)
    split = validation_split(LabelledImages(images, numbers, images[:1], numbers[:1]))
    assert len(split.y_test) == 5_000
    assert sorted([*split.y_train, *split.y_test]) == list(numbers)


def test_the_whole_way_of_a_network_is_gone_and_only_once(digits, tmp_path):
    experiment, few = quick(LENET_300_100, digits)
    one = outcome(experiment, few, 0, tmp_path)
    assert one.compressed.packed_bytes == (tmp_path / "lenet-300-100-0-compressed.tfz").stat().st_size
    assert one.compressed.packed_bytes < one.reference.packed_bytes / 8
    assert one.compressed.accuracy > 0.9
    assert [layer["name"] for layer in one.compressed.layers] == ["ip1", "ip2", "ip3"]
    decoded = tmp_path / "lenet-300-100-0-compressed.decoded.tflite"
    assert decoded.read_bytes() == (tmp_path / "lenet-300-100-0-compressed.tflite").read_bytes()

    written = decoded.stat().st_mtime_ns
    assert outcome(experiment, few, 0, tmp_path) == one
    assert decoded.stat().st_mtime_ns == written
    assert "LeNet-300-100" in summary({"LeNet-300-100": [one]})


def test_convolutions_rest_while_what_is_behind_their_features_is_trained(digits, tmp_path):
    from tools.reproduce.deep_compression import fit

    model = LENET_5.build()
    before = [weight.numpy() for weight in model.weights]
    few = replace(digits, x_train=digits.x_train[:256], y_train=digits.y_train[:256])
    fit(model, few, replace(LENET_5.steps[-1].training, epochs=1), [])
    still = [bool((weight.numpy() == old).all()) for weight, old in zip(model.weights, before, strict=True)]
    assert still == [True] * 4 + [False] * 4


def test_biases_become_multiples_of_a_32nd(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.set_weights([np.ones((3, 2)), np.array([0.04, -0.9])])
    model.save(tmp_path / "model.keras")
    rounded = tfc.load(with_rounded_biases(tmp_path / "model.keras", tmp_path / "rounded.keras"))
    np.testing.assert_array_equal(rounded.layers[-1].bias.numpy(), [1 / 32, -29 / 32])
    np.testing.assert_array_equal(rounded.layers[-1].kernel.numpy(), np.ones((3, 2)))
