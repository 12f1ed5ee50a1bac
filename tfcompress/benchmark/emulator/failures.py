"""What the end of a guest that failed means: its exit status and its last words as an error for the user."""

import re
import signal
from pathlib import Path

from tfcompress.benchmark.devices import Device
from tfcompress.errors import DeviceError, FormatError, TfCompressError

CUT_OFF = "The counts of the emulated run are cut off: the folder of temporary files is full. Make room there."
_LONGEST_REASON = 160
_CAUSES = {  # what LiteRT says -> what it means for the user
    "unresolved custom op": "it has an operator that LiteRT lacks ({said}). Convert it with built-in operators only.",
    "Select TensorFlow op": "it needs TensorFlow's operators (Flex). Convert it with built-in operators only.",
    "Variable tensors": "it keeps a state between runs, such as a fused LSTM. Measure it with `--device host`.",
    "allocation_type": "an output's shape is known only while it runs. Convert it with a fixed batch.",
    "dynamic shape": "a dimension beside the batch is free. Convert it with fixed shapes.",
    "reshape runtime": "a dimension beside the batch is free. Convert it with fixed shapes.",
}


def failure(status: int, stderr: str, device: Device, model: Path) -> TfCompressError:
    """The error for a guest that ended with another exit status than 0.

    Args:
        status: As `subprocess` gives it: negative when a signal ended QEMU itself.
        stderr: What QEMU, the plugin and LiteRT wrote there.
        device: The emulated CPU.
        model: The file that ran.
    """
    code = status - 128 if status > 128 else -status
    reason = _reason(stderr)
    if code == signal.SIGILL:
        return DeviceError(
            f"{model}: an instruction was used that the emulated {device.qemu_cpu} lacks (signal 4). The features of "
            f"device {device.name} promise more than QEMU's -cpu {device.qemu_cpu} has: correct one of them."
        )
    if code == signal.SIGKILL:
        return DeviceError(f"{model}: the emulated run was killed (signal 9), most likely because memory ran out.")
    if code == signal.SIGXFSZ or "counter: the counts could not be written" in stderr:
        return DeviceError(CUT_OFF)
    if failed := re.search(r"^FAIL (.*) \(status -?\d+\)$", stderr, re.MULTILINE):
        return _refusal(model, failed.group(1), reason)
    if code > 0:
        name = signal.strsignal(code) or f"signal {code}"
        because = f": {reason}" if reason else ""
        return DeviceError(
            f"{model}: LiteRT crashed on the emulated {device.name} ({name}){because}. The file may be damaged."
        )
    return DeviceError(
        f"QEMU ended with {status}: {reason or stderr.strip()[-_LONGEST_REASON:]}. "
        "`tfcompress devices` shows whether the set-up is whole."
    )


def _refusal(model: Path, step: str, said: str) -> TfCompressError:
    """The error for a failure at a step of the runner that LiteRT itself has reported."""
    for words, cause in _CAUSES.items():
        if words in said or words in step:
            return FormatError(f"{model}: the emulated LiteRT cannot run this file: {cause.format(said=said)}")
    kind = FormatError if step in ("reading the model", "compiling the model") else DeviceError
    return kind(f"{model}: the emulated LiteRT failed at {step}{': ' + said if said else ''}. The file may be damaged.")


def _reason(stderr: str) -> str:
    """The first error that LiteRT printed, without its place in LiteRT's source."""
    found = re.search(r"^(?:ERROR|F0000[^\]]*\]|terminate called.*):? *(?:\[[^\]]*\])? *(.*)$", stderr, re.MULTILINE)
    return found.group(1).strip().rstrip(".")[:_LONGEST_REASON] if found else ""
