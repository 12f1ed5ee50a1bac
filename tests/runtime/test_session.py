"""Files run in a child process: right numbers for good ones, one clear error for all others, the caller alive."""

import time
from pathlib import Path

import numpy as np
import pytest

from tests import tflite_files
from tfcompress.errors import DataError, DeviceError, FormatError
from tfcompress.runtime.session import latencies, predict


def _write(folder: Path, content: bytes) -> Path:
    path = folder / "model.tflite"
    path.write_bytes(content)
    return path


def test_predict_computes_what_the_file_says(tmp_path: Path) -> None:
    path = _write(tmp_path, tflite_files.affine())
    outputs = predict(path, np.array([[0.0, 0.0], [1.0, 2.0]], np.float32))
    np.testing.assert_array_equal(outputs, [[1.0, 2.0, 3.0], [2.0, 8.0, 1.0]])


def test_a_batch_of_four_takes_any_number_of_samples(tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
    one_by_one = predict(_write(tmp_path, tflite_files.affine()), inputs)
    in_fours = predict(_write(tmp_path, tflite_files.affine(4)), inputs)
    np.testing.assert_allclose(in_fours, one_by_one, rtol=1e-6)
    assert in_fours.shape == (7, 3)


def test_what_a_file_remembers_is_forgotten_before_each_sample(tmp_path: Path) -> None:
    path = _write(tmp_path, tflite_files.running_total())
    x = np.array([[1.0, 2.0], [1.0, 2.0], [5.0, 0.0]], np.float32)
    np.testing.assert_array_equal(predict(path, x), x)


def test_litert_still_leaves_variables_as_they_are() -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=tflite_files.running_total())
    interpreter.allocate_tensors()
    seen = []
    for _ in range(2):
        interpreter.reset_all_variables()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.ones((1, 2), np.float32))
        interpreter.invoke()
        seen.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).tolist())
    # Once this fails, `running.each_run` needs no new interpreters.
    assert seen == [[[1.0, 1.0]], [[2.0, 2.0]]]


def test_int8_files_take_and_give_real_values(tmp_path: Path) -> None:
    path = _write(tmp_path, tflite_files.affine_int8())
    inputs = np.array([[-1.0, 1.0], [0.5, -0.25]])
    outputs = predict(path, inputs)
    assert outputs.dtype == np.float32
    # The outputs span -1 .. 5, so one step is 6 / 255; the input's step of 2 / 255 counts up to three times.
    np.testing.assert_allclose(outputs, [[0.0, 5.0, 5.0], [1.5, 1.25, 2.0]], atol=0.05)


def test_values_beyond_the_range_of_an_int8_input_are_clipped(tmp_path: Path) -> None:
    path = _write(tmp_path, tflite_files.affine_int8())
    np.testing.assert_allclose(predict(path, [[9.0, 9.0]]), predict(path, [[1.0, 1.0]]), atol=0.05)


def test_several_inputs_come_as_a_list_or_by_name(tmp_path: Path) -> None:
    path = _write(tmp_path, tflite_files.two_inputs())
    left, right = np.array([[1.0, 2.0, 3.0]], np.float32), np.array([[4.0, 5.0, 6.0]], np.float32)
    for inputs in ([left, right], {"right": right, "left": left}):
        outputs = predict(path, inputs)
        assert {tuple(np.ravel(item)) for item in outputs} == {(-3.0, -3.0, -3.0), (4.0, 10.0, 18.0)}


def test_free_axes_take_the_size_of_the_samples(tmp_path: Path) -> None:
    path = _write(tmp_path, tflite_files.free_batch())
    inputs = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    np.testing.assert_array_equal(predict(path, inputs), inputs.sum(axis=-1))


def test_integer_inputs_stay_integers(tmp_path: Path) -> None:
    path = _write(tmp_path, tflite_files.lookup())
    np.testing.assert_array_equal(predict(path, np.array([2, 0])), [[30.0, 31.0], [10.0, 11.0]])
    with pytest.raises(DataError, match=r"takes int32 integers and was given values from 0\.5 to 0\.5"):
        predict(path, np.array([0.5]))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((4, 3)), r"takes samples of shape \(2,\) and was given \(3,\)"),
        (np.zeros((0, 2)), "no samples"),
        (np.array(["a"]), "must be numbers"),
        ([np.zeros((4, 2)), np.zeros((4, 2))], "has 1 inputs and was given 2"),
        ([np.zeros((4, 2)), np.zeros((3, 2))], "different numbers of samples: 4, 3"),
        ({"y": np.zeros((4, 2))}, "no input 'y'; its inputs are"),
        ([[1.0, 2.0], [3.0]], "cannot be made into one array"),
    ],
)
def test_samples_that_do_not_fit_are_refused(tmp_path: Path, inputs: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        predict(_write(tmp_path, tflite_files.affine()), inputs)


def test_nan_has_no_int8_code(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="NaN, which int8 cannot hold"):
        predict(_write(tmp_path, tflite_files.affine_int8()), [[np.nan, 0.0]])


def test_recurrent_files_start_each_sample_from_a_clean_state(shared_data: Path) -> None:
    path = shared_data / "tflite_bench" / "trained_lstm.tflite"
    samples = np.random.default_rng(0).random((5, 28, 28), np.float32)
    together = predict(path, samples)
    np.testing.assert_array_equal(together[4:], predict(path, samples[4:]))


def test_ten_thousand_samples_take_seconds(tmp_path: Path) -> None:
    started = time.monotonic()
    outputs = predict(_write(tmp_path, tflite_files.affine()), np.zeros((10_000, 2), np.float32))
    assert outputs.shape == (10_000, 3)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("keyword_scrambled_8bit.tflite", DeviceError, r"LiteRT crashed \(SIG(ABRT|SEGV)\) while running it"),
        ("person_detect.tflite", FormatError, r"does not load it: quantized_dimension must be in range \[0, 1\)"),
        ("person_detect_vela.tflite", FormatError, "unresolved custom op: ethos-u"),
    ],
)
def test_hostile_files_give_an_error_and_leave_the_caller_alive(
    shared_data: Path, name: str, error: type[Exception], message: str
) -> None:
    path = shared_data / "tflite_hostile" / name
    with pytest.raises(error, match=message) as caught:
        latencies(path, runs=30, warmup=5)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0\0\0\0TFL3" + b"\xff" * 200, bytes(range(256)) * 40])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises((FormatError, DeviceError), match=r"model\.tflite"):
        predict(_write(tmp_path, content), np.zeros((1, 2)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"none\.tflite is not a file"):
        predict(tmp_path / "none.tflite", np.zeros((1, 2)))


def test_a_run_beyond_its_time_limit_is_stopped(tmp_path: Path) -> None:
    path = _write(tmp_path, tflite_files.affine())
    with pytest.raises(DeviceError, match="still running after 1 s and was stopped"):
        latencies(path, runs=10**9, time_limit=1.0)


def test_latencies_are_positive_and_as_many_as_asked_for(tmp_path: Path) -> None:
    times = latencies(_write(tmp_path, tflite_files.affine()), runs=40, warmup=2, threads=2)
    assert times.shape == (40,)
    assert (times > 0).all()


@pytest.mark.parametrize("settings", [{"runs": 0}, {"threads": 0}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, settings: dict[str, int]) -> None:
    with pytest.raises(DeviceError, match="must be 1 or more; received 0"):
        latencies(_write(tmp_path, tflite_files.affine()), **settings)
