"""Makes models that an app must refuse, packed, out of the golden demo's: python -m tools.make_refused_models FOLDER

Each is the int8 model but for what it says of its inputs and outputs, which an app reads before it runs anything.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from tfcompress.packing.packing import pack

_MODEL = Path(__file__).resolve().parents[1] / "tests" / "demo" / "golden" / "models" / "patterns-int8.tflite"


def _with_free_batch(graph: schema.SubGraphT) -> None:
    tensor = graph.tensors[graph.inputs[0]]
    tensor.shapeSignature = [-1, *list(tensor.shape)[1:]]


def _with_int8_input(graph: schema.SubGraphT) -> None:
    graph.tensors[graph.inputs[0]].type = schema.TensorType.INT8


def _with_two_outputs(graph: schema.SubGraphT) -> None:
    graph.outputs = [*graph.outputs, *graph.outputs]


REFUSED: dict[str, Callable[[schema.SubGraphT], None]] = {
    "dynamic-batch": _with_free_batch,
    "int8-input": _with_int8_input,
    "two-outputs": _with_two_outputs,
}


def refused_models(folder: Path) -> None:
    """Writes a `.tfz` for each entry of `REFUSED`."""
    for name, change in REFUSED.items():
        model = schema.ModelT.InitFromPackedBuf(_MODEL.read_bytes())
        change(model.subgraphs[0])
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), b"TFL3")
        with tempfile.TemporaryDirectory() as work:
            original = Path(work) / f"{name}.tflite"
            original.write_bytes(builder.Output())
            pack(original, folder / f"{name}.tfz", card=False, compare=False, force=True)


if __name__ == "__main__":
    refused_models(Path(sys.argv[1]))
