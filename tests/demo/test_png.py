"""A PNG read back chunk by chunk, as its specification has it; browsers read them in tests/android_demo."""

import struct
import zlib

import numpy as np
import pytest

from tfcompress.demo.png import png


@pytest.mark.parametrize("size", [(1, 1), (28, 28), (3, 70)])
def test_the_pixels_come_back(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    content, chunks = png(pixels), {}
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    at = 8
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        body = content[at + 4 : at + 8 + length]
        assert struct.unpack_from(">I", content, at + 8 + length) == (zlib.crc32(body),)
        chunks[body[:4]] = body[4:]
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (size[1], size[0], 8, 2, 0, 0, 0)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(size[0], 1 + 3 * size[1])
    assert not rows[:, 0].any()  # no row is filtered
    np.testing.assert_array_equal(rows[:, 1:].reshape(pixels.shape), pixels)
