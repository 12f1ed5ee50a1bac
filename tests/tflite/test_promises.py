"""Promises that hold, that break, and that are none."""

from pathlib import Path

import pytest

from tests import tflite_files
from tfcompress.errors import ConversionError, PromiseError
from tfcompress.tflite.inspection import inspect
from tfcompress.tflite.promises import Promise, check_promises, promises_of


@pytest.fixture
def int8_file(tmp_path: Path) -> Path:
    path = tmp_path / "affine_int8.tflite"
    path.write_bytes(tflite_files.affine_int8())
    return path


def test_what_the_file_is_holds(int8_file: Path) -> None:
    held = [
        "arithmetic == int8",
        "io == int8",
        "sparsity >= 0.5",
        "kernel_sparsity>=0.5",
        "distinct_values <= 4",
        f"size_bytes == {int8_file.stat().st_size}",
        "zlib_bytes <= 1_000_000",
        "float_operators == 0",
    ]
    check_promises(promises_of(held), inspect(int8_file))


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("arithmetic == int16", "arithmetic == int16, but it is int8 throughout"),
        ("io == float32", "but it is int8"),
        ("sparsity >= 0.6", r"but it is 0\.5 \(least in '"),
        ("kernel_sparsity >= 0.6", r"but it is 0\.5 in '"),
        ("distinct_values <= 2", "but it is 3 in '"),
        ("size_bytes <= 10", r"but it is [\d,]+\."),
        ("fallbacks == 0", "but LiteRT was not asked"),
    ],
)
def test_a_broken_promise_says_what_the_file_has_instead(int8_file: Path, text: str, instead: str) -> None:
    with pytest.raises(PromiseError, match=rf"affine_int8\.tflite is not what was promised: .*{instead}"):
        check_promises(promises_of([text]), inspect(int8_file))


def test_all_broken_promises_are_named_at_once(int8_file: Path) -> None:
    with pytest.raises(PromiseError, match=r"io == float32.*; size_bytes <= 10"):
        check_promises(promises_of(["io == float32", "arithmetic == int8", "size_bytes <= 10"]), inspect(int8_file))


def test_a_file_without_kernels_breaks_what_is_said_of_them(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(tflite_files.two_inputs())
    with pytest.raises(PromiseError, match="it has no kernels"):
        check_promises(promises_of(["sparsity >= 0"]), inspect(tmp_path / "x.tflite"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("small", "is no promise. Give a name"),
        ("sparsety >= 0.5", "Did you mean 'sparsity'"),
        ("io >= int8", "only be equal"),
        ("size_bytes <= few", "'few' is no number"),
        ("sparsity >= nan", "'nan' is no number"),
    ],
)
def test_what_is_no_promise_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        Promise.parse(text)
