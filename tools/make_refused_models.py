"""Makes models that an app must refuse, packed, out of the golden demo's: python -m tools.make_refused_models FOLDER

Each is the int8 model but for what it says of its inputs and outputs, which an app reads before it runs anything.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tfcompress.packing.packing import pack
from tools.changed_tflite import with_dynamic_batch, with_int8_input, with_two_outputs

_MODEL = Path(__file__).resolve().parents[1] / "tests" / "demo" / "golden" / "models" / "patterns-int8.tflite"
REFUSED: dict[str, Callable[[bytes], bytes]] = {
    "dynamic-batch": with_dynamic_batch,
    "int8-input": with_int8_input,
    "two-outputs": with_two_outputs,
}


def refused_models(folder: Path) -> None:
    """Writes a `.tfz` for each entry of `REFUSED`."""
    for name, change in REFUSED.items():
        with tempfile.TemporaryDirectory() as work:
            original = Path(work) / f"{name}.tflite"
            original.write_bytes(change(_MODEL.read_bytes()))
            pack(original, folder / f"{name}.tfz", card=False, compare=False, force=True)


if __name__ == "__main__":
    refused_models(Path(sys.argv[1]))
