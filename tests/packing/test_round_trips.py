"""`unpack(pack(f)) == f`, for files of every kind."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import tflite_files
from tfcompress.packing.choosing import CODINGS
from tfcompress.packing.packing import pack
from tfcompress.packing.unpacking import unpack
from tools.made_tflite import Weights, made_tflite

_QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _there_and_back(content: bytes, folder: Path, codings: tuple[str, ...] = CODINGS) -> bytes:
    """Checks a round trip and gives the packed file."""
    (folder / "in").write_bytes(content)
    pack(folder / "in", folder / "packed", codings=codings, force=True)
    unpack(folder / "packed", folder / "out", force=True)
    assert (folder / "out").read_bytes() == content
    return (folder / "packed").read_bytes()


@given(content=st.binary(max_size=3000))
@_QUICK
def test_any_bytes(content: bytes, tmp_path: Path) -> None:
    _there_and_back(content, tmp_path)


@st.composite
def _weights(draw: st.DrawFn) -> Weights:
    """Weights of any type and shape, with zeros and shared values in any share, and with structure or without."""
    shape = tuple(draw(st.lists(st.integers(1, 12), min_size=1, max_size=4)))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = np.dtype(draw(st.sampled_from(["int8", "uint8", "int16", "int32", "int64", "float16", "float32"])))
    values = generator.normal(0, draw(st.sampled_from([0.5, 3.0, 30.0])), shape)
    if draw(st.booleans()):
        values *= np.exp(generator.normal(0, 1, shape[:1] + (1,) * (len(shape) - 1)))
    if draw(st.booleans()):
        values = generator.choice(values.ravel()[: draw(st.integers(1, 20))], shape)
    density = draw(st.sampled_from([0.0, 0.02, 0.2, 0.6, 1.0]))
    rows = generator.uniform(0, 2, shape[:1] + (1,) * (len(shape) - 1))
    values = np.where(generator.random(shape) < density * rows, values, 0)
    if dtype.kind != "f":
        values = values.round().clip(np.iinfo(dtype).min, np.iinfo(dtype).max)
    repeats = draw(st.sampled_from([1, 1, 40]))
    scales = generator.random(shape[0]).astype(np.float32) if draw(st.booleans()) else None
    return Weights("w", np.repeat(values.astype(dtype), repeats, axis=-1), scales)


@given(items=st.lists(_weights(), max_size=4))
@_QUICK
def test_flatbuffers_of_any_weights(items: list[Weights], tmp_path: Path) -> None:
    _there_and_back(made_tflite(items), tmp_path)


@given(items=st.lists(_weights(), min_size=1, max_size=2), coding=st.sampled_from(CODINGS))
@_QUICK
def test_every_coding_alone(items: list[Weights], coding: str, tmp_path: Path) -> None:
    _there_and_back(made_tflite(items), tmp_path, (coding,))


@pytest.mark.parametrize("make", [tflite_files.affine, tflite_files.affine_int8, tflite_files.two_inputs])
def test_small_models_become_smaller(make: "pytest.MonkeyPatch", tmp_path: Path) -> None:
    content = make()
    assert len(_there_and_back(content, tmp_path)) < len(content)


def test_published_files(shared_data: Path, tmp_path: Path) -> None:
    paths = sorted(shared_data.rglob("*.tflite"))
    assert len(paths) >= 12
    for path in paths:
        _there_and_back(path.read_bytes(), tmp_path)


def test_the_same_file_packs_to_the_same_bytes(tmp_path: Path) -> None:
    content = made_tflite([Weights("w", np.random.default_rng(0).integers(-3, 3, (40, 60)).astype(np.int8))])
    assert _there_and_back(content, tmp_path) == _there_and_back(content, tmp_path)
