"""`tfcompress devices`: where a file can be measured, and the set-up of the emulated CPUs."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tfcompress.benchmark.devices import Device
    from tfcompress.benchmark.emulator.setup.status import Status


@click.command()
@click.option("--install", "wanted", is_flag=True, help="Bring what is missing into the cache folder; needs no root.")
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def command(wanted: bool, as_json: bool) -> None:
    """Show the devices on which a file can be measured: this host, and emulated mobile CPUs.

    What the emulated CPUs need comes from Debian 12's packages and from PyPI into a cache folder: TFCOMPRESS_CACHE, or
    tfcompress in the user's cache folder.

    \b
    Example:
      tfcompress devices --install
      tfcompress measure model.tflite --device cortex-a55
    """
    from tfcompress.benchmark.devices import devices
    from tfcompress.benchmark.emulator.setup.install import install
    from tfcompress.benchmark.emulator.setup.status import status

    if wanted:
        install()
    found, state = list(devices().values()), status()
    if as_json:
        setup = [asdict(piece) for piece in state.pieces]
        click.echo(
            json.dumps({"devices": [asdict(device) for device in found], "setup": setup, "advice": state.advice})
        )
        return
    click.echo(_device_table(found))
    click.echo("\n" + _setup_table(state))


def _device_table(found: list["Device"]) -> str:
    from tfcompress.table import aligned

    rows = [("device", "what it is", "clock", "L1D", "L2"), ("host", "this machine", "-", "-", "-")]
    rows += [
        (
            device.name,
            device.description,
            f"{device.clock_mhz} MHz",
            f"{device.l1d.bytes // 1024} KiB",
            f"{device.l2.bytes // 1024} KiB",
        )
        for device in found
    ]
    return aligned(rows, left=2)


def _setup_table(state: "Status") -> str:
    from tfcompress.table import aligned

    rows = [("emulation needs", "there", "from, or what is wrong")]
    rows += [(piece.name, "yes" if piece.present else "no", piece.detail or "-") for piece in state.pieces]
    return aligned(rows, left=3) + (f"\n\n{state.advice}" if state.advice else "")
