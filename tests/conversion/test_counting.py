"""When more representative samples no longer help, on curves made by hand and on a model."""

import keras
import numpy as np

from tfcompress.conversion.counting import CurvePoint, enough_samples, loss_by_more, sample_curve
from tfcompress.transforms.kept_tensors import kept_tensors


def _curve(*decibels: float) -> list[CurvePoint]:
    return [CurvePoint(10 * (number + 1), value, value) for number, value in enumerate(decibels)]


def test_the_first_number_that_no_larger_one_betters_is_enough() -> None:
    assert enough_samples(_curve(10, 15, 18, 18.5, 18.9)) == 30
    assert enough_samples(_curve(10, 15, 20)) is None
    assert enough_samples(_curve(35, 40, 50)) == 10  # an error below 3 % is fine
    assert enough_samples(_curve(20)) is None
    assert enough_samples([]) is None


def test_where_more_samples_are_worse_it_is_said_by_how_much() -> None:
    curve = _curve(12, 9, 7)
    assert enough_samples(curve) == 10
    assert loss_by_more(curve) == 5
    assert loss_by_more(_curve(5, 6, 7)) == 0
    assert loss_by_more([]) == 0


def test_an_outlier_that_only_some_samples_have_makes_the_curve_fall() -> None:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(8, activation="relu"), keras.layers.Dense(4)]
    model = keras.Sequential([keras.Input((6,), name="x"), *layers])
    x = np.random.default_rng(0).normal(size=(200, 6)).astype("float32")
    x[::25] *= 300
    curve = sample_curve(model, [x], kept_tensors(model, [x]))
    assert [point.samples for point in curve] == [10, 20, 50, 100, 150]
    assert all(point.worst_db <= point.snr_db for point in curve)


def test_with_few_samples_there_is_no_curve() -> None:
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.ReLU()])
    x = np.ones((8, 2), "float32")
    assert sample_curve(model, [x], kept_tensors(model, [x])) == ()
