"""Makes the first corpus of tools/fuzz_unpack: tiny `.tfz` files, one for each coding and kind of model.

Run: python -m tools.make_fuzz_corpus
"""

import hashlib
import io
from pathlib import Path

import numpy as np

from tfcompress.files import replacing
from tfcompress.packing.choosing import choose
from tfcompress.packing.container import Header, Layout
from tfcompress.packing.packing import write_one_pool
from tfcompress.packing.regions import REST, Region

CORPUS = Path(__file__).resolve().parents[1] / "tests" / "packing" / "fuzz" / "corpus"


def tiny_files() -> dict[str, bytes]:
    """The files by name; each holds one stream, and `mixed` all of them."""
    generator = np.random.default_rng(3)
    sparse = np.where(
        generator.random((8, 16)) < np.linspace(0.05, 0.9, 8)[:, None], generator.integers(1, 5, (8, 16)), 0
    )
    blocks = np.repeat(generator.random((16, 5)) < 0.3, 4, axis=1).astype(np.int8)
    floats = np.where(sparse > 0, sparse * np.float32(0.1), np.float32(0))
    text = np.frombuffer(b"tfcompress packs weights; " * 5, np.uint8)
    items = {
        "raw": (generator.integers(0, 256, 40).astype(np.uint8), 8, ("raw",)),
        "deflate": (text, 8, ("deflate",)),
        "lzma": (text, 8, ("lzma",)),
        "huffman": (sparse.astype(np.int8), 8, ("huffman",)),
        "paper": (floats, 32, ("deep_compression",)),
        "modelled-int8": (sparse.astype(np.int8), 8, ("modelled",)),
        "modelled-float32": (floats, 32, ("modelled",)),
        "modelled-blocks": (np.tile(blocks, (1, 3)), 8, ("modelled",)),
        "modelled-int4": ((sparse | sparse << 4).astype(np.uint8), 4, ("modelled",)),
        "modelled-planes": (np.arange(60, dtype=np.int16), 16, ("modelled",)),
    }
    streams = {}
    for name, (values, bits, codings) in items.items():
        shape = (*values.shape[:-1], values.shape[-1] * values.itemsize * 8 // bits) if values.ndim > 1 else ()
        data = np.frombuffer(values.tobytes(), np.uint8)
        region = Region(0, len(data), REST, f"int{bits}" if bits < 32 else "float32", bits, shape)
        streams[name] = (data, region, codings)
    files = {name: _file([stream]) for name, stream in streams.items()}
    return files | {"mixed": _file(list(streams.values()))}


def _file(streams: list[tuple[np.ndarray, Region, tuple[str, ...]]]) -> bytes:
    content = b"".join(data.tobytes() for data, _, _ in streams)
    file = io.BytesIO()
    file.write(Header(len(content), hashlib.sha256(content).digest()).to_bytes())
    items = [(data, region) for data, region, _ in streams]
    write_one_pool(file, Layout(0, ((0, 0),) * len(items)), items, [choose(*stream) for stream in streams])
    return file.getvalue()


def main() -> None:
    """Writes all of them."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    for name, content in tiny_files().items():
        with replacing(CORPUS / name) as temporary:
            temporary.write_bytes(content)


if __name__ == "__main__":
    main()
