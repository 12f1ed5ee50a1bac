"""What every technique promises of the int8 file that is made of its result."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfcompress as tfc
from tests import zoo
from tests.techniques.contract import CONTRACT, Row, on_the_zoo
from tfcompress.child import Ending
from tfcompress.conversion import flatbuffer, worker
from tfcompress.techniques.kernels import kernels_of
from tfcompress.techniques.technique import Property

# Tiny kernels are left alone by some techniques, which say so.
pytestmark = pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")
# Its file holds overlapping windows of its kernel: zeros and values are the kernel's, but not as many of each.
_OF_WINDOWS = "double_convolution"
_ESSENTIAL = ("conv_batch_norm_relu", "depthwise", "residual_add", "gru", "embedding")


@pytest.fixture
def _converter_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs TensorFlow's converter here: starting a child for each of many tiny models would cost minutes."""

    def run(module: str, folder: Path, job: dict[str, object], *, time_limit: float) -> Ending:
        (folder / "converted.tflite").write_bytes(worker._converted(tf, folder, job))
        return Ending(result={"tensorflow": tf.__version__})

    monkeypatch.setattr(flatbuffer, "run", run)


# TensorFlow 2.21's own calibrator still opens `tf.lite.Interpreter`, which warns of its end; in a child nobody sees it.
@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
@pytest.mark.usefixtures("_converter_in_this_process")
@on_the_zoo({label: row for label, row in CONTRACT.items() if row.in_file}, few=_ESSENTIAL)
def test_what_is_established_is_true_of_the_int8_file(name: str, row: Row, tmp_path: Path) -> None:
    model = zoo.make(name)
    wrapped = row.on(model).wrap(model)
    zoo.fit(wrapped, epochs=2, eagerly=True)
    plain = tfc.strip(wrapped)
    inputs = dict(zip((tensor.name for tensor in plain.inputs), keras.tree.flatten(zoo.samples(plain)), strict=True))
    card = tfc.convert(plain, tmp_path / "m.tflite", representative=inputs)
    kernels = [tensor for tensor in card.tensors if tensor["kernel"]]
    assert kernels
    if name == _OF_WINDOWS:
        return
    if Property.SPARSITY in row.technique.establishes:
        entries = sum(int(np.prod(tensor["shape"])) for tensor in kernels)
        assert card.sparsity >= row.sparsity - len(list(kernels_of(plain))) / entries
    if row.distinct_values:
        assert card.distinct_values <= row.distinct_values
