"""Cycles of a block of instructions on a model of a core, when it loops and finds all data in the first cache."""

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from tfcompress.benchmark.emulator.core_model import CoreModel, Timing
from tfcompress.benchmark.emulator.instructions import Operation

_ITERATIONS = 12
_WARM_UP = 4
_WITHOUT_RESULT = frozenset({"store", "store_vector", "branch", "prefetch"})


def block_cycles(operations: Sequence[Operation], core: CoreModel) -> float:
    """The cycles of one execution of a block, as the mean over iterations in a steady state.

    An instruction begins when the core has room for it (issue width; reorder window), its operands are there (latency;
    accumulators may be forwarded early) and its units are free. In-order cores begin in program order. Branches are
    predicted; the instruction cache always hits.

    Args:
        operations: The block's instructions, in order.
        core: The model of the core.

    Returns:
        Cycles, 0 for an empty block.

    Example:
        >>> from tfcompress.benchmark.emulator.core_model import load_core
        >>> from tfcompress.benchmark.emulator.instructions import decode
        >>> chain = [decode("fmla v0.4s, v1.4s, v2.4s")]  # each waits for the one before
        >>> block_cycles(chain, load_core("cortex-a55")), block_cycles(chain, load_core("cortex-a76"))
        (4.0, 2.0)
    """
    if not operations:
        return 0.0
    pipeline = _OutOfOrder(core) if core.reorder_window else _InOrder(core)
    steps = [
        _Step(operation, core.timing[operation.kind], pipeline.units.demand(operation)) for operation in operations
    ]
    lengths: list[int] = []
    after: dict[Hashable, int] = {}  # the iteration at whose end the pipeline was in a state
    while len(lengths) < _ITERATIONS:
        before = pipeline.end
        for step in steps:
            pipeline.run(step)
        lengths.append(pipeline.end - before)
        if (state := pipeline.state()) is None:
            continue
        if state in after:  # from here on the lengths repeat
            lengths += islice(cycle(lengths[after[state] :]), _ITERATIONS - len(lengths))
        after[state] = len(lengths)
    return sum(lengths[_WARM_UP:]) / (_ITERATIONS - _WARM_UP)


class _Registers:
    """When each register has its value, and when an accumulator can have it early."""

    def __init__(self) -> None:
        self.ready: dict[str, int] = {}
        self.forwarded: dict[str, int] = {}

    def operands_at(self, operation: Operation, timing: Timing) -> int:
        """The cycle in which all operands are there."""
        latest = 0
        for register in operation.reads:
            at = self.ready.get(register, 0)
            if register == operation.accumulator and timing.accumulator_latency is not None:
                at = self.forwarded.get(register, at)
            if at > latest:
                latest = at
        return latest

    def write(self, operation: Operation, timing: Timing, start: int) -> None:
        """Notes the results of an operation that begins at `start`."""
        for register in operation.writes:
            self.ready[register] = start + timing.latency
            self.forwarded.pop(register, None)
        if operation.accumulator is not None and timing.accumulator_latency is not None:
            self.forwarded[operation.accumulator] = start + timing.accumulator_latency
        if operation.base_update is not None:
            self.ready[operation.base_update] = start + 1

    def state(self, now: int) -> Hashable:
        """What of the past matters from cycle `now` on."""
        ready = frozenset((register, at - now) for register, at in self.ready.items() if at > now)
        return ready, frozenset((register, max(0, at - now)) for register, at in self.forwarded.items())


@dataclass(frozen=True)
class _Demand:
    """What an operation takes of the units: `lanes` of the slots `any_of` and one of `also`, for `cycles`."""

    any_of: tuple[int, ...]
    lanes: int
    also: tuple[int, ...]
    cycles: int


@dataclass(frozen=True)
class _Step:
    """One instruction of the block with what it needs."""

    operation: Operation
    timing: Timing
    demand: _Demand


class _Units:
    """The calendar of the execution units; a slot is one unit of one name."""

    def __init__(self, core: CoreModel) -> None:
        self.core = core
        names = [name for name, count in core.units.items() for _ in range(count)]
        self.slots = {name: tuple(i for i, other in enumerate(names) if other == name) for name in core.units}
        self.busy: list[set[int]] = [set() for _ in names]
        self.full_before = [0] * len(names)  # all earlier cycles of the slot are busy

    def demand(self, operation: Operation) -> _Demand:
        """What `operation` takes."""
        timing = self.core.timing[operation.kind]
        return _Demand(
            any_of=tuple(slot for name in timing.unit for slot in self.slots[name]),
            lanes=timing.lanes_128 if operation.full_width else timing.lanes_64,
            also=tuple(slot for name in timing.also for slot in self.slots[name]),
            cycles=occupancy(operation, timing),
        )

    def take(self, demand: _Demand, earliest: int) -> int:
        """Books the units for the first whole cycle from `earliest` on in which they are free together."""
        start = max(earliest, min(map(self.full_before.__getitem__, demand.any_of)))
        while True:
            chosen = self._free(demand.any_of, demand.lanes, start, demand.cycles)
            if len(chosen) == demand.lanes:
                if not demand.also:
                    break
                if beside := self._free(demand.also, 1, start, demand.cycles):
                    chosen += beside
                    break
            start += 1
        for slot in chosen:
            busy, full_before = self.busy[slot], self.full_before[slot]
            busy.update(range(start, start + demand.cycles))
            while full_before in busy:
                full_before += 1
            self.full_before[slot] = full_before
        return start

    def _free(self, slots: tuple[int, ...], wanted: int, start: int, cycles: int) -> list[int]:
        """Up to `wanted` of the slots that are free for `cycles` from `start` on."""
        found: list[int] = []
        for slot in slots:
            busy = self.busy[slot]
            if start not in busy and (cycles == 1 or busy.isdisjoint(range(start, start + cycles))):
                found.append(slot)
                if len(found) == wanted:
                    break
        return found

    def state(self, now: int) -> Hashable:
        """What of the past matters from cycle `now` on; what lies before is forgotten."""
        self.busy = [{at for at in busy if at >= now} for busy in self.busy]
        return tuple(frozenset(at - now for at in busy) for busy in self.busy)


def occupancy(operation: Operation, timing: Timing) -> int:
    """Cycles for which the operation keeps its units."""
    cycles = timing.cycles_128 if operation.full_width else timing.cycles_64
    if operation.kind in ("load_vector", "store_vector"):
        return cycles * operation.n_registers
    if operation.kind in ("load", "store"):
        return max(
            cycles, -(-operation.n_registers // 2)
        )  # a pair of 64-bit registers travels as one access of 128 bits
    return cycles


class _InOrder:
    """An in-order core: begins instructions in program order, at most `issue_width` in a cycle."""

    def __init__(self, core: CoreModel) -> None:
        self.core, self.registers, self.units = core, _Registers(), _Units(core)
        self.end = 0  # the cycle of the last issue
        self.issued = 0  # instructions begun in that cycle
        self.blocked_until = 0

    def run(self, step: _Step) -> None:
        operation, timing, demand = step.operation, step.timing, step.demand
        alone = timing.alone_128 and operation.full_width
        full = self.issued >= self.core.issue_width or (alone and self.issued > 0)
        start = max(self.end + 1 if full else self.end, self.blocked_until)
        start = self.units.take(demand, max(start, self.registers.operands_at(operation, timing)))
        self.registers.write(operation, timing, start)
        self.issued = 1 if start > self.end else self.issued + 1
        self.end = start
        if alone:
            self.blocked_until = start + demand.cycles

    def state(self) -> Hashable:
        """All that decides when the next instructions begin, relative to the last issue."""
        blocked = max(0, self.blocked_until - self.end)
        return self.issued, blocked, self.registers.state(self.end), self.units.state(self.end)


class _OutOfOrder:
    """An out-of-order core: dispatches in order into a window, begins what is ready, retires in order."""

    def __init__(self, core: CoreModel) -> None:
        self.core, self.registers, self.units = core, _Registers(), _Units(core)
        self.end = 0  # the cycle in which the last instruction retires
        self.dispatched = 0  # in parts of a cycle: as many as instructions are dispatched in one
        self.window: deque[int] = deque(maxlen=core.reorder_window)  # when those in flight retire

    def run(self, step: _Step) -> None:
        operation, timing = step.operation, step.timing
        self.dispatched += 1
        if len(self.window) == self.core.reorder_window:
            self.dispatched = max(self.dispatched, self.window[0] * self.core.issue_width)
        begin = self.dispatched // self.core.issue_width
        earliest = max(begin, self.registers.operands_at(operation, timing))
        start = self.units.take(step.demand, earliest)
        self.registers.write(operation, timing, start)
        finish = start + (1 if operation.kind in _WITHOUT_RESULT else timing.latency)
        self.end = max(self.end, finish)
        self.window.append(self.end)

    def state(self) -> None:
        """Not told: dispatch runs ahead of retirement until the window is full, and no state comes twice before."""
