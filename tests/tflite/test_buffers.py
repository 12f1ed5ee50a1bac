"""Values that are shared, stored twice or used by nothing, in files made for it."""

from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests import tflite_files
from tfcompress.errors import FormatError
from tfcompress.tflite.buffers import Stored, buffers_of
from tfcompress.tflite.metadata import Metadata, described
from tfcompress.tflite.reading import parse
from tools.made_tflite import Weights, made_tflite, written

_ONE, _OTHER = np.arange(100, dtype=np.int32), np.arange(50, dtype=np.int32)


def _file(*, shared: bool = False, unused: bool = False) -> bytes:
    """Constants a and b of the same 400 bytes and c of 200; b takes those of a where they are shared."""
    data = made_tflite([Weights("a", _ONE), Weights("b", _ONE), Weights("c", _OTHER)])
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    if shared:
        tensors = {tensor.name: tensor for tensor in model.subgraphs[0].tensors}
        tensors[b"b"].buffer = tensors[b"a"].buffer
        model.buffers[2].data = np.zeros(0, np.uint8)
    if unused:
        left_over = schema.BufferT()
        left_over.data = np.zeros(70, np.uint8)
        model.buffers.append(left_over)
    return written(model)


def test_equal_values_in_two_buffers_are_stored_twice() -> None:
    data = _file()
    found = buffers_of(parse(data, "x"), len(data))
    assert found.repeated == (Stored(400, 2, ("a", "b")),)
    assert (found.shared, found.repeated_bytes, found.unused_bytes) == ((), 400, 0)


def test_one_buffer_of_two_tensors_is_shared() -> None:
    data = _file(shared=True)
    found = buffers_of(parse(data, "x"), len(data))
    assert found.shared == (Stored(400, 1, ("a", "b")),)
    assert (found.repeated, found.repeated_bytes) == ((), 0)


def test_a_buffer_that_nothing_refers_to_is_unused_and_metadata_are_not() -> None:
    data = _file(unused=True)
    assert buffers_of(parse(data, "x"), len(data)).unused_bytes == 70
    with_more = described(data, "x", Metadata(name="x"))
    assert buffers_of(parse(with_more, "x"), len(with_more)).unused_bytes == 70


def test_buffers_that_lie_over_each_other_are_refused() -> None:
    data = tflite_files.affine()
    content = parse(data, "x")
    with pytest.raises(FormatError, match="over each other"):
        buffers_of(replace(content, buffers=(memoryview(data),) * 10), len(data))
