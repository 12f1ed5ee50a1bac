"""Concatenated ReLU: numbers by hand, and what becomes of it in files."""

from pathlib import Path

import keras
import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.layers import CReLU

L = keras.layers


def test_both_parts_stand_side_by_side() -> None:
    assert CReLU()(np.array([[3.0, -2.0, 0.0]])).numpy().tolist() == [[3, 0, 0, 0, 2, 0]]


def test_their_difference_is_the_input_and_one_of_them_is_zero() -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
    positive, negative = np.split(np.asarray(CReLU()(values)), 2, axis=-1)
    np.testing.assert_array_equal(positive - negative, values)
    assert not (positive * negative).any()


def test_half_of_the_filters_give_as_many_channels_and_halve_the_weights() -> None:
    model = keras.Sequential([keras.Input((8, 8, 4)), L.Conv2D(8, 3, use_bias=False), CReLU()])
    plain = keras.Sequential([keras.Input((8, 8, 4)), L.Conv2D(16, 3, use_bias=False), L.ReLU()])
    assert model.output_shape == plain.output_shape
    assert 2 * model.count_params() == plain.count_params()
    assert 2 * tfc.profile(model).macs == tfc.profile(plain).macs


def test_an_int8_file_has_integer_operators_only(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((8, 8, 4)), L.Conv2D(8, 3), CReLU(), L.Conv2D(3, 1)])
    images = np.random.default_rng(0).normal(size=(20, 8, 8, 4)).astype("float32")
    card = tfc.convert(model, tmp_path / "m.tflite", representative=images)
    assert "NEG" not in [operator["name"] for operator in card.operators]
    assert not card.conversion["float_operators"]
    outputs = np.asarray(tfc.predict(tmp_path / "m.tflite", images))
    expected = np.asarray(model(images))
    assert np.abs(outputs - expected).max() < 0.05 * np.ptp(expected)


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_it_takes_any_number_of_axes(rank: int) -> None:
    shape = (2, 3, 4, 5)[:rank]
    assert CReLU()(np.zeros(shape)).shape[-1] == 2 * shape[-1] == CReLU().compute_output_shape(shape)[-1]
