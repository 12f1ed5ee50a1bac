"""`tfcompress measure`: the latency of a `.tflite` file on devices."""

from pathlib import Path
from typing import Any

import click

from tfcompress.card import Card, card_path


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--device",
    "devices",
    multiple=True,
    default=["host"],
    show_default=True,
    help="Where to run it: host, an emulated CPU of `tfcompress devices`, or a .toml file; may be repeated.",
)
@click.option("--against", type=click.Path(path_type=Path), help="A second file; its latency over FILE's is shown.")
@click.option("--per-op", is_flag=True, help="Also print each operator; on emulated CPUs only.")
@click.option("--runs", default=50, show_default=True, help="Timed runs on the host, 30 or more.")
@click.option("--warmup", default=10, show_default=True, type=click.IntRange(min=0), help="Runs before them.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1), help="Threads of the runtime.")
@click.option("--card/--no-card", default=True, show_default=True, help="Write the card beside the file.")
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
def command(
    file: Path,
    devices: tuple[str, ...],
    against: Path | None,
    per_op: bool,
    runs: int,
    warmup: int,
    threads: int,
    card: bool,
    as_json: bool,
) -> None:
    """Measure the latency of a .tflite file on devices, and add it to the card beside the file.

    On the host the file runs in a process of its own, on random inputs, one sample at a time. On an emulated mobile CPU
    one inference is counted: instructions are exact, cache misses simulated, cycles and milliseconds estimated.

    \b
    Example:
      tfcompress measure model.tflite
      tfcompress measure model.tflite --device host --runs 200 --threads 2 --json
      tfcompress measure model.tflite --device cortex-a53 --device cortex-a76 --per-op
      tfcompress measure small.tflite --device cortex-a55 --against large.tflite
    """
    result = _measured(file, devices, against, runs=runs, warmup=warmup, threads=threads)
    if card:
        result.save_beside(file)
    if as_json:
        click.echo(result.to_json())
        return
    for measurement in result.measurements[-len(set(devices)) :]:
        click.echo(_text(file, measurement, per_op=per_op))
    if card:
        click.echo(f"card    {card_path(file)}")


def _measured(
    file: Path, devices: tuple[str, ...], against: Path | None, *, runs: int, warmup: int, threads: int
) -> Card:
    """The card with a measurement on each device."""
    from tfcompress.benchmark.measurement import measure, measurer_for, with_measurement

    for device in devices:  # what is wrong with the last is said before the first takes its time
        measurer_for(device, runs=runs, warmup=warmup, threads=threads)
    cards = [
        measure(file, device, runs=runs, warmup=warmup, threads=threads, against=against, save=False)
        for device in devices
    ]
    result = cards[0]
    for other in cards[1:]:
        result = with_measurement(result, other.measurements[-1])
    return result


def _text(file: Path, measurement: dict[str, Any], *, per_op: bool) -> str:
    latency, emulated = measurement["latency_ms"], "operators" in measurement
    if emulated:
        where = f"emulated, {measurement['clock_mhz']} MHz"
        lines = [f"latency {latency['median']:.4g} ms, estimated", *_figures(measurement)]
    else:
        where = measurement["cpu"]
        runs = f"{measurement['runs']} runs after {measurement['warmup']} to warm up"
        lines = [f"median  {latency['median']:.4g} ms, measured, {runs}", f"p90     {latency['p90']:.4g} ms"]
    threads = measurement["threads"]
    heading = f"{file.name} on {measurement['device']} ({where}), {threads} thread{'s' if threads > 1 else ''}"
    if "speedup_rate" in measurement:
        lines.append(f"speedup {measurement['speedup_rate']:.2f} against {measurement['against']['name']}")
    if per_op:
        lines.append("\n" + _operators(measurement) if emulated else "operators are told apart on emulated CPUs only")
    return "\n".join([heading, *lines]) + "\n"


def _figures(measurement: dict[str, Any]) -> list[str]:
    """The lines of an emulated measurement, each with how the figure came about."""
    classes = ", ".join(f"{name} {count:,}" for name, count in measurement["instruction_classes"].items())
    return [
        f"cycles  {measurement['core_cycles']:,} in the core, {measurement['memory_cycles']:,} for memory, estimated",
        f"misses  L1 {measurement['l1_misses']:,}, L2 {measurement['l2_misses']:,}, simulated",
        f"instructions {measurement['instructions']:,}, exact",
        f"        {classes}",
        f"memory  arena {measurement['arena_bytes']:,} bytes, simulated",
        f"        heap {measurement['heap_bytes']:,} bytes, exact",
    ]


def _operators(measurement: dict[str, Any]) -> str:
    from tfcompress.table import aligned

    keys, kinds = ("instructions", "l1_misses", "l2_misses", "core_cycles", "memory_cycles"), measurement["kinds"]
    rows = [["operator", *(key.replace("_", " ") for key in keys), "ms"]]
    rows.append(["", *(kinds[key] for key in (*keys, "latency_ms"))])
    rows += [
        [item["name"], *(f"{item[key]:,}" for key in keys), f"{item['latency_ms']['median']:.4f}"]
        for item in measurement["operators"]
    ]
    inside = sum(item["instructions"] for item in measurement["operators"])
    rows.append(["(outside the operators)", f"{measurement['instructions'] - inside:,}", *["-"] * 5])
    text = aligned(rows)
    if lost := measurement["operators_without_figures"]:
        text += "\nnot told apart by LiteRT's profile: " + ", ".join(
            f"{name} ({count})" for name, count in lost.items()
        )
    return text
