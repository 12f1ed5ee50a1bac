"""Whether TFLite's own encoding of sparse kernels pays: in bytes of the file, or in time on this host."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tfcompress.errors import ConversionError, DeviceError, FormatError
from tfcompress.files import zlib_bytes
from tfcompress.runtime.session import latencies

_ROUNDS, _RUNS, _WARMUP = 3, 50, 10
_FASTER = 0.95  # of the time, in every round; less is noise
_MANY_ZEROS = 0.5  # from here on an int8 value with its position takes less than the zeros around it


def better_of(dense: Path, encode: Callable[[], bytes], folder: Path) -> tuple[bytes, str]:
    """The sparse file where it is smaller or faster, else the dense one.

    The encoding keeps the positions of the values that are not zero, so it needs many zeros to be smaller. Zipped, it
    is mostly larger than the dense file, whose zeros zip to almost nothing. LiteRT unpacks such kernels when it loads
    the file; only XNNPACK's float 1x1 convolutions may stay sparse. LiteRT 2.3 loads no int8 dense layer so encoded.

    Args:
        dense: The file with dense kernels.
        encode: Converts the model once more, with sparse kernels.
        folder: Where the sparse file may be put.

    Returns:
        The bytes to keep, and a sentence for the card: what was measured, and what follows.
    """
    try:
        content = encode()
    except ConversionError as error:
        return dense.read_bytes(), f"Kernels are stored dense: TFLite's sparse encoding failed ({error})"
    sparse = folder / "sparse.tflite"
    sparse.write_bytes(content)
    sizes = (
        f"{len(content):,} bytes ({zlib_bytes(sparse):,} zipped) instead of {dense.stat().st_size:,} "
        f"({zlib_bytes(dense):,} zipped)"
    )
    try:
        rounds = _rounds(dense, sparse)
    except (FormatError, DeviceError) as error:
        reason = str(error).removeprefix(f"{sparse}: ")
        return dense.read_bytes(), f"Kernels are stored dense: LiteRT does not run TFLite's sparse encoding ({reason})"
    before, after = (float(np.median([times[i] for times in rounds])) for i in range(2))
    told = f"{sizes}, {after:.3f} ms instead of {before:.3f} (medians of {_RUNS} runs, {_ROUNDS} rounds in turns)"
    if len(content) < dense.stat().st_size:
        return content, f"Kernels are stored in TFLite's sparse encoding, which makes the file smaller: {told}."
    if all(after < _FASTER * before for before, after in rounds):
        return content, f"Kernels are stored in TFLite's sparse encoding, which makes the file faster: {told}."
    return (
        dense.read_bytes(),
        f"Kernels are stored dense: TFLite's sparse encoding would neither save nor speed: {told}.",
    )


def untried(sparsity: float) -> list[str]:
    """What the card says of kernels with many zeros that were stored dense without a try, which costs a conversion.

    Args:
        sparsity: The share of zeros in the kernels.

    Example:
        >>> untried(0.2)
        []
    """
    if sparsity < _MANY_ZEROS:
        return []
    return [
        f"{sparsity:.0%} of the kernels are zeros, and all are stored: TFLite's sparse encoding was not tried "
        "(sparse=True, --sparse). It takes a second conversion, LiteRT mostly unpacks it when it loads the file, and "
        "the .tfz and the zip are mostly smaller without it."
    ]


def _rounds(dense: Path, sparse: Path) -> list[tuple[float, float]]:
    """The median milliseconds of both files, in turns."""
    return [
        (
            float(np.median(latencies(dense, runs=_RUNS, warmup=_WARMUP))),
            float(np.median(latencies(sparse, runs=_RUNS, warmup=_WARMUP))),
        )
        for _ in range(_ROUNDS)
    ]
