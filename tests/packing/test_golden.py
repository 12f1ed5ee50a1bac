"""The golden files of every decoder: each part of docs/container.md, unpacked to what its own SHA-256 says."""

import hashlib
from pathlib import Path

import pytest

from tfcompress.packing.unpacking import unpack
from tools.make_golden_tfz import GOLDEN, contents

_CONTENTS = contents()


@pytest.mark.parametrize("name", sorted(_CONTENTS))
def test_a_golden_file_unpacks_to_its_original(name: str, tmp_path: Path) -> None:
    unpack(GOLDEN / f"{name}.tfz", tmp_path / "original")
    unpacked = (tmp_path / "original").read_bytes()
    header = (GOLDEN / f"{name}.tfz").read_bytes()[:44]
    assert (header[:4], int.from_bytes(header[4:12], "little")) == (b"TFZ\1", len(unpacked))
    assert hashlib.sha256(unpacked).digest() == header[12:]


def test_every_golden_file_has_its_recipe() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.tfz")) == sorted(_CONTENTS)
