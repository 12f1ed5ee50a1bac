import json
import shutil

import pytest
from click.testing import CliRunner

from tests import tflite_files
from tfcompress.benchmark.emulated import KINDS
from tfcompress.benchmark.measurement import measure
from tfcompress.card import Card
from tfcompress.cli.main import group
from tfcompress.errors import DeviceError, FormatError


@pytest.fixture
def files(shared_data, tmp_path):
    """A small trained model as int8 and as float file."""
    source = shared_data / "mlperf_tiny" / "ic"
    for name in ("pretrainedResnet_quant.tflite", "pretrainedResnet.tflite"):
        shutil.copy(source / name, tmp_path / name)
    return tmp_path / "pretrainedResnet_quant.tflite", tmp_path / "pretrainedResnet.tflite"


def test_a_small_model_is_measured_on_two_devices_against_its_float_file(installation, files):
    small, large = files
    arguments = ["measure", str(small), "--device", "cortex-a53", "--device", "cortex-a55", "--against", str(large)]
    answer = CliRunner().invoke(group, [*arguments, "--json"], catch_exceptions=False)
    card = Card.from_json(answer.stdout)
    a53, a55 = card.measurements
    assert (card.device, card.kind, card.instructions) == ("cortex-a55", "estimated", a55["instructions"])
    assert card.speedup_rate == a55["speedup_rate"] > a53["speedup_rate"] > 1
    assert {key: a55["kinds"][key] for key in ("instructions", "l1_misses", "latency_ms")} == {
        "instructions": "exact",
        "l1_misses": "simulated",
        "latency_ms": "estimated",
    }
    assert set(KINDS) <= set(a55)
    assert a55["operators"][0]["name"] == "Convolution (NHWC, QC8) IGEMM"
    assert Card.load_beside(small) == card


@pytest.mark.parametrize("content", [tflite_files.affine, tflite_files.affine_int8, tflite_files.two_inputs])
def test_a_model_made_here_is_measured_on_two_devices(installation, tmp_path, content):
    (tmp_path / "model.tflite").write_bytes(content())
    arguments = [
        "measure",
        str(tmp_path / "model.tflite"),
        "--device",
        "cortex-a53",
        "--device",
        "cortex-a76",
        "--json",
    ]
    card = Card.from_json(CliRunner().invoke(group, arguments, catch_exceptions=False).stdout)
    assert [item["device"] for item in card.measurements] == ["cortex-a53", "cortex-a76"]
    for item in card.measurements:
        inside = sum(operator["instructions"] for operator in item["operators"])
        assert 0 < inside < item["instructions"]
        assert sum(item["instruction_classes"].values()) == item["instructions"]


def test_the_same_measurement_gives_the_same_figures(installation, files):
    first = measure(files[0], "cortex-a76", save=False).measurements[-1]
    assert measure(files[0], "cortex-a76", save=False).measurements[-1] == first


def test_operators_are_printed_with_what_lies_outside_them(installation, files):
    arguments = ["measure", str(files[0]), "--device", "cortex-a55", "--per-op", "--no-card"]
    text = CliRunner().invoke(group, arguments, catch_exceptions=False).stdout
    assert "instructions" in text
    assert "exact" in text
    assert "estimated" in text
    assert "\nFully Connected (NC, QS8, QC8W) GEMM" in text
    assert "\n(outside the operators)" in text
    heading = next(index for index, line in enumerate(text.splitlines()) if line.startswith("operator"))
    labels = text.splitlines()[heading + 1].split()
    assert labels == ["exact", "simulated", "simulated", "estimated", "estimated", "estimated"]


def test_more_than_one_thread_is_refused(files):
    with pytest.raises(DeviceError, match="one thread; received 2 threads"):
        measure(files[0], "cortex-a55", threads=2)


def test_a_truncated_file_is_refused(installation, tmp_path, files):
    (tmp_path / "torn.tflite").write_bytes(files[0].read_bytes()[:20_000])
    with pytest.raises(FormatError, match=r"torn\.tflite is truncated or damaged"):
        measure(tmp_path / "torn.tflite", "cortex-a55")


def test_the_devices_are_listed_for_people_and_for_machines(installation):
    assert "cortex-a72" in CliRunner().invoke(group, ["devices"], catch_exceptions=False).stdout
    answer = json.loads(CliRunner().invoke(group, ["devices", "--install", "--json"], catch_exceptions=False).stdout)
    assert "cortex-a53" in [device["name"] for device in answer["devices"]]
    assert all(piece["present"] for piece in answer["setup"])
    assert answer["advice"] is None


def test_without_the_set_up_the_host_still_measures_and_the_emulated_cpu_says_what_to_do(files, tmp_path, monkeypatch):
    monkeypatch.setenv("TFCOMPRESS_CACHE", str(tmp_path / "empty"))
    with pytest.raises(DeviceError, match="not set up yet"):
        measure(files[0], "cortex-a55")
    assert measure(files[0], runs=30, warmup=1, save=False).kind == "measured"
