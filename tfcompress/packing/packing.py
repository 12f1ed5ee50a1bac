"""`pack`: a `.tflite` becomes a `.tfz`."""

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tfcompress.errors import FormatError, suggestion
from tfcompress.files import check_output, replacing
from tfcompress.packing.choosing import CODINGS, Choice, choose
from tfcompress.packing.container import Header, Layout, largest_original, write_layout
from tfcompress.packing.planning import Plan, plan
from tfcompress.packing.pool import write_pool
from tfcompress.packing.regions import Region
from tfcompress.packing.side import MOST_NUMBERS, SideWriter
from tfcompress.progress import task

_POOL = 1 << 20  # bytes of the original, beyond which a pool is closed


def pack(path: str | Path, target: str | Path, *, codings: Collection[str] = CODINGS, force: bool = False) -> None:
    """Packs a file."""
    unknown = sorted(set(codings) - set(CODINGS))
    if unknown:
        raise FormatError(f"There is no coding '{unknown[0]}'. {suggestion(unknown[0], CODINGS)}")
    path, target = Path(path), Path(target)
    check_output(target, force=force)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}. Give the path of a .tflite file.") from error
    planned = plan(data, str(path))
    with replacing(target, force=force) as temporary, temporary.open("wb") as file:
        file.write(Header(len(data), hashlib.sha256(data).digest()).to_bytes())
        with task(f"packing {path.name}", total=len(data)) as packing:
            for number, (items, choices) in enumerate(_pools(planned, codings) if data else ()):
                _write(file, None if number else planned.layout, items, choices)
                packing.advance(sum(len(item) for item, _ in items))
        _pad(file, len(data))


def _pools(planned: Plan, codings: Collection[str]) -> Iterator[tuple[list[tuple[np.ndarray, Region]], list[Choice]]]:
    items, choices, size = list[tuple[np.ndarray, Region]](), list[Choice](), 0
    for item in (*planned.shared, *planned.passing):
        if items and size + len(item[0]) > _POOL and len(items) >= len(planned.shared):
            yield items, choices
            items, choices, size = [], [], 0
        items.append(item)
        choices.append(choose(*item, codings))
        size += len(item[0])
    yield items, choices


def _write(
    file: BinaryIO, layout: Layout | None, items: list[tuple[np.ndarray, Region]], choices: list[Choice]
) -> None:
    side, body = _described(layout, items, choices)
    if side.count > MOST_NUMBERS:  # no weights have been seen that need so many, but any bytes must be packed
        choices = [choose(*item, ("deflate",)) for item in items]
        side, body = _described(layout, items, choices)
    described = side.finish()
    file.write(len(described).to_bytes(4, "little") + sum(map(len, body)).to_bytes(4, "little") + described)
    file.writelines(body)


def _described(
    layout: Layout | None, items: list[tuple[np.ndarray, Region]], choices: list[Choice]
) -> tuple[SideWriter, list[bytes]]:
    side = SideWriter()
    if layout:
        write_layout(side, layout)
    streams = [choice.stream for choice in choices]
    return side, write_pool(side, streams, [data for data, _ in items], [choice.payload for choice in choices])


def _pad(file: BinaryIO, size: int) -> None:
    """Adds zeros to a file so small that a reader would take it for a bomb."""
    while size > largest_original(file.tell()):
        missing = (size - largest_original(file.tell()) + 1023) // 1024
        file.write(bytes(min(missing, 1 << 20)))
