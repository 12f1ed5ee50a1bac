"""Makes the golden `.tfz` files of tests/packing/golden, which every decoder of docs/container.md must read.

A `.tfz` has the SHA-256 of its original, so these files need no originals beside them.

Run: python -m tools.make_golden_tfz
"""

import tempfile
from pathlib import Path

import numpy as np

from tfcompress.packing.packing import pack
from tools.made_tflite import Weights, made_tflite

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "packing" / "golden"


def sparse(generator: np.random.Generator, density: np.ndarray, clusters: int) -> np.ndarray:
    """Int8 weights that are not zero with these probabilities, of so many different values."""
    values = generator.choice(np.setdiff1d(np.arange(-127, 128), [0]), clusters, replace=False).astype(np.int8)
    return np.where(generator.random(density.shape) < density, generator.choice(values, density.shape), 0).astype(
        np.int8
    )


def contents() -> dict[str, tuple[bytes, tuple[str, ...]]]:
    """The originals by name, each with the codings that it may be packed with."""
    generator = np.random.default_rng(7)
    everything = ("deep_compression", "huffman", "modelled", "deflate", "lzma", "raw")
    rows, columns = generator.uniform(-4, 1, (60, 1)), generator.uniform(-2, 2, (1, 100))
    structured = sparse(generator, 1 / (1 + np.exp(-rows - columns)), 16)
    blocks = np.repeat(generator.random((64, 24)) < 0.2, 4, axis=1) * generator.integers(1, 9, (64, 96))
    scaled = generator.normal(0, np.geomspace(4, 50, 48)[:, None], (48, 90)).round().clip(-127, 127)
    centroids = generator.normal(0, 0.1, 16).astype(np.float32)
    shared = np.where(generator.random((40, 200)) < 0.1, generator.choice(centroids, (40, 200)), 0).astype(np.float32)
    two_of_four = np.argsort(generator.random((1200, 4)), axis=1) < 2
    pattern = np.where(two_of_four, generator.integers(1, 100, (1200, 4)), 0).astype(np.int8).reshape(16, 3, 5, 20)
    weights = {
        "structured-int8": [Weights("rows and columns", structured, generator.random(60).astype(np.float32))],
        "blocks-int8": [Weights("blocks", blocks.astype(np.int8)), Weights("across", blocks.T.astype(np.int8).copy())],
        "channels-int8": [
            Weights("scales differ", scaled.astype(np.int8)),
            Weights("bias", np.arange(300, dtype=np.int32)),
        ],
        "codebook-float32": [Weights("shared", shared)],
        "dense-float32": [Weights("dense", generator.normal(0, 0.1, (40, 50)).astype(np.float32))],
        "two-of-four-int8": [Weights("pattern", pattern)],
    }
    made: dict[str, tuple[bytes, tuple[str, ...]]] = {
        name: (made_tflite(items), everything) for name, items in weights.items()
    }
    made["paper-float32"] = made["codebook-float32"][0], ("deep_compression",)
    made["paper-int8"] = made["structured-int8"][0], ("deep_compression",)
    made["huffman-int8"] = made["channels-int8"][0], ("huffman",)
    made["raw"] = made["blocks-int8"][0][:3000], ("raw",)
    made["deflate"] = made["blocks-int8"][0][:3000], ("deflate",)
    made["empty"] = b"", everything
    made["one-byte"] = b"x", everything
    made["text"] = b"no flatbuffer, but it is packed as any bytes are. " * 20, everything
    made["padded"] = bytes(3 << 20), everything
    return made


def main() -> None:
    """Packs all of them."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, (content, codings) in contents().items():
            original = Path(folder) / "original"
            original.write_bytes(content)
            pack(original, GOLDEN / f"{name}.tfz", codings=codings, force=True, card=False)


if __name__ == "__main__":
    main()
