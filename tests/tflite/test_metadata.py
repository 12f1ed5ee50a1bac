"""Metadata that other tools read, read from other tools, and taken out without a trace."""

import contextlib
import zipfile
from dataclasses import replace
from pathlib import Path

import flatbuffers
import flatbuffers.table
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import tflite_files
from tfcompress.card import Card
from tfcompress.errors import DataError, FormatError, OutputError
from tfcompress.files import sha256
from tfcompress.packing.packing import pack
from tfcompress.packing.unpacking import unpack
from tfcompress.tflite.associated_files import files_behind
from tfcompress.tflite.inspection import inspect
from tfcompress.tflite.metadata import (
    Metadata,
    described,
    metadata_of,
    read_metadata,
    strip_metadata,
    stripped,
    write_metadata,
)
from tfcompress.tflite.metadata_schema import ModelNote, PortNote, encoded
from tfcompress.tflite.reading import parse

_GOLDEN = Path(__file__).parent / "golden" / "by_tflite_support.tflite"
_ALL = Metadata(
    name="Affine",
    description="three sums of two numbers",
    version="7",
    author="nobody",
    license="Apache-2.0",
    labels=("a", "b", "ü"),
    mean=(1.0, 2.0),
    std=(0.5, 4.0),
    recipe='[[step]]\ntechnique = "MagnitudePruning"\n',
    card='{"schema":1}',
    parent="ab" * 32,
)


@pytest.fixture
def affine(tmp_path: Path) -> Path:
    path = tmp_path / "affine.tflite"
    path.write_bytes(tflite_files.affine())
    return path


def test_what_is_written_is_read_back(affine: Path) -> None:
    write_metadata(affine, _ALL)
    assert read_metadata(affine) == _ALL
    facts = inspect(affine)
    assert facts.described == _ALL
    text = str(facts)
    for said in ("name (its own): Affine", "3 labels: a, b, ü", "input: (x - (1, 2)) / (0.5, 4)", "made from abab"):
        assert said in text
    assert max(map(len, text.splitlines())) <= 100


def test_stripping_gives_the_same_bytes_back(affine: Path, tmp_path: Path) -> None:
    original = affine.read_bytes()
    write_metadata(affine, _ALL)
    write_metadata(affine, replace(_ALL, name="Twice"))
    strip_metadata(affine, tmp_path / "bare.tflite")
    assert (tmp_path / "bare.tflite").read_bytes() == original
    assert read_metadata(tmp_path / "bare.tflite") is None


@pytest.mark.parametrize("make", [tflite_files.affine, tflite_files.affine_int8, tflite_files.two_inputs])
def test_a_described_file_computes_what_it_did(make) -> None:
    before, after = make(), described(make(), "x", Metadata(name="x", description="y" * 1000))
    assert parse(before, "x").graphs == parse(after, "x").graphs
    assert parse(before, "x").signatures == parse(after, "x").signatures
    results = []
    for content in (before, after):
        interpreter = Interpreter(model_content=content)
        interpreter.allocate_tensors()
        for details in interpreter.get_input_details():
            interpreter.set_tensor(details["index"], np.full(details["shape"], 3, details["dtype"]))
        interpreter.invoke()
        results.append([interpreter.get_tensor(item["index"]) for item in interpreter.get_output_details()])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_buffer_stays_aligned_for_vector_loads() -> None:
    before, after = _places(tflite_files.affine()), _places(described(tflite_files.affine(), "x", _ALL))
    assert len(after) == len(before) + 2
    assert [after[number] % 64 for number in before] == [place % 64 for place in before.values()]
    assert [place % 16 for number, place in after.items() if number not in before] == [0, 0]


def _places(data: bytes) -> dict[int, int]:
    """Where the bytes of each buffer that has any begin."""
    model = schema.Model.GetRootAs(data, 0)
    tables = {number: model.Buffers(number)._tab for number in range(model.BuffersLength())}
    return {number: table.Vector(table.Offset(4)) for number, table in tables.items() if table.Offset(4)}


def test_the_generated_classes_and_zipfile_read_what_was_written(affine: Path) -> None:
    write_metadata(affine, _ALL)
    data = affine.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    (entry,) = (item for item in model.metadata if item.name == b"TFLITE_METADATA")
    content = bytes(model.buffers[entry.buffer].data)
    assert content[4:8] == b"M001"
    root = flatbuffers.table.Table(content, int.from_bytes(content[:4], "little"))
    assert root.String(root.Pos + root.Offset(4)) == b"Affine"
    assert root.String(root.Pos + root.Offset(4 + 2 * 7)) == b"1.0.0"
    with zipfile.ZipFile(affine) as archive:
        assert archive.testzip() is None
        assert archive.read("labels.txt").decode() == "a\nb\nü\n"
        assert {item.compress_type for item in archive.infolist()} == {zipfile.ZIP_STORED}


def test_an_image_is_described_as_one() -> None:
    content = encoded(ModelNote(inputs=(PortNote("image", (1, 24, 32, 3), (127.5,), (127.5,)), PortNote("x", (1, 4)))))
    root = flatbuffers.table.Table(content, int.from_bytes(content[:4], "little"))
    kinds, sizes = [], []
    inputs = _child(_item(root, 3, 0), 2)
    for number in range(inputs[1]):
        content_table = _table(_item(_item(root, 3, 0), 2, number), 3)
        kinds.append(
            content_table.Get(flatbuffers.number_types.Uint8Flags, content_table.Pos + content_table.Offset(4))
        )
        if kinds[-1] == 2:
            size = _table(_table(content_table, 1), 1)
            sizes = [size.Get(flatbuffers.number_types.Uint32Flags, size.Pos + size.Offset(slot)) for slot in (4, 6)]
    assert kinds == [2, 1]  # ImageProperties, FeatureProperties
    assert sizes == [32, 24]  # width, height


def _child(table, slot):
    offset = table.Offset(4 + 2 * slot)
    return table.Vector(offset), table.VectorLen(offset)


def _item(table, slot, number):
    start, _ = _child(table, slot)
    return flatbuffers.table.Table(table.Bytes, table.Indirect(start + 4 * number))


def _table(table, slot):
    return flatbuffers.table.Table(table.Bytes, table.Indirect(table.Pos + table.Offset(4 + 2 * slot)))


def test_what_another_tool_wrote_is_read_and_stripped() -> None:
    # Written by tflite-support 0.4.4's MetadataPopulator.
    data = _GOLDEN.read_bytes()
    said = metadata_of(parse(data, "x"), data, "x")
    assert said is not None
    assert (said.name, said.labels, said.mean, said.std) == ("M", ("cat",), (127.5,), (127.5,))
    assert set(files_behind(data, "x")) == {"labels.txt", "recipe.toml", "card.json", "lineage.json"}
    bare = stripped(data, "x")
    assert b"cat" not in bare
    assert b"M001" not in bare
    assert parse(bare, "x").graphs == parse(data, "x").graphs
    assert parse(bare, "x").metadata == ()
    assert stripped(bare, "x") == bare


def test_a_published_files_metadata_is_read_and_can_be_replaced(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "tflite_bench" / "mobilenet_v1_0.25_128_quant.tflite"
    said = read_metadata(path)
    assert said is not None
    write_metadata(path, replace(_ALL, labels=(), mean=(), std=()), tmp_path / "x.tflite")
    again = read_metadata(tmp_path / "x.tflite")
    assert again is not None
    assert again.name == "Affine"
    assert parse((tmp_path / "x.tflite").read_bytes(), "x").graphs == parse(path.read_bytes(), "x").graphs


def test_a_described_file_packs_and_unpacks_byte_for_byte(affine: Path, tmp_path: Path) -> None:
    write_metadata(affine, _ALL)
    pack(affine, tmp_path / "x.tfz", card=False)
    unpack(tmp_path / "x.tfz", tmp_path / "again.tflite")
    assert (tmp_path / "again.tflite").read_bytes() == affine.read_bytes()


def test_the_card_goes_in_and_follows_the_bytes(affine: Path) -> None:
    before = sha256(affine)
    card = replace(inspect(affine).to_card(), compression_rate=2.0)
    card.save_beside(affine)
    write_metadata(affine, Metadata(name="x"))
    after = Card.load_beside(affine)
    assert after.model == {"name": "affine.tflite", "sha256": sha256(affine)}
    assert after.size_bytes == affine.stat().st_size
    assert after.compression_rate == pytest.approx(2.0 * card.size_bytes / after.size_bytes)
    said = read_metadata(affine)
    assert said is not None
    inside = Card.from_json(said.card)
    assert inside.model["sha256"] == before
    assert (inside.tensors, inside.operators, inside.sparsity) == ([], [], card.sparsity)
    strip_metadata(affine)
    assert sha256(affine) == before
    assert Card.load_beside(affine).model["sha256"] == before
    assert Card.load_beside(affine).compression_rate == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (Metadata(labels=("a", "b")), r"has 3 classes in its first output and was given 2 labels"),
        (
            Metadata(mean=(1.0, 2.0, 3.0), std=(1.0, 1.0, 1.0)),
            r"has 2 channels in its first input and was given 3 means",
        ),
    ],
)
def test_what_does_not_fit_the_file_is_refused(affine: Path, metadata: Metadata, message: str) -> None:
    before = affine.read_bytes()
    with pytest.raises(DataError, match=message):
        write_metadata(affine, metadata)
    assert affine.read_bytes() == before


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"labels": ("a\nb",)}, "one line"),
        ({"mean": (1.0,)}, "as many means"),
        ({"mean": (1.0,), "std": (0.0,)}, "above 0"),
        ({"mean": (float("nan"),), "std": (1.0,)}, "as many means"),
        ({"parent": "abc"}, "64 hexadecimal digits"),
    ],
)
def test_what_no_file_can_have_is_refused(wrong: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Metadata(**wrong)


def test_another_file_is_overwritten_only_when_allowed(affine: Path, tmp_path: Path) -> None:
    (tmp_path / "other.tflite").write_bytes(b"kept")
    with pytest.raises(OutputError, match="exists already"):
        write_metadata(affine, _ALL, tmp_path / "other.tflite")
    write_metadata(affine, _ALL, tmp_path / "other.tflite", force=True)
    assert read_metadata(tmp_path / "other.tflite") == _ALL


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_metadata_gives_an_answer_or_one_error(tmp_path: Path, data: st.DataObject) -> None:
    origin = data.draw(st.sampled_from([described(tflite_files.affine(), "x", _ALL), _GOLDEN.read_bytes()]))
    whole = bytearray(origin)
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(8, len(whole) - 1))] = data.draw(st.integers(0, 255))
    content = bytes(whole[: data.draw(st.integers(len(whole) // 2, len(whole)))])
    for read in (
        lambda: metadata_of(parse(content, "x"), content, "x"),
        lambda: stripped(content, "x"),
        lambda: described(content, "x", Metadata(name="y")),
    ):
        with contextlib.suppress(FormatError):
            read()
