from importlib.resources import files

import pytest

from tfcompress.benchmark.devices import Cache, devices, find_device
from tfcompress.benchmark.emulator.core_model import load_core
from tfcompress.errors import DeviceError

_CPUINFO = 'like = "cortex-a55"\ncpuinfo = { variant = 1,'


def test_every_device_has_a_model_of_its_core():
    assert list(devices()) == ["cortex-a53", "cortex-a55", "cortex-a72", "cortex-a76"]
    for device in devices().values():
        assert load_core(device.core).issue_width >= 2


def test_a_device_shows_dot_product_only_where_its_qemu_cpu_has_it():
    for device in devices().values():
        assert ("asimddp" in device.cpuinfo.features.split()) == (device.qemu_cpu == "cortex-a76")


def test_an_unknown_device_is_refused_with_the_nearest_names():
    with pytest.raises(DeviceError, match=r"no device 'cortex-a5'.*'cortex-a55'"):
        find_device("cortex-a5")


def test_a_users_file_takes_over_what_it_leaves_out(tmp_path):
    file = tmp_path / "pixel3a_small.toml"
    file.write_text('like = "cortex-a55"\nclock_mhz = 1700\nl2 = { bytes = 65536, ways = 4 }\n')
    device = find_device(file)
    assert (device.name, device.clock_mhz, device.l2) == ("pixel3a_small", 1700, Cache(65536, 4))
    assert device.cpuinfo == find_device("cortex-a55").cpuinfo


def test_a_users_core_lies_beside_its_device(tmp_path, monkeypatch):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.toml").write_text('like = "cortex-a72"\ncore = "my core.toml"\n')
    text = files("tfcompress.benchmark.emulator").joinpath("cores/cortex-a72.toml").read_text()
    (tmp_path / "own" / "my core.toml").write_text(text.replace("issue_width = 3", "issue_width = 5"))
    monkeypatch.chdir(tmp_path)
    assert load_core(find_device("own/mine.toml").core).issue_width == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("like = ", "is not TOML"),
        ('like = "cortex-a5"', "like must be one of cortex-a53, cortex-a55"),
        ('like = "cortex-a55"\nclock_mzh = 3', "no key 'clock_mzh'.*'clock_mhz'"),
        ("clock_mhz = 1700", "has no core, cpuinfo, description, l1d, l2, qemu_cpu"),
        ('like = "cortex-a55"\nclock_mhz = 0', "whole number from 1 to 10000; received 0"),
        ('like = "cortex-a55"\nl2 = { bytes = 1000, ways = 4 }', "multiple of 64 times the ways"),
        ('like = "cortex-a55"\nl2 = { bytes = 1024 }', "l2 must be a table with bytes, ways"),
        ('like = "cortex-a55"\nl2 = { bytes = "x", ways = 4 }', "l2.bytes must be int"),
        ('like = "cortex-a55"\nqemu_cpu = "a b"', "qemu_cpu must be a single word"),
        ('like = "cortex-a55"\nl2 = { bytes = 68719476736, ways = 4 }', "at most 1073741824"),
        ('like = "mine.toml"', "like must be one of cortex-a53, .*; received 'mine.toml'"),
        ("like = []", r"like must be one of .*; received \[\]"),
        (f"{_CPUINFO} part = -5, revision = 0, features = 'fp' }}", "cpuinfo.part must lie between 0 and 0xfff"),
        (f"{_CPUINFO} part = 5, revision = 0, features = 'f\u00e9' }}", "cpuinfo.features must be plain words"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_the_mend(tmp_path, text, message):
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DeviceError, match=rf"mine\.toml.*{message}"):
        find_device(file)


@pytest.mark.parametrize("name", ["host", "cortex-a53"])
def test_a_users_file_does_not_take_the_name_of_a_known_device(tmp_path, name):
    file = tmp_path / f"{name}.toml"
    file.write_text('like = "cortex-a55"')
    with pytest.raises(DeviceError, match=f"{name} is a device already.*Rename the file"):
        find_device(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DeviceError, match="cannot be read"):
        find_device(tmp_path / "none.toml")
