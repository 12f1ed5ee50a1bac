"""The core model beside llvm-mca, where LLVM's own model is sound; llvm-mca of LLVM 19 must be there.

LLVM's name cortex-a72 means the A57, whose pipelines the A72 keeps; neoverse-n1 is the A76 with larger caches. LLVM's
models of in-order cores take 2 to 4 times too many cycles on such blocks, so the A53 and the A55 are left out.
"""

import json
import subprocess
from collections import Counter
from pathlib import Path

import click

from tfcompress.benchmark.devices import find_device
from tfcompress.benchmark.emulator.core_model import load_core
from tfcompress.benchmark.emulator.disassembly import assembly, disassemble
from tfcompress.benchmark.emulator.guest import Settings, run_guest
from tfcompress.benchmark.emulator.scoreboard import block_cycles
from tfcompress.benchmark.emulator.setup.install import install
from tfcompress.benchmark.emulator.trace import merged
from tfcompress.errors import DeviceError
from tfcompress.table import aligned

_LLVM_NAMES = {"cortex-a72": "cortex-a72", "cortex-a76": "neoverse-n1"}
_ITERATIONS = 100
_SHARE = 0.99  # of the own model's cycles that the compared blocks hold together
_PRODUCTS = ("fmla", "fmul", "sdot", "smlal", "smull", "sadalp")
_CALLS = ("bl ", "blr ", "ret", "svc")


def llvm_cycles(blocks: dict[int, list[str]], processor: str, program: str) -> dict[int, float]:
    """The cycles of one execution of each block by llvm-mca, which leaves out a block that is nothing but a call."""
    regions = [
        f"# LLVM-MCA-BEGIN {number}\n" + "\n".join(lines) + "\n# LLVM-MCA-END" for number, lines in blocks.items()
    ]
    command = [program, "-mtriple=aarch64", f"-mcpu={processor}", f"-iterations={_ITERATIONS}", "-json"]
    done = subprocess.run(
        [*command, "-skip-unsupported-instructions=any"],
        input="\n".join(regions) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DeviceError(f"{program} failed: {done.stderr.strip().splitlines()[0]}")
    found = json.loads(done.stdout)["CodeRegions"]
    return {int(region["Name"]): region["SummaryView"]["TotalCycles"] / _ITERATIONS for region in found}


def compare(file: Path, device: str, program: str, most: int) -> str:
    """The blocks that take most of the time on one device, timed by both models."""
    core = load_core(find_device(device).core)
    trace = run_guest(install(), find_device(device), file.resolve(), Settings(caches=False)).trace
    executions = merged(trace.runs[0]).executions
    own = {number: block_cycles(disassemble(trace.code[number]).operations, core) for number in executions}
    weights = Counter({number: executions[number] * own[number] for number in executions})
    chosen, covered = [], 0.0
    for number, weight in weights.most_common():
        chosen.append(number)
        covered += weight
        if covered > _SHARE * weights.total():
            break
    texts = {number: _straight(assembly(trace.code[number])) for number in chosen}
    other = llvm_cycles(texts, _LLVM_NAMES[device], program)
    chosen = [number for number in chosen if number in other]
    covered = sum(weights[number] for number in chosen)
    rows = [("block", "instructions", "executions", "own cycles", "llvm-mca", "own / llvm-mca", "share of time")]
    rows += [
        (
            next((line.split()[0] for line in texts[number] if line.startswith(_PRODUCTS)), "-"),
            str(len(trace.code[number])),
            f"{executions[number]:,}",
            f"{own[number]:.1f}",
            f"{other[number]:.1f}",
            f"{own[number] / other[number]:.2f}",
            f"{weights[number] / weights.total():.1%}",
        )
        for number in chosen[:most]
    ]
    theirs = sum(executions[number] * other[number] for number in chosen)
    sums = f"{covered / 1e6:.2f} M cycles, llvm-mca {theirs / 1e6:.2f} M ({covered / theirs:.2f})"
    return f"{file.name} on {device} ({_LLVM_NAMES[device]})\n{aligned(rows)}\n{len(chosen)} blocks: {sums}\n"


def _straight(lines: list[str]) -> list[str]:
    """Without what llvm-mca cannot time: calls, returns, words that are no instructions."""
    return [line for line in lines if not line.startswith((*_CALLS, "."))]


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--program", default="llvm-mca", show_default=True, help="llvm-mca of LLVM 19 or newer.")
@click.option("--most", default=8, show_default=True, help="How many blocks are printed.")
def main(files: tuple[Path, ...], program: str, most: int) -> None:
    """Compare the models on the blocks that FILES execute."""
    for file in files:
        for device in _LLVM_NAMES:
            click.echo(compare(file, device, program, most))


if __name__ == "__main__":
    main()
