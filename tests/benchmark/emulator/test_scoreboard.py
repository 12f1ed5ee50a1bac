"""Microbenchmarks: blocks whose cycles were derived by hand from the tables of cores/, in a steady state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcompress.benchmark.emulator import scoreboard
from tfcompress.benchmark.emulator.core_model import CoreModel, load_core
from tfcompress.benchmark.emulator.instructions import decode
from tfcompress.benchmark.emulator.scoreboard import block_cycles

_FMA_CHAIN = ["fmla v0.4s, v1.4s, v2.4s"]
_FMA_FACTOR_CHAIN = ["fmla v0.4s, v0.4s, v2.4s"]
_EIGHT_FMAS = [f"fmla v{i}.4s, v30.4s, v31.4s" for i in range(8)]
_EIGHT_NARROW_FMAS = [f"fmla v{i}.2s, v30.2s, v31.2s" for i in range(8)]
_FMAS_AND_ADDS = [line for i in range(8) for line in (f"fmla v{i}.4s, v30.4s, v31.4s", f"add x{i}, x{i}, #1")]
_FMAS_AND_NARROW_LOADS = [line for i in range(8) for line in (f"fmla v{i}.4s, v30.4s, v31.4s", f"ldr d{i + 8}, [x1]")]
_FMAS_AND_WIDE_LOADS = [line for i in range(8) for line in (f"fmla v{i}.4s, v30.4s, v31.4s", f"ldr q{i + 8}, [x1]")]
_FMAS_AND_INSERTS = [line for i in range(8) for line in (f"fmla v{i}.4s, v30.4s, v31.4s", f"ins v{i + 8}.d[1], x1")]
_MULTIPLY_LONG_CHAIN = ["smlal v0.4s, v1.4h, v2.4h"] * 4
_DOT_CHAIN = ["sdot v0.4s, v1.16b, v2.16b"] * 4
_SIX_ADDS = [f"add x{i}, x{i + 10}, #1" for i in range(6)]
_ADD_CHAIN = ["add x0, x0, #1"] * 4
_LOAD_CHAIN = ["ldr x1, [x1]"]
_WIDE_LOADS = [f"ldr q{i}, [x1]" for i in range(4)]
_WIDE_STORES = [f"str q{i}, [x1]" for i in range(4)]
_FOUR_PRODUCTS = [f"mul v{i}.4s, v30.4s, v31.4s" for i in range(4)]
_FOUR_SHIFTS = [f"sshr v{i}.4s, v30.4s, #3" for i in range(4)]
_LOAD_THEN_USE = ["ldr q0, [x1]", "fmla v1.4s, v0.4s, v31.4s", "ldr x1, [x2]"]

# name -> block and the cycles on a53, a55, a72, a76. What each core does:
#   a53: 2 a cycle, two 64-bit lanes, a vector load takes a lane and lasts a cycle per 64 bits
#   a55: 2 a cycle, two 64-bit lanes, nothing beside a 128-bit load, which lasts 2 cycles
#   a72: 3 a cycle, two 64-bit float units, one for products (F0), one for shifts (F1)
#   a76: 4 a cycle, two 128-bit units, one for products (F0), one for shifts (F1)
_EXPECTED = {
    "a chain of accumulations waits for the forwarded accumulator": (_FMA_CHAIN, 4, 4, 3, 2),
    "a chain through a factor waits for the whole latency": (_FMA_FACTOR_CHAIN, 8, 4, 7, 4),
    "128-bit accumulations: one a cycle, two on the a76": (_EIGHT_FMAS, 8, 8, 8, 4),
    "64-bit accumulations: two a cycle": (_EIGHT_NARROW_FMAS, 4, 4, 4, 4),
    "integer work hides behind them": (_FMAS_AND_ADDS, 8, 8, 8, 4),
    "a 64-bit load needs a cycle of its own on the a53 only": (_FMAS_AND_NARROW_LOADS, 16, 8, 8, 4),
    "a 128-bit load costs 2 cycles more on in-order cores": (_FMAS_AND_WIDE_LOADS, 24, 24, 8, 4),
    # a53: a 128-bit accumulation takes both lanes, so in program order each insert needs a cycle of its own; a55: an
    # insert takes no lane. a72: 8 accumulations on both units, 8 inserts one by one on the one L. a76: on the one M.
    "an insert beside an accumulation": (_FMAS_AND_INSERTS, 16, 8, 16, 8),
    "products add up one a cycle": (_MULTIPLY_LONG_CHAIN, 4, 4, 4, 4),
    "dot products add up one a cycle": (_DOT_CHAIN, 4, 4, 4, 4),
    "as many additions as units": (_SIX_ADDS, 3, 3, 3, 2),
    "a chain of additions: one a cycle": (_ADD_CHAIN, 4, 4, 4, 4),
    "a chain of loads waits for each": (_LOAD_CHAIN, 3, 3, 4, 4),
    "128-bit loads: 64 bits a cycle in order, one or two a cycle out of order": (_WIDE_LOADS, 8, 8, 4, 2),
    "128-bit stores: two units of 64 bits on the a76": (_WIDE_STORES, 8, 4, 8, 4),
    "128-bit products: twice on the one unit out of order": (_FOUR_PRODUCTS, 4, 4, 8, 8),
    "shifts: one a cycle": (_FOUR_SHIFTS, 4, 4, 4, 4),
    # In order: load at 0, accumulation at 4 (the load's latency) beside the load of the next address, there at 7.
    # Out of order only the accumulator's own chain is left.
    "an in-order core waits where another goes on": (_LOAD_THEN_USE, 7, 7, 3, 2),
}


@pytest.mark.parametrize("core", ["cortex-a53", "cortex-a55", "cortex-a72", "cortex-a76"])
@pytest.mark.parametrize("name", _EXPECTED)
def test_a_block_takes_the_cycles_derived_by_hand(name, core):
    block, *cycles = _EXPECTED[name]
    expected = dict(zip(["cortex-a53", "cortex-a55", "cortex-a72", "cortex-a76"], cycles, strict=True))[core]
    assert block_cycles([decode(line) for line in block], load_core(core)) == expected


_LINES = sorted({line for block, *_ in _EXPECTED.values() for line in block})
_LINES += ["fdiv v3.4s, v3.4s, v9.4s", "udiv x4, x5, x4", "ldp q0, q1, [x1], #32", "str q3, [x4, #16]!", "cmp x4, x5"]


@given(st.lists(st.sampled_from(_LINES), min_size=1, max_size=12), st.sampled_from(["cortex-a53", "cortex-a55"]))
def test_a_state_that_comes_twice_ends_the_iterations_without_changing_their_mean(lines, core):
    block, model = [decode(line) for line in lines], load_core(core)
    found = block_cycles(block, model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoreboard._InOrder, "state", lambda _: None)  # as if no state ever came twice
        assert block_cycles(block, model) == found


def test_an_empty_block_takes_no_time():
    assert block_cycles([], load_core("cortex-a53")) == 0


def test_a_window_of_one_runs_one_instruction_at_a_time():
    core = load_core("cortex-a76")
    narrow = CoreModel(core.issue_width, 1, core.units, core.timing, core.memory)
    loads = [decode(f"ldr x{i}, [x9]") for i in range(3)]
    assert block_cycles(loads, core) == 1.5  # two load units
    assert block_cycles(loads, narrow) == 3 * 4  # each waits until the one before has retired, after 4 cycles
