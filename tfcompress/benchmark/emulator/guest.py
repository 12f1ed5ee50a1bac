"""Runs a model in the guest: a folder of its own, QEMU with the plugin, and what came out."""

import os
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tfcompress.benchmark.devices import Device
from tfcompress.benchmark.emulator.failures import CUT_OFF, failure
from tfcompress.benchmark.emulator.identity import write_guest_root
from tfcompress.benchmark.emulator.setup.installation import Installation
from tfcompress.benchmark.emulator.trace import Trace, parse_trace
from tfcompress.errors import DeviceError
from tfcompress.work_folders import unusable, work_folder

_QEMU_BYTES = 4 << 30  # address space that QEMU itself reserves
_OUTPUTS = "outputs.bin"


@dataclass(frozen=True)
class Event:
    """One event of LiteRT's profiler.

    Attributes:
        name: As LiteRT names it.
        type: LiteRT's number for the type of the event.
        instructions: Its length on the guest's clock, which counts instructions.
    """

    name: str
    type: int
    instructions: int


@dataclass(frozen=True)
class GuestRun:
    """What came out of the guest.

    Attributes:
        trace: What the plugin counted.
        events: LiteRT's profile, empty when it was off.
        heap_bytes: The heap in use after the last run.
        outputs: The outputs' bytes, sample after sample, when samples were given.
    """

    trace: Trace
    events: tuple[Event, ...]
    heap_bytes: int
    outputs: bytes


@dataclass(frozen=True)
class Settings:
    """How a model runs in the guest: once to warm up, then once, or once per sample.

    Attributes:
        profile: Whether LiteRT's profiler is on.
        caches: Whether caches are simulated.
        counted: Whether the plugin counts at all.
        samples: The bytes of each sample's inputs in the file's order; without any, one run on fixed pseudo-random
            bytes.
        time_limit: Seconds after which the run is given up.
    """

    profile: bool = False
    caches: bool = True
    counted: bool = True
    samples: Sequence[bytes] = ()
    time_limit: float = 600.0


class Guest:
    """A guest at work; `result` waits for its end."""

    def __init__(
        self, process: "subprocess.Popen[str]", work: Path, device: Device, model: Path, settings: Settings
    ) -> None:
        self._process, self._work, self._device, self._model = process, work, device, model
        self._settings, self._deadline = settings, time.monotonic() + settings.time_limit

    def result(self) -> GuestRun:
        """What came out of the guest.

        Raises:
            FormatError: LiteRT does not load the model.
            DeviceError: The model crashed, hung, ran out of memory or used an instruction that the CPU lacks.
        """
        try:
            output, errors = self._process.communicate(timeout=max(0.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise DeviceError(
                f"{self._model}: still running on the emulated {self._device.name} after "
                f"{self._settings.time_limit:g} s and stopped. Give a longer time limit, or a smaller model."
            ) from error
        if self._process.returncode != 0:
            raise failure(self._process.returncode, errors, self._device, self._model)
        trace = read_trace(self._work / "trace.txt") if self._settings.counted else Trace((), {})
        outputs = (self._work / _OUTPUTS).read_bytes() if self._settings.samples else b""
        return GuestRun(trace, _events(output), _heap_bytes(output), outputs)


@contextmanager
def start_guest(installation: Installation, device: Device, model: Path, settings: Settings) -> Iterator[Guest]:
    """Starts a model on the emulated CPU; whatever ends the block also ends the guest and removes its folder.

    The counts depend on addresses (LiteRT's hash maps are keyed by them), and those on the lengths of paths and of the
    environment. Hence all paths that the guest sees are relative and the same, and its environment is fixed.

    Args:
        installation: The set-up.
        device: The CPU.
        model: The absolute path of a `.tflite` file.
        settings: How it runs.

    Raises:
        DeviceError: The model is larger than the memory that is free.
        OutputError: The folder of temporary files is full, or cannot be written.
    """
    import resource  # no system but Unix has it, and this module is imported on every one

    available = require_memory(model)
    # The length of the folder's own path still shows in the guest's heap, and by it in some hundreds of cache misses.
    parent = "/tmp" if os.access("/tmp", os.W_OK | os.X_OK) else None
    with work_folder(parent) as work:
        _fill(work, installation, device, model, settings)
        process = _start(work, installation, device, settings)
        try:
            # A guest that asks for more fails by itself, instead of the system ending other programs.
            resource.prlimit(process.pid, resource.RLIMIT_AS, (available + _QEMU_BYTES,) * 2)
            yield Guest(process, work, device, model, settings)
        finally:
            process.kill()
            with process:  # closes its pipes and takes its exit status
                pass


def run_guest(installation: Installation, device: Device, model: Path, settings: Settings = Settings()) -> GuestRun:
    """Runs a model on the emulated CPU from start to end; arguments and errors as `start_guest` and `Guest.result`."""
    with start_guest(installation, device, model, settings) as guest:
        return guest.result()


def read_trace(path: Path) -> Trace:
    """What the plugin wrote.

    Raises:
        DeviceError: It is not whole; the plugin does not see that the disk is full.
    """
    try:
        with path.open(encoding="ascii") as lines:
            trace = parse_trace(lines)
    except (OSError, ValueError, IndexError) as error:
        raise DeviceError(CUT_OFF) from error
    if not trace.runs:
        raise DeviceError(CUT_OFF)
    return trace


def require_memory(model: Path) -> int:
    """The bytes of memory that are free, when they are more than the model's own.

    Raises:
        DeviceError: The model is larger.
    """
    available, size = _available_bytes(), model.stat().st_size
    if size > available:
        raise DeviceError(
            f"{model} is larger ({size:,} bytes) than the memory that is free ({available:,} bytes). "
            "Measure it on a machine with more memory."
        )
    return available


def _fill(work: Path, installation: Installation, device: Device, model: Path, settings: Settings) -> None:
    """Writes what the guest needs into its folder."""
    try:
        write_guest_root(work / "root", device, installation.guest_libraries)
        (work / "lib").symlink_to(installation.litert)
        (work / "runner").symlink_to(installation.runner)
        (work / "model.tflite").symlink_to(model)
        (work / "counter.so").symlink_to(installation.plugin)
        if settings.samples:
            (work / "inputs.bin").write_bytes(b"".join(settings.samples))
    except OSError as error:
        raise unusable(work.parent, error) from error


def _start(work: Path, installation: Installation, device: Device, settings: Settings) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        _command(installation, device, settings),
        cwd=work,
        env={"LD_LIBRARY_PATH": str(installation.host_libraries)} if installation.host_libraries else {},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def _command(installation: Installation, device: Device, settings: Settings) -> list[str]:
    """QEMU and its options, then the guest's; its only environment variable says where its libraries are."""
    command = [str(installation.qemu), "-L", "root", "-cpu", device.qemu_cpu]
    command += ["-U", "LD_LIBRARY_PATH", "-E", "LD_LIBRARY_PATH=lib"]
    options = f"parent={os.getpid():010}"  # with it the guest ends; padded, so that it is of one length
    if settings.counted:
        options += ",out=trace.txt"
    if settings.counted and settings.caches:
        options += f",l1={device.l1d.bytes},l1_ways={device.l1d.ways},l2={device.l2.bytes},l2_ways={device.l2.ways}"
    command += ["-plugin", f"./counter.so,{options}", "./runner"]
    command += ["model.tflite", str(len(settings.samples) or 1), "1" if settings.profile else "0"]
    return command + (["inputs.bin", _OUTPUTS] if settings.samples else [])


def _events(stdout: str) -> tuple[Event, ...]:
    found = re.findall(r"^event (\d+) (\d+) (.*)$", stdout, re.MULTILINE)
    return tuple(Event(name, int(kind), int(length)) for kind, length, name in found)


def _heap_bytes(stdout: str) -> int:
    found = re.search(r"^heap (\d+)$", stdout, re.MULTILINE)
    if not found:
        raise DeviceError(
            "The emulated run ended without a result. `tfcompress devices` shows whether the set-up is whole."
        )
    return int(found.group(1))


def _available_bytes() -> int:
    """How much memory can be had without swapping."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise DeviceError("/proc/meminfo does not say how much memory is available.")
