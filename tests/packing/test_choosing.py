"""What the packer finds: below the order-0 bound where weights have structure, next to it where they are random."""

from pathlib import Path

import numpy as np
import pytest

from tfcompress.errors import FormatError
from tfcompress.packing.packing import pack
from tfcompress.packing.report import Part
from tfcompress.packing.unpacking import unpack
from tools.made_tflite import Weights, made_tflite
from tools.made_weights import clustered, int8


def _packed(folder: Path, values: np.ndarray, codings: tuple[str, ...] | None = None) -> Part:
    """How these weights are packed, after a round trip."""
    (folder / "in.tflite").write_bytes(made_tflite([Weights("kernel", values)]))
    options = {"codings": codings} if codings else {}
    packing = pack(folder / "in.tflite", folder / "packed.tfz", force=True, **options)
    unpack(folder / "packed.tfz", folder / "out.tflite", force=True)
    assert (folder / "out.tflite").read_bytes() == (folder / "in.tflite").read_bytes()
    return next(part for part in packing.parts if part.name == "kernel")


@pytest.mark.parametrize("spread", [0.0, 0.6])
def test_pruned_and_clustered_weights_beat_the_zip_by_a_fifth(tmp_path: Path, spread: float) -> None:
    values = int8(clustered(np.random.default_rng(0), (512, 1, 1, 512), 0.2, 16, spread))
    (tmp_path / "in.tflite").write_bytes(made_tflite([Weights("kernel", values)]))
    packing = pack(tmp_path / "in.tflite", tmp_path / "packed.tfz")
    assert packing.packed_bytes <= 0.80 * (packing.zlib_bytes or 0)
    (kernel,) = (part for part in packing.parts if part.name == "kernel")
    assert kernel.packed_bytes <= (0.9 if spread else 1.02) * kernel.order0_bytes


def test_dense_rows_and_columns_are_found(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(-2, 1.5, (200, 1)) + generator.normal(0, 1.5, (1, 300))
    values = np.where(generator.random((200, 300)) < 1 / (1 + np.exp(-logits)), generator.integers(1, 9, (200, 300)), 0)
    part = _packed(tmp_path, values.astype(np.int8))
    assert "zeros by rows, columns" in part.coding
    assert part.packed_bytes < 0.87 * part.order0_bytes


def test_two_of_four_costs_what_its_patterns_do(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    kept = np.argsort(generator.random((20_000, 4)), axis=1) < 2
    part = _packed(tmp_path, np.where(kept, generator.integers(1, 3, kept.shape), 0).astype(np.int8).reshape(100, 800))
    assert part.packed_bytes == pytest.approx(20_000 * (np.log2(6) + 2) / 8, rel=0.03)


def test_blocks_are_found_along_rows_and_across_them(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    blocks = np.repeat(generator.random((200, 50)) < 0.2, 4, axis=1) * generator.integers(1, 3, (200, 200))
    for values in (blocks, blocks.T.copy()):
        part = _packed(tmp_path, values.astype(np.int8))
        assert "neighbours" in part.coding
        assert part.packed_bytes < 0.65 * part.order0_bytes


def test_channels_of_different_scales_are_found(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(0, np.geomspace(3, 40, 64)[:, None, None, None], (64, 3, 3, 64))
    part = _packed(tmp_path, np.clip(np.rint(values), -127, 127).astype(np.int8))
    assert "scales by rows" in part.coding
    assert part.packed_bytes < 0.97 * part.order0_bytes


def test_floats_that_share_values_become_indices(tmp_path: Path) -> None:
    part = _packed(tmp_path, clustered(np.random.default_rng(0), (300, 400), 0.1, 31))
    assert part.size_bytes == 480_000
    assert part.packed_bytes < 1.03 * part.order0_bytes + 200  # the codebook has 31 * 4 bytes


def test_floats_that_share_nothing_gain_in_their_exponents(tmp_path: Path) -> None:
    part = _packed(tmp_path, np.random.default_rng(0).normal(0, 0.05, (100, 200)).astype(np.float32))
    assert part.coding.startswith("model: 4 planes")
    assert part.packed_bytes < 0.88 * part.size_bytes


def test_the_papers_coding_comes_near_its_estimate(tmp_path: Path) -> None:
    values = clustered(np.random.default_rng(0), (300, 784), 0.08, 63)
    part = _packed(tmp_path, values, ("deep_compression",))
    assert part.coding.startswith("Deep Compression")
    assert part.packed_bytes < np.count_nonzero(values) * (5 + 6) * 1.075 / 8  # fixed bits of index and value, fillers


def test_an_unknown_coding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"x")
    with pytest.raises(FormatError, match="Did you mean 'huffman'"):
        pack(tmp_path / "in", tmp_path / "out", codings=("hufman",))


def test_the_parts_add_up_to_the_file(tmp_path: Path) -> None:
    items = [Weights(f"w{number}", np.arange(3000 * number, dtype=np.int32).reshape(-1, 30)) for number in (1, 2, 3)]
    (tmp_path / "in.tflite").write_bytes(made_tflite(items))
    packing = pack(tmp_path / "in.tflite", tmp_path / "packed.tfz")
    assert sum(part.size_bytes for part in packing.parts) == packing.size_bytes
    assert sum(part.packed_bytes for part in packing.parts) == pytest.approx(packing.packed_bytes)
