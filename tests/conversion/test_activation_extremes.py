"""Extremes and outputs of a file are those of each sample by itself."""

import numpy as np

from tests import tflite_files
from tfcompress.conversion.activation_extremes import outputs_of, statistics


def test_the_extremes_are_those_of_all_samples() -> None:
    x = np.array([[0.0, 0.0], [1.0, 2.0]], np.float32)
    found = statistics(tflite_files.affine(), [x])
    assert {(float(item["min"][0]), float(item["max"][0])) for item in found.values()} == {(0.0, 2.0), (1.0, 8.0)}
    (outputs,) = outputs_of(tflite_files.affine(), [x])
    np.testing.assert_array_equal(outputs[:, 0], [[1.0, 2.0, 3.0], [2.0, 8.0, 1.0]])


def test_what_a_file_remembers_does_not_widen_its_ranges() -> None:
    x = np.full((5, 2), 3.0, np.float32)
    assert max(float(item["max"][0]) for item in statistics(tflite_files.running_total(), [x]).values()) == 3.0
    (outputs,) = outputs_of(tflite_files.running_total(), [x])
    np.testing.assert_array_equal(outputs[:, 0], x)
