"""The page's arithmetic in node against Python's: inputs bit for bit, medians, shares and answers."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.android_demo import build
from tfcompress.demo.preprocessing import model_input

_PROGRAM = Path(__file__).with_name("preprocessing.mjs")
_SIZES = [(1, 1), (28, 28), (24, 30), (7, 3), (64, 48), (5, 91), (480, 640)]
_PORTS = [
    {"shape": [1, 28, 28, 1], "mean": [0.0], "std": [255.0]},
    {"shape": [1, 16, 16, 1], "mean": [127.5], "std": [64.0]},
    {"shape": [1, 9, 32, 3], "mean": [123.68, 116.78, 103.94], "std": [58.4, 57.1, 57.4]},
    {"shape": [1, 1, 1, 3], "mean": [0.0] * 3, "std": [1.0] * 3},
]


@pytest.fixture(scope="module")
def cases() -> list[tuple[np.ndarray, dict[str, Any]]]:
    generator = np.random.default_rng(0)
    return [(generator.integers(0, 256, (*size, 3)).astype(np.uint8), port) for size in _SIZES for port in _PORTS]


@pytest.fixture(scope="module")
def numbers() -> dict[str, list[list[float]]]:
    generator = np.random.default_rng(1)
    times = [generator.gamma(2.0, size=size).tolist() for size in (1, 2, 30, 101)]
    outputs = [generator.normal(0, 20, size).astype(np.float32).tolist() for size in (2, 10, 1001)]
    return {"times": times, "outputs": [*outputs, [1.0, 3.0, 3.0]]}


@pytest.fixture(scope="module")
def found(cases: list[tuple[np.ndarray, dict[str, Any]]], numbers: dict[str, list[list[float]]]) -> dict[str, Any]:
    build.need("node")
    pictures = []
    for pixels, port in cases:
        opaque = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 255, np.uint8)], axis=2)
        data = base64.b64encode(opaque.tobytes()).decode()
        pictures.append({"data": data, "width": pixels.shape[1], "height": pixels.shape[0], "port": port})
    text = json.dumps({"pictures": pictures} | numbers)
    done = subprocess.run(["node", _PROGRAM], input=text, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def test_inputs_are_the_same_bits(cases: list[tuple[np.ndarray, dict[str, Any]]], found: dict[str, Any]) -> None:
    for (pixels, port), text in zip(cases, found["inputs"], strict=True):
        expected = model_input(pixels, port["shape"][1:], port["mean"], port["std"])
        assert base64.b64decode(text) == expected.astype("<f4").tobytes(), (pixels.shape, port)


def test_medians_and_p90_are_numpys(numbers: dict[str, list[list[float]]], found: dict[str, Any]) -> None:
    expected = [[np.median(times), np.percentile(times, 90)] for times in numbers["times"]]
    np.testing.assert_allclose(found["quantiles"], expected, rtol=1e-12)


def test_shares_are_softmax_and_the_answer_is_the_first_largest(
    numbers: dict[str, list[list[float]]], found: dict[str, Any]
) -> None:
    for outputs, shares, answer in zip(numbers["outputs"], found["shares"], found["answers"], strict=True):
        powers = np.exp(np.array(outputs) - max(outputs))
        np.testing.assert_allclose(shares, powers / powers.sum(), rtol=1e-12)
        assert answer == int(np.argmax(outputs))
    assert found["answers"][-1] == 1
