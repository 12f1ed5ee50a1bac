"""Files that are cut off, damaged or hostile: an error in limited time and memory, and nothing left behind."""

import hashlib
import io
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfcompress.errors import FormatError
from tfcompress.packing.container import HEADER_BYTES, Header, Layout, write_layout
from tfcompress.packing.side import Family, SideWriter
from tfcompress.packing.streams import Coding
from tfcompress.packing.unpacking import Packed, unpack
from tools.make_fuzz_corpus import tiny_files
from tools.make_golden_tfz import GOLDEN

_TINY = tiny_files()
_GOLDEN = {path.stem: path.read_bytes() for path in sorted(GOLDEN.glob("*.tfz")) if path.stem != "padded"}


def _unpacked(content: bytes) -> bytes:
    return b"".join(Packed(io.BytesIO(content), len(content), "model.tfz").original())


@pytest.mark.parametrize("name", sorted(_TINY))
def test_every_shorter_file_is_refused(name: str) -> None:
    for length in range(len(_TINY[name])):
        with pytest.raises(FormatError, match=r"model\.tfz"):
            _unpacked(_TINY[name][:length])


@pytest.mark.parametrize("name", sorted(_TINY))
def test_a_flipped_bit_never_gives_other_bytes(name: str) -> None:
    original = _unpacked(_TINY[name])
    for place in range(0, len(_TINY[name]), 9 if name == "mixed" else 1):
        changed = bytearray(_TINY[name])
        changed[place] ^= 1 << place % 8
        try:
            assert _unpacked(bytes(changed)) == original
        except FormatError:
            continue


@given(name=st.sampled_from(sorted(_GOLDEN)), data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_overwritten_parts_never_give_other_bytes(name: str, data: st.DataObject) -> None:
    content = bytearray(_GOLDEN[name])
    start = data.draw(st.integers(0, len(content) - 1))
    patch = data.draw(st.binary(min_size=1, max_size=20))
    content[start : start + len(patch)] = patch
    digest = _GOLDEN[name][12:HEADER_BYTES]
    try:
        assert hashlib.sha256(_unpacked(bytes(content))).digest() == bytes(content[12:HEADER_BYTES])
        assert bytes(content[12:HEADER_BYTES]) == digest
    except FormatError:
        pass


@given(content=st.binary(max_size=300))
@settings(deadline=None)
def test_random_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(FormatError):
        _unpacked(content)
    with pytest.raises(FormatError):
        _unpacked(Header(100, bytes(32)).to_bytes() + content)


def test_another_version_is_named() -> None:
    with pytest.raises(FormatError, match=r"version 2 of the \.tfz format"):
        _unpacked(b"TFZ\2" + _TINY["raw"][4:])


def test_a_terabyte_is_refused_before_anything_is_read() -> None:
    with pytest.raises(FormatError, match="claim to hold 1,000,000,000,000"):
        _unpacked(Header(10**12, bytes(32)).to_bytes() + _TINY["raw"][HEADER_BYTES:])


def test_another_hash_is_found() -> None:
    content = bytearray(_TINY["paper"])
    content[20] ^= 1
    with pytest.raises(FormatError, match="SHA-256"):
        _unpacked(bytes(content))


def test_what_follows_the_end_is_refused_unless_it_is_zeros() -> None:
    assert _unpacked(_TINY["lzma"] + bytes(100)) == _unpacked(_TINY["lzma"])
    with pytest.raises(FormatError):
        _unpacked(_TINY["lzma"] + bytes(100) + b"x")


def _file_of(side: SideWriter, body: bytes, size: int) -> bytes:
    described = side.finish()
    lengths = len(described).to_bytes(4, "little") + len(body).to_bytes(4, "little")
    return Header(size, bytes(32)).to_bytes() + lengths + described + body


_CLAIMED = 1 << 20  # bytes; what a tiny file may unpack to


def _hostile(kind: str) -> bytes:
    """Files that ask for as much as such small ones may."""
    side = SideWriter()
    write_layout(side, Layout(0, ((0, 0),)))
    side.number(Family.LENGTH, 1)
    if kind == "numbers without end":  # classes of 2**16 positions, again and again
        return _file_of(side, bytes(100), _CLAIMED)
    side.number(Family.STRUCTURE, Coding.DEFLATE if kind == "deflated zeros" else Coding.MODELLED)
    side.number(Family.LENGTH, _CLAIMED)
    if kind == "deflated zeros":
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = compressor.compress(bytes(1 << 26)) + compressor.flush()
        side.number(Family.LENGTH, len(body))
        return _file_of(side, body, _CLAIMED)
    side.number(Family.STRUCTURE, 0)  # bytes
    for _ in range(2):
        side.number(Family.LENGTH, 0)
    for value in (0, 0, 0, 0, 0):  # neither transposed nor split; no classes
        side.number(Family.STRUCTURE, value)
    side.number(Family.STRUCTURE, 0)
    side.number(Family.LENGTH, 0)
    for symbol in range(256):
        side.signed(Family.WEIGHT, {0: 1, 1: -1}.get(symbol, 0))
    side.number(Family.LENGTH, 0)  # one lane of flags, one of values, for a million symbols
    side.number(Family.LENGTH, 0)
    side.number(Family.STRUCTURE, 2)
    side.number(Family.LENGTH, 0)
    side.number(Family.LENGTH, 4)
    return _file_of(side, (1 << 16).to_bytes(4, "little"), _CLAIMED)


# The most memory since the program began: that of `getrusage` would begin with what pytest had.
_CHILD = """
import io, pathlib, sys
from tfcompress.errors import FormatError
from tfcompress.packing.unpacking import Packed
content = sys.stdin.buffer.read()
def most():
    return int(pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
before = most()
try:
    list(Packed(io.BytesIO(content), len(content), "model.tfz").original())
except FormatError as error:
    print(most() - before, error)
"""


@pytest.mark.parametrize("kind", ["deflated zeros", "one lane", "numbers without end"])
def test_a_small_file_takes_limited_time_and_memory(kind: str) -> None:
    command = [sys.executable, "-c", _CHILD]
    answer = subprocess.run(command, input=_hostile(kind), capture_output=True, timeout=120, check=True)
    kilobytes, _, message = answer.stdout.decode().partition(" ")
    assert int(kilobytes) < 100_000
    assert "model.tfz is damaged" in message


def test_nothing_is_left_of_a_damaged_file(tmp_path: Path) -> None:
    content = bytearray(_GOLDEN["structured-int8"])
    content[-1] ^= 1
    (tmp_path / "bad.tfz").write_bytes(content)
    (tmp_path / "out.tflite").write_text("older")
    with pytest.raises(FormatError, match=r"bad\.tfz"):
        unpack(tmp_path / "bad.tfz", tmp_path / "out.tflite", force=True)
    assert (tmp_path / "out.tflite").read_text() == "older"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["bad.tfz", "out.tflite"]


def test_an_empty_stream_of_symbols_is_refused() -> None:
    side = SideWriter()
    write_layout(side, Layout(0, ((0, 0),)))
    side.number(Family.LENGTH, 1)
    side.number(Family.STRUCTURE, Coding.MODELLED)
    side.number(Family.LENGTH, 0)
    with pytest.raises(FormatError):
        _unpacked(_file_of(side, b"", 1))


def test_the_bytes_of_a_model_are_not_those_of_its_neighbour() -> None:
    values = np.frombuffer(_unpacked(_TINY["mixed"]), np.uint8)
    assert len(values) == sum(len(_unpacked(content)) for name, content in _TINY.items() if name != "mixed")
