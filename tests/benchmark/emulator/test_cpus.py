from dataclasses import replace

import pytest

from tfcompress.benchmark.devices import devices, find_device
from tfcompress.benchmark.emulator.cpus import require_possible
from tfcompress.benchmark.measurement import measurer_for
from tfcompress.errors import DeviceError


@pytest.mark.parametrize("name", [*devices(), "max"])
def test_what_qemu_has_is_taken(installation, name):
    device = devices().get(name) or replace(find_device("cortex-a76"), name="i8mm", qemu_cpu="max,sve=off")
    require_possible(installation, device)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'qemu_cpu = "cortex-a77"',
            r"mine: QEMU has no CPU 'cortex-a77' \(the key qemu_cpu\).*Did you mean 'cortex-a76'",
        ),
        ('qemu_cpu = "max,sve=banana"', "mine: QEMU does not take the options .*expects 'on' or 'off'"),
        ('qemu_cpu = "max,svee=off"', "mine: QEMU does not take the options .*svee"),
        ('core = "cortex-a77"', "no model of the core 'cortex-a77'.*'cortex-a76'"),
        ('core = "none.toml"', "no model of the core '.*none.toml'"),
    ],
)
def test_what_cannot_be_emulated_is_refused_before_a_file_is_measured(installation, tmp_path, text, message):
    (tmp_path / "mine.toml").write_text(f'like = "cortex-a76"\n{text}\n')
    with pytest.raises(DeviceError, match=message):
        measurer_for(tmp_path / "mine.toml", runs=50, warmup=10, threads=1)
