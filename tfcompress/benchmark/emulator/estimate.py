"""A whole measurement on an emulated CPU: two runs of the guest, exact counts, simulated misses, estimated cycles."""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tfcompress.benchmark.devices import Device
from tfcompress.benchmark.emulator.core_model import CoreModel, load_core
from tfcompress.benchmark.emulator.disassembly import Block, disassemble
from tfcompress.benchmark.emulator.guest import Settings, start_guest
from tfcompress.benchmark.emulator.instructions import CLASSES, Operation, class_of
from tfcompress.benchmark.emulator.memory_model import memory_cycles
from tfcompress.benchmark.emulator.operators import split_by_operator
from tfcompress.benchmark.emulator.scoreboard import block_cycles
from tfcompress.benchmark.emulator.setup.installation import Installation
from tfcompress.benchmark.emulator.trace import Segment, Trace, merged


@dataclass(frozen=True)
class Cost:
    """What a piece of a run costs.

    Attributes:
        instructions: Executed guest instructions (exact).
        classes: The same by class: simd_multiply, simd_other, load, store, branch, other (exact).
        l1_misses: Misses of the first data cache, of loads and stores (simulated).
        l2_misses: Misses of the second (simulated).
        core_cycles: Cycles with all data in the first cache (estimated).
        memory_cycles: Cycles that the misses add (estimated).
        milliseconds: All cycles at the device's clock (estimated).
    """

    instructions: int
    classes: dict[str, int]
    l1_misses: int
    l2_misses: int
    core_cycles: float
    memory_cycles: float
    milliseconds: float


@dataclass(frozen=True)
class Estimate:
    """One inference of a model on an emulated CPU, on one thread.

    Attributes:
        total: The whole inference, without the profiler.
        operators: Each operator by LiteRT's name, in the order in which they ran, from a second run with the profiler.
        lost: Operators of which LiteRT's profile does not say what they executed, and how many of each there are.
        heap_bytes: The guest's heap after the inference: packed weights, activations, LiteRT's own objects (exact).
    """

    total: Cost
    operators: tuple[tuple[str, Cost], ...]
    lost: dict[str, int]
    heap_bytes: int


def estimate(installation: Installation, device: Device, model: Path, *, time_limit: float = 600.0) -> Estimate:
    """Measures one inference of a model on an emulated CPU.

    Args:
        installation: The set-up.
        device: The CPU.
        model: The absolute path of a `.tflite` file.
        time_limit: Seconds for each of the two runs of the guest.

    Raises:
        FormatError, DeviceError, OutputError: As `start_guest` and `Guest.result`.
        MissingPackageError: capstone is not installed.
    """
    meter = _Meter(load_core(device.core), device.clock_mhz)
    disassemble(())  # tells at once when capstone is missing
    start = partial(start_guest, installation, device, model)
    with (
        start(Settings(time_limit=time_limit)) as plain_guest,
        start(Settings(profile=True, time_limit=time_limit)) as profiled_guest,
    ):
        plain = plain_guest.result()
        total = meter.cost(merged(plain.trace.runs[0]), plain.trace)  # while the other guest may still run
        profiled = profiled_guest.result()
    runs, lost = split_by_operator(profiled.events, profiled.trace.runs[0])
    return Estimate(
        total=total,
        operators=tuple((run.name, meter.cost(run.segment, profiled.trace)) for run in runs),
        lost=dict(Counter(lost)),
        heap_bytes=plain.heap_bytes,
    )


class _Meter:
    """Costs segments on one core; each block of code is disassembled and timed once."""

    def __init__(self, core: CoreModel, clock_mhz: int) -> None:
        self.core, self.clock_mhz = core, clock_mhz
        self.known: dict[tuple[int, ...], tuple[Block, float]] = {}
        self.times: dict[tuple[Operation, ...], float] = {}  # blocks that differ in addresses only take the same time

    def cost(self, segment: Segment, trace: Trace) -> Cost:
        classes, cycles = Counter(dict.fromkeys(CLASSES, 0)), 0.0
        for number, executions in segment.executions.items():
            block, block_time = self._block(trace.code[number])
            cycles += executions * block_time
            for kind, count in block.kinds.items():
                classes[class_of(kind)] += executions * count
        stalls = memory_cycles(segment.totals, self.core.memory)
        totals = segment.totals
        return Cost(
            instructions=totals["instructions"],
            classes=dict(classes),
            l1_misses=totals["l1_load_misses"] + totals["l1_store_misses"],
            l2_misses=totals["l2_load_misses"] + totals["l2_store_misses"],
            core_cycles=cycles,
            memory_cycles=stalls,
            milliseconds=(cycles + stalls) / self.clock_mhz / 1e3,
        )

    def _block(self, words: tuple[int, ...]) -> tuple[Block, float]:
        if words not in self.known:
            block = disassemble(words)
            if block.operations not in self.times:
                self.times[block.operations] = block_cycles(block.operations, self.core)
            self.known[words] = block, self.times[block.operations]
        return self.known[words]
