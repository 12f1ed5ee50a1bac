"""`pack`: a `.tflite` becomes a `.tfz`."""

import hashlib
import warnings
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tfcompress.card import Card, card_path
from tfcompress.errors import FormatError, OutputError, TfCompressWarning, suggestion
from tfcompress.files import check_output, replacing, zlib_bytes
from tfcompress.packing.choosing import CODINGS, Choice, choose
from tfcompress.packing.container import Header, Layout, largest_original, write_layout
from tfcompress.packing.planning import Plan, plan
from tfcompress.packing.pool import MOST_TABLES, tables_of, write_pool
from tfcompress.packing.regions import Region, regions
from tfcompress.packing.report import Entry, Packing, entry, parts
from tfcompress.packing.side import MOST_NUMBERS, SideWriter
from tfcompress.progress import task
from tfcompress.tflite.inspection import card_of

_POOL = 1 << 20  # bytes of the original, beyond which a pool is closed; half as many where an element is a byte
_PADDING = 64  # zeros added at a time

Item = tuple[np.ndarray, Region]


def pack(
    path: str | Path,
    target: str | Path,
    *,
    codings: Collection[str] = CODINGS,
    force: bool = False,
    card: bool = True,
    compare: bool = True,
) -> Packing:
    """Packs a `.tflite` into a `.tfz`, which `unpack` turns back into the same bytes.

    Each weight buffer is coded in the cheapest of several ways: by Deep Compression's codebook, relative index and
    Huffman codes; by one Huffman code; by rANS under a model of where zeros and large values stand; deflated; or as it
    is. Whatever is no weights is deflated or coded by LZMA. The same file always packs to the same bytes.

    Args:
        path: Any file; only in a `.tflite` the weights are found.
        target: The `.tfz` to write.
        codings: Which codings are tried, of `tfcompress.packing.choosing.CODINGS`; raw is always allowed.
        force: Whether an existing `target` may be replaced.
        card: Whether `packed_bytes` is written into the card beside `path`; a missing card is made.
        compare: Whether `zlib_bytes` is measured too, which takes about as long as packing.

    Returns:
        What was chosen for each tensor, its bytes and its order-0 bound; print it.

    Raises:
        FormatError: There is no such file, or an unknown coding.
        OutputError: `target` cannot be written.

    Example:
        >>> import tempfile
        >>> from tfcompress.packing.unpacking import unpack
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     original = Path(folder) / "zeros.bin"
        ...     _ = original.write_bytes(bytes(10_000))
        ...     packing = pack(original, Path(folder) / "zeros.tfz", card=False)
        ...     unpack(Path(folder) / "zeros.tfz", Path(folder) / "again.bin")
        ...     (Path(folder) / "again.bin").read_bytes() == bytes(10_000), packing.packed_bytes < 100
        (True, True)

    Reference:
        Han, Mao, Dally, "Deep Compression", arXiv 1510.00149; Duda, "Asymmetric numeral systems", arXiv 1311.2540.
    """
    unknown = sorted(set(codings) - set(CODINGS))
    if unknown:
        raise FormatError(f"There is no coding '{unknown[0]}'. {suggestion(unknown[0], CODINGS)}")
    path, target = Path(path), Path(target)
    check_output(target, force=force)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}. Give the path of a .tflite file.") from error
    digest, planned, entries = hashlib.sha256(data), plan(data, str(path)), list[Entry]()
    with (
        ThreadPoolExecutor(1) as beside,
        replacing(target, force=force) as temporary,
        temporary.open("wb") as file,
        task(f"packing {path.name}", total=len(data)) as packing,
    ):
        zipped = (
            beside.submit(zlib_bytes, path) if compare else None
        )  # takes as long as packing, and leaves Python to others meanwhile
        file.write(Header(len(data), digest.digest()).to_bytes())
        for number, (items, choices) in enumerate(_pools(planned, codings) if data else ()):
            written = write_one_pool(file, None if number else planned.layout, items, choices)
            for (content, _), choice in zip(items, choices, strict=True):
                entries.append(entry(choice.stream, content, number, written))
                packing.advance(len(content))
        _pad(file, len(data))
    found = parts(entries, planned.layout, regions(data, str(path)), np.frombuffer(data, np.uint8))
    sizes = len(data), zipped.result() if zipped else None, target.stat().st_size
    result = Packing(path.name, digest.hexdigest(), *sizes, found)
    if card:
        _update_card(path, result)
    return result


def _pools(planned: Plan, codings: Collection[str]) -> Iterator[tuple[list[Item], list[Choice]]]:
    """Streams that are coded together, and the coding chosen for each."""
    items, choices, size, tables = list[Item](), list[Choice](), 0, np.zeros(2, int)
    for number, item in enumerate((*planned.shared, *planned.passing)):
        choice, weight = choose(*item, codings), len(item[0]) * (2 if item[1].bits <= 8 else 1)
        own = tables_of(choice.stream)
        full = size + weight > _POOL or (tables + own > MOST_TABLES).any()
        if items and full and number >= len(planned.shared):  # the first pool has all shared ones
            yield items, choices
            items, choices, size, tables = [], [], 0, np.zeros(2, int)
        items.append(item)
        choices.append(choice)
        size += weight
        tables += own
    yield items, choices


def write_one_pool(file: BinaryIO, layout: Layout | None, items: list[Item], choices: list[Choice]) -> int:
    """Writes a pool.

    Args:
        file: Where it goes.
        layout: Of the file, in its first pool only.
        items: The bytes of the streams, and what they hold.
        choices: The coding of each; changed where the pool would describe itself in more numbers than allowed.

    Returns:
        The bytes of its description and body.
    """
    side, body = _described(layout, items, choices)
    if side.count > MOST_NUMBERS:  # no weights have been seen that need so many, but any bytes must be packed
        choices[:] = [choose(*item, ("deflate",)) for item in items]
        side, body = _described(layout, items, choices)
    described = side.finish()
    size = sum(map(len, body))
    file.write(len(described).to_bytes(4, "little") + size.to_bytes(4, "little") + described)
    file.writelines(body)
    return len(described) + size


def _described(layout: Layout | None, items: list[Item], choices: list[Choice]) -> tuple[SideWriter, list[bytes]]:
    side = SideWriter()
    if layout:
        write_layout(side, layout)
    streams = [choice.stream for choice in choices]
    return side, write_pool(side, streams, [data for data, _ in items], [choice.payload for choice in choices])


def _pad(file: BinaryIO, size: int) -> None:
    """Adds zeros to a file so small that a reader would take it for a bomb."""
    while size > largest_original(file.tell()):
        file.write(bytes(_PADDING))


def _update_card(path: Path, packing: Packing) -> None:
    """Puts the size of the `.tfz` into the card beside the original."""
    try:
        try:
            card = card_of(path)
        except FormatError:
            if card_path(path).is_file():
                Card.load_beside(path)  # one that cannot be read is not overwritten
            # What is no .tflite has no more facts than these.
            card = Card({"name": path.name, "sha256": packing.sha256}, packing.size_bytes, packing.zlib_bytes)
        replace(card, packed_bytes=packing.packed_bytes).save_beside(path)
    except (FormatError, OutputError) as error:
        warnings.warn(f"{path.name} was packed, but its card was not written: {error}", TfCompressWarning, stacklevel=3)
