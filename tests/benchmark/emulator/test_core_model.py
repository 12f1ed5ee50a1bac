import tomllib
from importlib.resources import files

import pytest

from tfcompress.benchmark.emulator.core_model import load_core
from tfcompress.errors import DeviceError

_CORES = files("tfcompress.benchmark.emulator").joinpath("cores")


@pytest.mark.parametrize("core", sorted(item.name for item in _CORES.iterdir()))
def test_every_row_of_a_core_says_where_it_comes_from(core):
    table = tomllib.loads(_CORES.joinpath(core).read_text())
    rows = {**table["timing"], **table["memory"]}
    assert [name for name, row in rows.items() if not row["source"]] == []


def test_an_unknown_core_is_refused_with_the_known_ones():
    with pytest.raises(DeviceError, match="no model of the core 'cortex-a77'"):
        load_core("cortex-a77")


def test_a_users_core_is_read(tmp_path):
    text = _CORES.joinpath("cortex-a72.toml").read_text()
    (tmp_path / "wide.toml").write_text(text.replace("issue_width = 3", "issue_width = 5"))
    assert load_core(str(tmp_path / "wide.toml")).issue_width == 5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[units]", "[units", "is not TOML"),
        ("issue_width = 3", "", "lacks issue_width"),
        ("issue_width = 3", "issue_width = 0", "issue_width must be a whole number from 1 to 1024; received 0"),
        ("issue_width = 3", "isue_width = 3", "has no 'isue_width'. Did you mean 'issue_width'"),
        ("reorder_window = 128", "reorder_window = -1", "reorder_window must be .* from 0 to 1024; received -1"),
        ("F0 = 1", "F0 = 0", r"\[units\] F0 must be a whole number from 1"),
        ("F0 = 1", "F0 = true", r"\[units\] F0 must be a whole number from 1 to 1024; received True"),
        (
            'alu              = { unit = "X"',
            'alu = { unit = "Q"',
            r"alu.unit uses the unit 'Q', which is not in \[units",
        ),
        ('alu              = { unit = "X"', 'alu = { unit = " "', "alu.unit names no unit"),
        ('alu              = { unit = "X"', "alu = { unit = 3", "alu.unit must be names of units"),
        ("latency = 7, ", "", r"\[timing\] fma lacks latency"),
        ("latency = 7, ", "latency = 0, ", "fma.latency must be a whole number from 1 to 1024; received 0"),
        ("latency = 7, ", "latency = 1.5, ", "fma.latency must be .* received 1.5"),
        ("latency = 7, ", "latency = 7, lanes = 2, ", r"\[timing\] fma has no 'lanes'"),
        ('"F0 F1", lanes_128 = 2, latency = 7', '"F0", lanes_128 = 2, latency = 7', "takes 2 units at once"),
        ("latency = 7, ", "latency = 7, alone_128 = 1, ", "alone_128 must be true or false; received 1"),
        ('source = "guide: 7 (3); LLVM: 128 bits take both units"', 'source = ""', "fma.source must say where"),
        ("branch  ", "brunch  ", r"\[timing\] has no 'brunch'. Did you mean 'branch'"),
        ("l1_random_cycles  = { value = ", "l1_random_cycles = { value = -", "l1_random_cycles must be a table"),
        ("l1_random_cycles  = {", "l1_random_cycles = 3 # {", "l1_random_cycles must be a table with a value"),
        ("[memory]", "memory = 3\n[others]", "must be a table|has no 'others'"),
    ],
)
def test_a_wrong_core_is_refused_with_its_file_and_row(tmp_path, old, new, message):
    text = _CORES.joinpath("cortex-a72.toml").read_text()
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(DeviceError, match=rf"mine\.toml: .*{message}"):
        load_core(str(tmp_path / "mine.toml"))
