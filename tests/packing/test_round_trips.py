"""`unpack(pack(f)) == f`, for files of every kind."""

import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import tflite_files
from tests.packing.made_weights import weights
from tfcompress.packing import packing
from tfcompress.packing.choosing import CODINGS
from tfcompress.packing.packing import pack
from tfcompress.packing.pool import tables_of
from tfcompress.packing.unpacking import Packed, unpack
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


@given(items=st.lists(weights(), max_size=4))
@_QUICK
def test_flatbuffers_of_any_weights(items: list[Weights], tmp_path: Path) -> None:
    _there_and_back(made_tflite(items), tmp_path)


@given(items=st.lists(weights(), min_size=1, max_size=2), coding=st.sampled_from(CODINGS))
@_QUICK
def test_every_coding_alone(items: list[Weights], coding: str, tmp_path: Path) -> None:
    _there_and_back(made_tflite(items), tmp_path, (coding,))


@pytest.mark.parametrize("make", [tflite_files.affine, tflite_files.affine_int8, tflite_files.two_inputs])
def test_small_models_become_smaller(make: Callable[[], bytes], tmp_path: Path) -> None:
    content = make()
    assert len(_there_and_back(content, tmp_path)) < len(content)


def test_published_files(shared_data: Path, tmp_path: Path) -> None:
    paths = sorted(shared_data.rglob("*.tflite"))
    assert len(paths) >= 12
    for path in paths:
        _there_and_back(path.read_bytes(), tmp_path)


def test_a_pool_has_no_more_tables_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MOST_TABLES", np.array([8, 8]))
    halves = np.random.default_rng(1).standard_normal((16, 16)).astype(np.float16).astype(np.float32)
    packed = _there_and_back(made_tflite([Weights(f"w{n}", halves) for n in range(4)]), tmp_path)
    tables = Counter[int]()
    for _ in Packed(io.BytesIO(packed), len(packed), "x").original(
        lambda item: tables.update({item.pool: int(tables_of(item.stream)[0])})
    ):
        pass
    assert len(tables) > 1
    assert 3 <= max(tables.values()) <= 8


def test_the_same_file_packs_to_the_same_bytes(tmp_path: Path) -> None:
    content = made_tflite([Weights("w", np.random.default_rng(0).integers(-3, 3, (40, 60)).astype(np.int8))])
    assert _there_and_back(content, tmp_path) == _there_and_back(content, tmp_path)
