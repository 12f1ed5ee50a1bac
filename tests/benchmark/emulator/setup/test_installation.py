import json
import os
import platform
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from tfcompress.benchmark.emulator.setup.cache import cache_folder
from tfcompress.benchmark.emulator.setup.installation import (
    HOW,
    RECORD,
    Installation,
    find_installation,
    installation_folder,
    record_of,
)
from tfcompress.benchmark.emulator.setup.status import status
from tfcompress.cli.main import group
from tfcompress.errors import DeviceError, OutputError

_INSTALL = "from tfcompress.benchmark.emulator.setup.install import install; install()"


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFCOMPRESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_cache_folder_follows_the_variables(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TFCOMPRESS_CACHE", raising=False)
    assert cache_folder() == tmp_path / "tfcompress"
    monkeypatch.setenv("TFCOMPRESS_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_a_missing_set_up_says_how_to_get_it(empty_cache):
    with pytest.raises(DeviceError, match=r"not set up yet\. Run `tfcompress devices --install`"):
        find_installation()
    found = status()
    assert [piece.name for piece in found.pieces if piece.present] == ["Linux on x86-64", "disassembler"]
    assert "not set up yet" not in " ".join(piece.detail for piece in found.pieces)
    assert found.advice == f"Emulated CPUs are not set up yet. {HOW}"


def test_another_system_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(DeviceError, match=r"need Linux on x86-64, and this is Darwin.*--device host"):
        find_installation()


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"paths": {"qemu": "bin"}, "origins": {}, "sha256": {}}'])
def test_a_damaged_record_is_told_and_not_used(empty_cache, record):
    installation_folder().mkdir(parents=True)
    (installation_folder() / RECORD).write_text(record)
    with pytest.raises(DeviceError, match="is damaged"):
        find_installation()


def test_a_missing_piece_is_named(empty_cache):
    folder = installation_folder()
    folder.mkdir(parents=True)
    names = ["qemu", "guest_libraries", "litert", "plugin", "runner"]
    for name in names[:-1]:
        (folder / name).touch()
    (folder / RECORD).write_text(json.dumps({"paths": {name: name for name in names}, "origins": {}, "sha256": {}}))
    with pytest.raises(DeviceError, match="lacks runner"):
        find_installation()


@pytest.fixture
def small_set_up(empty_cache, tmp_path):
    """A set-up of small files, with a guest library of the system; its installation, a file of it, and that library."""
    folder, system = installation_folder(), tmp_path / "system"
    for path in (folder / "litert", folder / "bin", system):
        path.mkdir(parents=True)
    library, foreign = folder / "litert" / "libLiteRt.so", system / "libc.so.6"
    library.write_bytes(b"library")
    foreign.write_bytes(b"of the system")
    for name in ("bin/qemu", "counter.so", "runner"):
        (folder / name).touch()
    whole = Installation(
        qemu=folder / "bin" / "qemu",
        host_libraries=None,
        guest_libraries=system,
        litert=library.parent,
        plugin=folder / "counter.so",
        runner=folder / "runner",
        origins={},
    )
    (folder / RECORD).write_text(record_of(whole, folder))
    assert find_installation() == whole
    return whole, library, foreign


def test_a_file_that_is_gone_or_of_another_content_is_named(small_set_up):
    _, library, _ = small_set_up
    library.write_bytes(b"LIBRARY")  # of the same size
    with pytest.raises(DeviceError, match=r"libLiteRt\.so has another content .*Run `tfcompress devices --install`"):
        find_installation()
    library.unlink()
    with pytest.raises(DeviceError, match=r"libLiteRt\.so cannot be read \(No such file.*Run"):
        find_installation()
    library.write_bytes(b"library")
    find_installation()


def test_a_library_of_the_system_that_was_updated_is_told_as_such(small_set_up):
    _, _, foreign = small_set_up
    foreign.write_bytes(b"OF THE SYSTEM")
    with pytest.raises(DeviceError, match=r"A file of the system, .*libc\.so\.6 has another content.*--install"):
        find_installation()


def test_only_the_damaged_piece_is_shown_as_missing_and_the_advice_is_given_once(small_set_up):
    _, library, _ = small_set_up
    library.write_bytes(b"LIBRARY")
    found = status()
    assert [piece.name for piece in found.pieces if not piece.present] == ["AArch64 LiteRT"]
    assert found.advice == HOW
    text = CliRunner().invoke(group, ["devices"], catch_exceptions=False).stdout
    assert text.count("another content") == text.count("--install") == 1


def test_a_cache_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TFCOMPRESS_CACHE", str(tmp_path / "file" / "cache"))
    from tfcompress.benchmark.emulator.setup.install import install

    with pytest.raises(OutputError, match="Name another folder in the variable TFCOMPRESS_CACHE"):
        install()


def test_an_installed_set_up_is_found_again_and_says_where_it_comes_from(installation):
    assert find_installation() == installation
    found = status()
    assert all(piece.present for piece in found.pieces)
    assert found.advice is None
    assert "ai-edge-litert 2.3.0" in installation.origins["litert"]


def test_a_killed_installation_leaves_nothing_that_is_taken_for_a_set_up(installation, empty_cache):
    child = subprocess.Popen([sys.executable, "-c", _INSTALL], env=dict(os.environ), start_new_session=True)
    for _ in range(200):
        if list(empty_cache.glob(".emulator-*")):
            break
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    assert list(empty_cache.glob(".emulator-*"))
    with pytest.raises(DeviceError, match="not set up yet"):
        find_installation()


def test_the_carried_runner_is_what_the_source_makes(installation, tmp_path):
    from tfcompress.benchmark.emulator.setup.cross_compiler import unpack_cross_compiler
    from tfcompress.benchmark.emulator.setup.native import compile_runner, prebuilt_runner

    compile_runner(unpack_cross_compiler(tmp_path / "compiler"), tmp_path / "runner", installation.litert)
    assert (tmp_path / "runner").read_bytes() == prebuilt_runner().read_bytes()
