"""Whether a device can be emulated: its core has a model, and the installed QEMU has its CPU."""

import re
import subprocess

from tfcompress.benchmark.devices import Device, devices
from tfcompress.benchmark.emulator.core_model import load_core
from tfcompress.benchmark.emulator.setup.installation import Installation
from tfcompress.errors import DeviceError, suggestion

_UNKNOWN = "unable to find CPU model"
_WRONG_OPTION = re.compile(r"can't apply global (.*)")


def require_possible(installation: Installation, device: Device) -> None:
    """Refuses a device that cannot be emulated, before a file is measured on it.

    Raises:
        DeviceError: There is no such model of a core, the model is not possible, or QEMU lacks the CPU or an option of
            it.
    """
    load_core(device.core)
    if device.qemu_cpu in {known.qemu_cpu for known in devices().values()}:
        return
    # QEMU makes the CPU before it looks at the program, which needs nothing more than to be an AArch64 file.
    said = _qemu(installation, "-L", str(installation.runner), "-cpu", device.qemu_cpu, str(installation.runner))
    if _UNKNOWN in said:
        known = re.findall(r"^ +(\S+)$", _qemu(installation, "-cpu", "help"), re.MULTILINE)
        near = suggestion(device.qemu_cpu, known)
        raise DeviceError(f"{device.name}: QEMU has no CPU {device.qemu_cpu!r} (the key qemu_cpu). {near}")
    if wrong := _WRONG_OPTION.search(said):
        raise DeviceError(
            f"{device.name}: QEMU does not take the options of qemu_cpu = {device.qemu_cpu!r}: {wrong.group(1)}."
        )


def _qemu(installation: Installation, *arguments: str) -> str:
    environment = {"LD_LIBRARY_PATH": str(installation.host_libraries)} if installation.host_libraries else {}
    command = [str(installation.qemu), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    return done.stdout + done.stderr
