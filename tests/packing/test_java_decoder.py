"""The Java decoder gives what the Python one gives, on good files and on bad ones, in 64 MB."""

import hashlib
import io
import random
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.packing.java_decoder import JavaDecoder
from tests.packing.made_weights import weights
from tfcompress.errors import FormatError
from tfcompress.packing.choosing import CODINGS
from tfcompress.packing.container import HEADER_BYTES, Header, Layout, write_layout
from tfcompress.packing.packing import pack
from tfcompress.packing.side import Family, SideWriter
from tfcompress.packing.streams import Coding
from tfcompress.packing.unpacking import Packed
from tools import java_decoder
from tools.made_tflite import Weights, made_tflite
from tools.make_fuzz_corpus import CORPUS, tiny_files
from tools.make_golden_tfz import GOLDEN

pytestmark = pytest.mark.skipif(java_decoder.missing() is not None, reason=str(java_decoder.missing()))

_TINY = tiny_files()
_GOLDEN = {path.stem: path.read_bytes() for path in sorted(GOLDEN.glob("*.tfz"))}
_QUICK = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return java_decoder.compiled(tmp_path_factory.mktemp("classes"))


@pytest.fixture(scope="module")
def java(classes: Path) -> Iterator[JavaDecoder]:
    with JavaDecoder(classes) as decoder:
        yield decoder


def _by_python(content: bytes) -> bytes | None:
    try:
        return b"".join(Packed(io.BytesIO(content), len(content), "model.tfz").original())
    except FormatError:
        return None


def _check_agreement(java: JavaDecoder, content: bytes) -> bytes | None:
    """Both give the same bytes, or both refuse."""
    expected, answer = _by_python(content), java.unpack(content)
    assert (answer if isinstance(answer, bytes) else None) == expected, answer if isinstance(answer, str) else ""
    return expected


def _packed(content: bytes, folder: Path, codings: tuple[str, ...] = CODINGS) -> bytes:
    (folder / "in").write_bytes(content)
    pack(folder / "in", folder / "packed", codings=codings, force=True, card=False, compare=False)
    return (folder / "packed").read_bytes()


@pytest.mark.parametrize("name", sorted(_GOLDEN))
def test_golden_files(java: JavaDecoder, name: str) -> None:
    assert _check_agreement(java, _GOLDEN[name]) is not None


def test_published_files(java: JavaDecoder, shared_data: Path, tmp_path: Path) -> None:
    paths = [path for path in sorted(shared_data.rglob("*.tflite")) if path.stat().st_size < 200_000]
    assert len(paths) >= 8
    for path in paths:
        assert java.unpack(_packed(path.read_bytes(), tmp_path)) == path.read_bytes()


@pytest.mark.slow
def test_large_published_files(java: JavaDecoder, shared_data: Path, tmp_path: Path) -> None:
    for path in sorted(shared_data.rglob("*.tflite")):
        if 200_000 <= path.stat().st_size < 16_000_000:
            assert java.unpack(_packed(path.read_bytes(), tmp_path)) == path.read_bytes()


@given(content=st.binary(max_size=3000))
@_QUICK
def test_any_bytes(java: JavaDecoder, content: bytes, tmp_path: Path) -> None:
    assert java.unpack(_packed(content, tmp_path)) == content


@given(items=st.lists(weights(), max_size=4))
@_QUICK
def test_flatbuffers_of_any_weights(java: JavaDecoder, items: list[Weights], tmp_path: Path) -> None:
    content = made_tflite(items)
    assert java.unpack(_packed(content, tmp_path)) == content


@pytest.mark.parametrize("coding", CODINGS)
@given(items=st.lists(weights(), min_size=1, max_size=2))
@settings(_QUICK, max_examples=10)
def test_every_coding_alone(java: JavaDecoder, coding: str, items: list[Weights], tmp_path: Path) -> None:
    content = made_tflite(items)
    assert java.unpack(_packed(content, tmp_path, (coding,))) == content


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.iterdir()))
def test_the_fuzz_corpus(java: JavaDecoder, name: str) -> None:
    _check_agreement(java, (CORPUS / name).read_bytes())


@pytest.mark.parametrize("name", sorted(_TINY))
def test_every_shorter_file_is_refused(java: JavaDecoder, name: str) -> None:
    for length in range(len(_TINY[name])):
        assert isinstance(java.unpack(_TINY[name][:length]), str)


@pytest.mark.parametrize("name", sorted(_TINY))
def test_flipped_bits(java: JavaDecoder, name: str) -> None:
    for place in range(HEADER_BYTES, len(_TINY[name])):
        for bit in range(8) if name != "mixed" else (place % 8,) * (place % 3 == 0):
            changed = bytearray(_TINY[name])
            changed[place] ^= 1 << bit
            _check_agreement(java, bytes(changed))


@pytest.mark.parametrize("name", sorted(set(_GOLDEN) - {"padded"}))
def test_overwritten_parts(java: JavaDecoder, name: str) -> None:
    generator = random.Random(name)
    for _ in range(30):
        content = bytearray(_GOLDEN[name])
        start = generator.randrange(len(content))
        content[start : start + generator.randint(1, 20)] = generator.randbytes(generator.randint(1, 20))
        _check_agreement(java, bytes(content))


@given(content=st.binary(max_size=300))
@settings(_QUICK, max_examples=100)
def test_random_bytes_are_refused(java: JavaDecoder, content: bytes) -> None:
    assert isinstance(java.unpack(content), str)
    assert isinstance(java.unpack(Header(100, bytes(32)).to_bytes() + content), str)


def test_another_version_is_named(java: JavaDecoder) -> None:
    assert "has version 2, and this decoder reads version 1" in str(java.unpack(b"TFZ\2" + _TINY["raw"][4:]))


@pytest.mark.parametrize("claimed", [10**12, 2**63, 2**64 - 1])
def test_a_claim_of_terabytes_is_refused(java: JavaDecoder, claimed: int) -> None:
    content = Header(claimed, bytes(32)).to_bytes() + _TINY["raw"][HEADER_BYTES:]
    assert "cannot hold" in str(java.unpack(content))


@pytest.mark.parametrize("place", [HEADER_BYTES, HEADER_BYTES + 4])
def test_lengths_beyond_the_file_take_no_memory(java: JavaDecoder, place: int) -> None:
    for length in (1 << 20, 1 << 24, (1 << 24) + 1, (1 << 31) - 1, (1 << 32) - 1):
        content = bytearray(_TINY["raw"])
        content[place : place + 4] = length.to_bytes(4, "little")
        assert isinstance(java.unpack(bytes(content)), str)


def test_another_hash_is_found(java: JavaDecoder) -> None:
    content = bytearray(_TINY["paper"])
    content[20] ^= 1
    assert "SHA-256" in str(java.unpack(bytes(content)))


@pytest.mark.parametrize(
    "end", [bytes(1), bytes(3), bytes(4), bytes(100), bytes(5) + b"x", b"\1", b"\1\0\0\0\0\0\0\0\0"]
)
def test_what_follows_the_last_pool(java: JavaDecoder, end: bytes) -> None:
    _check_agreement(java, _TINY["lzma"] + end)
    _check_agreement(java, _GOLDEN["empty"] + end)


def test_a_bomb_is_refused(java: JavaDecoder) -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = compressor.compress(bytes(1 << 26)) + compressor.flush()
    side = SideWriter()
    write_layout(side, Layout(0, ((0, 0),)))
    side.number(Family.LENGTH, 1)
    side.number(Family.STRUCTURE, Coding.DEFLATE)
    side.number(Family.LENGTH, 1 << 20)
    side.number(Family.LENGTH, len(body))
    assert "deflated stream" in str(java.unpack(_file(side, body, 1 << 20)))


def _no_streams(side: SideWriter) -> None:
    side.number(Family.LENGTH, 0)


def _no_run(side: SideWriter) -> None:
    side.number(Family.LENGTH, 1)
    side.number(Family.STRUCTURE, Coding.RAW)
    side.number(Family.LENGTH, 0)


def _flag_bytes_without_flags(side: SideWriter) -> None:
    side.number(Family.LENGTH, 1)
    side.number(Family.STRUCTURE, Coding.MODELLED)
    side.number(Family.LENGTH, 1)
    for family, value in [(Family.STRUCTURE, 0), (Family.LENGTH, 0), (Family.LENGTH, 0), *[(Family.STRUCTURE, 0)] * 6]:
        side.number(family, value)
    side.number(Family.LENGTH, 0)
    for symbol in range(256):
        side.signed(Family.WEIGHT, {0: 1, 1: -1}.get(symbol, 0))
    for value in (0, 0):
        side.number(Family.LENGTH, value)
    side.number(Family.STRUCTURE, 0)
    side.number(Family.LENGTH, 4)
    side.number(Family.LENGTH, 4)


@pytest.mark.parametrize("described", [_no_streams, _no_run, _flag_bytes_without_flags])
@pytest.mark.parametrize("runs", [0, 1])
@pytest.mark.parametrize("shared", [0, 1])
def test_pools_that_contradict_their_layout(
    java: JavaDecoder, described: Callable[[SideWriter], None], runs: int, shared: int
) -> None:
    side = SideWriter()
    write_layout(side, Layout(shared, ((0, 0),) * runs))
    described(side)
    body = bytes(4) + (1 << 16).to_bytes(4, "little") if described is _flag_bytes_without_flags else b""
    assert _check_agreement(java, _file(side, body, 1)) is None


def _file(side: SideWriter, body: bytes, size: int) -> bytes:
    described = side.finish()
    lengths = len(described).to_bytes(4, "little") + len(body).to_bytes(4, "little")
    return Header(size, hashlib.sha256(bytes(size)).digest()).to_bytes() + lengths + described + body


def test_a_file_larger_than_the_memory_becomes_a_file(classes: Path, tmp_path: Path) -> None:
    content = random.Random(0).randbytes(24 << 20)
    (tmp_path / "made.tfz").write_bytes(_packed(content, tmp_path, ("raw",)))
    command = java_decoder.command(classes, "Main", tmp_path / "made.tfz", tmp_path / "m", megabytes=20)
    subprocess.run(command, check=True)
    assert (tmp_path / "m").read_bytes() == content


def test_nothing_is_left_of_a_damaged_file(classes: Path, tmp_path: Path) -> None:
    content = bytearray(_GOLDEN["structured-int8"])
    content[-1] ^= 1
    (tmp_path / "bad.tfz").write_bytes(content)
    (tmp_path / "out.tflite").write_text("older")
    command = java_decoder.command(classes, "Main", tmp_path / "bad.tfz", tmp_path / "out.tflite")
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"{tmp_path / 'bad.tfz'}: ")
    assert "copy it again, or pack it again" in answer.stderr
    assert (tmp_path / "out.tflite").read_text() == "older"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["bad.tfz", "out.tflite"]
