import multiprocessing
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tfcompress.benchmark.devices import find_device
from tfcompress.benchmark.emulator.guest import Settings, read_trace, run_guest
from tfcompress.errors import DeviceError, FormatError
from tfcompress.runtime.session import predict

_A55 = find_device("cortex-a55")


@pytest.fixture(scope="session")
def resnet(shared_data) -> Path:
    return shared_data / "mlperf_tiny" / "ic" / "pretrainedResnet_quant.tflite"


def _spin(seconds: float) -> None:
    threading.Event().wait(0)
    total = 0
    for i in range(int(seconds * 10_000_000)):
        total += i


def test_counts_and_misses_are_the_same_in_five_runs_under_load_and_from_different_folders(
    installation, resnet, tmp_path, monkeypatch
):
    load = multiprocessing.get_context("fork").Process(target=_spin, args=(2.0,))
    load.start()
    seen = []
    for number in range(5):
        folder = tmp_path / ("x" * (3 * number + 1))
        folder.mkdir()
        copy = folder / f"{'m' * (4 * number + 1)}.tflite"
        copy.write_bytes(resnet.read_bytes())
        monkeypatch.chdir(folder)
        monkeypatch.setenv("A" * (number + 1), "b" * 100 * number)
        segment = run_guest(installation, _A55, copy).trace.runs[0][0]
        seen.append((segment.totals, sorted(segment.executions.items())))
    load.join()
    assert seen[0][0]["instructions"] > 1_000_000
    assert all(other == seen[0] for other in seen[1:])


def test_outputs_equal_the_hosts_within_one_quantization_step_on_100_images(installation, resnet, shared_data):
    signs = np.load(shared_data / "signs" / "signs48.npz")["x"]
    images = signs[np.random.default_rng(0).permutation(len(signs))[:100], 8:40, 8:40].astype(np.float32)
    stored = (images - 128).astype(np.int8)  # the file's input: scale 1, zero point -128
    run = run_guest(installation, _A55, resnet, Settings(counted=False, samples=[image.tobytes() for image in stored]))
    emulated = np.frombuffer(run.outputs, np.int8).reshape(100, 10).astype(int)
    host = np.rint(predict(resnet, images) * 256).astype(int) - 128
    assert len(np.unique(host.argmax(axis=1))) > 3  # a trained model that tells images apart
    assert np.abs(emulated - host).max() <= 1


def test_several_runs_at_once_do_not_disturb_each_other(installation, resnet):
    counts: list[int] = []

    def measure() -> None:
        counts.append(run_guest(installation, _A55, resnet).trace.runs[0][0].totals["instructions"])

    threads = [threading.Thread(target=measure) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == 3
    assert len(set(counts)) == 1


def test_an_instruction_that_the_emulated_cpu_lacks_is_named_as_the_cause(installation, resnet):
    too_old = replace(_A55, name="torn", qemu_cpu="cortex-a53")  # cpuinfo promises the dot product
    with pytest.raises(DeviceError, match=r"signal 4.*features of device torn"):
        run_guest(installation, too_old, resnet)


def test_a_model_larger_than_the_free_memory_is_refused(installation, tmp_path):
    huge = tmp_path / "huge.tflite"
    with huge.open("wb") as file:
        file.truncate(1 << 50 if _sparse(tmp_path) else 1 << 42)
    with pytest.raises(DeviceError, match=r"huge\.tflite is larger .* than the memory that is free"):
        run_guest(installation, _A55, huge)


def _sparse(folder: Path) -> bool:
    """Whether the file system takes a file of 1 PiB with nothing in it."""
    try:
        with (folder / "probe").open("wb") as file:
            file.truncate(1 << 50)
    except OSError:
        return False
    return True


def test_a_run_that_takes_too_long_is_stopped(installation, resnet):
    with pytest.raises(DeviceError, match=r"still running on the emulated cortex-a55 after 0\.05 s"):
        run_guest(installation, _A55, resnet, Settings(time_limit=0.05))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("person_detect.tflite", "failed at compiling the model: quantized_dimension"),
        ("person_detect_vela.tflite", "an operator that LiteRT lacks .*ethos-u"),
        ("keyword_scrambled_8bit.tflite", "keeps a state between runs"),
    ],
)
def test_a_file_that_litert_does_not_take_is_refused_with_the_cause(installation, shared_data, file, message):
    with pytest.raises(FormatError, match=rf"{file}: the emulated LiteRT .*{message}"):
        run_guest(installation, _A55, shared_data / "tflite_hostile" / file)


@pytest.mark.parametrize("content", [b"", b"TFL3" * 1000, bytes(range(256)) * 40])
def test_a_damaged_file_is_refused(installation, tmp_path, content):
    (tmp_path / "torn.tflite").write_bytes(content)
    with pytest.raises(FormatError, match=r"torn\.tflite: the emulated LiteRT failed at reading the model"):
        run_guest(installation, _A55, tmp_path / "torn.tflite")


@pytest.mark.parametrize("text", ["", "# columns a b", "# columns a b\nS 1", "# columns a\nS 1\n0 3", "3 4", "\n"])
def test_counts_that_are_cut_off_are_told(tmp_path, text):
    (tmp_path / "trace.txt").write_text(text)
    with pytest.raises(DeviceError, match="counts of the emulated run are cut off"):
        read_trace(tmp_path / "trace.txt")


def test_nothing_is_left_in_the_temporary_folder(installation, resnet):
    before = set(Path(tempfile.gettempdir()).glob("tfcompress-*"))
    run_guest(installation, _A55, resnet, Settings(caches=False))
    assert (
        not {path for path in Path(tempfile.gettempdir()).glob("tfcompress-*") if (path / "runner").exists()} - before
    )
