"""Feeds mutated `.tfz` files to the unpacker with atheris: each must end in the original or in a TfCompressError.

Run: python -m tools.fuzz_unpack CORPUS [options of libFuzzer]    see tests/packing/fuzz/README.md
"""

import io
import sys

import atheris

# The loops over numbers and symbols are left out: they have few branches, and instrumented they take most of the time.
_LOOPS = [f"tfcompress.packing.{name}" for name in ("classes", "frequencies", "prefix", "rans", "side")]

with atheris.instrument_imports(include=["tfcompress.packing"], exclude=_LOOPS):
    from tfcompress.errors import TfCompressError
    from tfcompress.packing.unpacking import Packed


def test_one_input(data: bytes) -> None:
    """Unpacks one file into nothing; any other exception than ours is a finding."""
    try:
        for _ in Packed(io.BytesIO(data), len(data), "fuzzed.tfz").original():
            pass
    except TfCompressError:
        pass


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
