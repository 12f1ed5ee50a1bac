import os
from pathlib import Path

import pytest

from tfcompress.benchmark.emulator.setup.verification import STAMPS, changed_files
from tfcompress.files import sha256


@pytest.fixture
def hashes(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "a").write_bytes(b"aaaa")
    (tmp_path / "b").write_bytes(b"bbbb")
    return {name: sha256(tmp_path / name) for name in ("a", "b")}


def test_an_unchanged_file_is_read_once(tmp_path: Path, hashes: dict[str, str]) -> None:
    assert changed_files(tmp_path, hashes) == {}
    wrong = hashes | {"a": "0" * 64}  # only reading the file would show that it is not this one
    assert changed_files(tmp_path, wrong) == {}
    assert list(changed_files(tmp_path, wrong, thorough=True)) == ["a"]


def test_a_file_changed_in_place_at_the_same_size_and_time_is_found(tmp_path: Path, hashes: dict[str, str]) -> None:
    assert changed_files(tmp_path, hashes) == {}
    times = (tmp_path / "a").stat()
    with (tmp_path / "a").open("r+b") as file:
        file.write(b"x")
    os.utime(tmp_path / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert changed_files(tmp_path, hashes) == {"a": "has another content than when it was installed"}


def test_a_file_that_is_gone_is_found_and_welcome_again(tmp_path: Path, hashes: dict[str, str]) -> None:
    (tmp_path / "b").rename(tmp_path / "away")
    assert changed_files(tmp_path, hashes) == {"b": "cannot be read (No such file or directory)"}
    (tmp_path / "away").rename(tmp_path / "b")
    assert changed_files(tmp_path, hashes) == {}


@pytest.mark.parametrize("stamps", ["", "[]", '{"a": "x"}', "\xff"])
def test_damaged_stamps_count_for_nothing(tmp_path: Path, hashes: dict[str, str], stamps: str) -> None:
    (tmp_path / STAMPS).write_text(stamps, encoding="latin-1")
    assert list(changed_files(tmp_path, hashes | {"a": "0" * 64})) == ["a"]
