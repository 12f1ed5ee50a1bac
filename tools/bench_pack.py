"""Packed bytes and speed on made files, beside general compressors, and the third stage of Deep Compression."""

import gzip
import lzma
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import brotli
import click
import numpy as np
import zstandard

from tfcompress.files import write_text
from tfcompress.packing.deep_compression import relative
from tfcompress.packing.packing import pack
from tfcompress.progress import task
from tfcompress.table import aligned
from tools import java_decoder
from tools.made_tflite import Weights, made_tflite
from tools.made_weights import ALEXNET, VGG16, Layer, clustered, mobilenet_v2, vgg_like

_SEED = 7
# The most memory since the program began: that of `getrusage` would begin with what this process had.
_CHILD = """
import tempfile, time
from pathlib import Path
from tfcompress.packing import packing, unpacking
import tfcompress.packing.tabling, numpy.fft, rich.progress
def most():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
with tempfile.TemporaryDirectory() as folder:  # what is imported on first use is no memory of the file's
    Path(folder, "few").write_bytes(bytes(1000))
    packing.pack(Path(folder, "few"), Path(folder, "packed"), card=False, compare=False)
    unpacking.unpack(Path(folder, "packed"), Path(folder, "again"))
before = most()
started, used = time.perf_counter(), time.process_time()
{call}
print(time.perf_counter() - started, time.process_time() - used)
print(1024 * (most() - before))
"""
_RIVALS: dict[str, Callable[[bytes], bytes]] = {
    "gzip -9": lambda data: gzip.compress(data, 9, mtime=0),
    "xz -9e": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
    "brotli -11": lambda data: brotli.compress(data, quality=11, lgwin=24),
    "zstd -19": lambda data: zstandard.ZstdCompressor(level=19).compress(data),
}


@dataclass(frozen=True)
class Row:
    """A coder on a file: its bytes, and how long it and its opposite took on this machine."""

    name: str
    size: int
    seconds: float | None = None


def main_table(content: bytes, folder: Path, rivals: Sequence[str]) -> str:
    """The coders on one file, with packed bytes over zlib's and over the order-0 bound.

    Args:
        content: The file.
        folder: For files in between.
        rivals: General compressors; with several of them also single codings of ours.
    """
    path = folder / "made.tflite"
    path.write_bytes(content)
    with task("packing"):
        packing = pack(path, folder / "made.tfz", force=True, card=False)
    zipped = packing.zlib_bytes or 0
    bound = sum(part.order0_bytes for part in packing.parts)
    rows = [Row("order-0 bound of all parts", round(bound)), Row("tfz", packing.packed_bytes)]
    for coding in ("deep_compression", "huffman") if len(rivals) > 1 else ():
        with task(f"packing with {coding} alone"):
            alone = pack(path, folder / "alone.tfz", codings=(coding, "deflate"), force=True, card=False, compare=False)
        rows.append(Row(f"tfz, {coding.replace('_', ' ')} and deflate only", alone.packed_bytes))
    rows.append(Row("zlib -9", zipped))
    for name in rivals:
        with task(f"running {name}"):
            started = time.perf_counter()
            size = len(_RIVALS[name](content))
        rows.append(Row(name, size, time.perf_counter() - started))
    table = [("coder", "bytes", "of zlib -9", "of the bound", "MB/s in")]
    for row in rows:
        speed = "-" if row.seconds is None else f"{len(content) / row.seconds / 1e6:.2f}"
        table.append((row.name, f"{row.size:,}", f"{row.size / zipped:.3f}", f"{row.size / bound:.3f}", speed))
    return f"{len(content):,} bytes\n{aligned(table)}\n\n{speed_and_memory(path, folder)}"


def speed_and_memory(path: Path, folder: Path) -> str:
    """How fast a file is packed and unpacked, and what memory it takes, each in a process of its own."""
    packed, again = folder / "made.tfz", folder / "again.tflite"
    calls = {
        "pack": f"packing.pack({str(path)!r}, {str(packed)!r}, force=True, card=False, compare=False)",
        "unpack": f"unpacking.unpack({str(packed)!r}, {str(again)!r}, force=True)",
    }
    lines, size = [], path.stat().st_size
    for name, call in calls.items():
        with task(f"timing {name}"):
            command = [sys.executable, "-c", _CHILD.format(call=call)]
            answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        seconds, used, memory = map(float, answer)
        lines.append(
            f"{name}: {size / seconds / 1e6:.1f} MB/s ({size / used / 1e6:.1f} MB/s of CPU time), "
            f"{memory / size:.1f} times the file in memory"
        )
    lines.append(java_speed(packed, again, size))
    lines.append(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return "\n".join(lines)


def java_speed(packed: Path, again: Path, size: int) -> str:
    """How fast the Java decoder unpacks to `size` bytes: the first time, while the JVM still compiles, and later."""
    lacking = java_decoder.missing()
    if lacking:
        return f"unpack in Java: not measured ({lacking})"
    with task("timing unpack in Java"):
        classes = java_decoder.compiled(packed.parent / "classes")
        repeats = "12" if size < 1 << 24 else "3"
        command = java_decoder.command(classes, "Speed", packed, again, repeats)
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    first, later, used = (size / float(seconds) / 1e6 for seconds in answer)
    return f"unpack in Java, 64 MB: {later:.1f} MB/s ({used:.1f} MB/s of CPU time), the first time {first:.1f} MB/s"


def third_stage(layers: Sequence[Layer], spread: float, folder: Path) -> tuple[str, float]:
    """What coding gains over fixed bits on the layers of a paper's table.

    P+Q is what the paper stores before Huffman: for each pair, fillers among them, the bits of a value and of an index,
    and the codebook in float32. What is measured is the whole `.tfz` of a float32 file of the layer.

    Returns:
        The table, and the gain of all layers together.
    """
    table: list[tuple[str, ...]] = [
        ("layer", "kept", "bits", "P+Q", "Deep Compression", "tfz", "gain of the paper's coder", "gain of tfz")
    ]
    totals, generator = np.zeros(3), np.random.default_rng(_SEED)
    for layer in layers:
        with task(f"packing {layer.name}"):
            weights = clustered(generator, layer.drawn, layer.kept, (1 << layer.bits) - 1, spread)
            path = folder / "layer.tflite"
            path.write_bytes(made_tflite([Weights(layer.name, weights)]))
            stored = [fixed_bits(weights, layer)]
            for codings in (("deep_compression",), ("modelled", "deep_compression", "huffman")):
                packing = pack(path, folder / "layer.tfz", codings=codings, force=True, card=False, compare=False)
                stored.append(packing.packed_bytes)
        sizes = np.array(stored) / layer.share
        totals += sizes
        table.append(_stage_row(layer.name, f"{layer.kept:.0%}", f"{layer.bits}+{layer.index_bits}", sizes))
    table.append(_stage_row("all", "", "", totals))
    return aligned(table), float(totals[0] / totals[2])


def _stage_row(name: str, kept: str, bits: str, sizes: np.ndarray) -> tuple[str, ...]:
    gains = (f"{sizes[0] / size:.3f}" for size in sizes[1:])
    return (name, kept, bits, *(f"{size:,.0f}" for size in sizes), *gains)


def fixed_bits(weights: np.ndarray, layer: Layer) -> float:
    """The bytes of a layer before Huffman: pairs of a value and an index of fixed bits, and the codebook."""
    flat = weights.ravel()
    positions = np.flatnonzero(flat)
    distances, _ = relative(positions, np.ones(len(positions), int), layer.index_bits)
    return len(distances) * (layer.bits + layer.index_bits) / 8 + 4 * (1 << layer.bits) * layer.share


@click.command()
@click.option("-o", "--output", default="runs/bench_pack", show_default=True, type=click.Path(path_type=Path))
@click.option("--large/--no-large", default=True, show_default=True, help="Also the file of 100 MB; takes minutes.")
def main(output: Path, large: bool) -> None:
    """Pack made files and compare. The table goes to stdout and to table.txt in the output folder."""
    texts = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, spread in (("random", 0.0), ("rows and columns of different scales", 0.6)):
            content = made_tflite(mobilenet_v2(np.random.default_rng(_SEED), 0.8, 16, spread))
            heading = f"MobileNetV2-like, int8, 80 % zeros, 16 clusters, {title}"
            texts.append(f"{heading}: {main_table(content, folder, list(_RIVALS))}")
            click.echo(texts[-1] + "\n")
        for network, layers, paper in (("AlexNet", ALEXNET, 35 / 27), ("VGG-16", VGG16, 49 / 31)):
            for title, spread in (("random", 0.0), ("rows and columns of different scales", 0.6)):
                table, gain = third_stage(layers, spread, folder)
                heading = f"{network}-shaped, {title}: third stage {gain:.3f}, the paper's {paper:.3f}"
                texts.append(f"{heading}\n{table}")
                click.echo(texts[-1] + "\n")
        if large:
            content = made_tflite(vgg_like(np.random.default_rng(_SEED), 0.8, 16))
            texts.append(
                f"VGG-like, int8, 80 % zeros, 16 clusters, random: {main_table(content, folder, ['zstd -19'])}"
            )
            click.echo(texts[-1])
    write_text(output / "table.txt", "\n\n".join(texts) + "\n")


if __name__ == "__main__":
    main()
