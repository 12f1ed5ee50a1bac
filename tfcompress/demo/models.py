"""One `.tflite` as a model of a demo: whether every app can run it, and what it answers on the images."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.card import Card, card_path
from tfcompress.demo.contract import Golden
from tfcompress.demo.preprocessing import model_input
from tfcompress.errors import DataError, FormatError
from tfcompress.progress import task
from tfcompress.runtime.session import predict
from tfcompress.tflite.inspection import Inspection, inspect

_EXACT = "int8 throughout"
_FLOAT_TOLERANCE, _OTHER_TOLERANCE = 1e-4, 1e-2  # of the range of outputs; kernels sum in different orders
_NO_LOGITS = {"SOFTMAX", "LOGISTIC"}


@dataclass(frozen=True)
class Candidate:
    """A file that every app can run: `[1, height, width, 1 or 3]` to `[1, classes]`, both float32."""

    path: Path
    facts: Inspection
    mean: list[float]
    std: list[float]

    @property
    def input(self) -> dict[str, Any]:
        """The key `input` of `demo.json`."""
        return {"shape": self.facts.inputs[0]["shape"], "type": "float32", "mean": self.mean, "std": self.std}

    @property
    def output(self) -> dict[str, Any]:
        """The key `output` of `demo.json`."""
        names = [item.name for item in self.facts.operators if item.arithmetic not in {"conversion", "index"}]
        scores = "probabilities" if names and names[-1] in _NO_LOGITS else "logits"
        return {"shape": self.facts.outputs[0]["shape"], "type": "float32", "scores": scores}


def candidate(path: Path, labels: Sequence[str], mean: Any, std: Any) -> Candidate:
    """Reads a file and checks that apps can run it.

    Args:
        path: The `.tflite`.
        labels: One per class.
        mean: A number, or one per channel.
        std: A number, or one per channel, greater than 0.

    Raises:
        FormatError: It is no `.tflite`, or not one that takes one image and answers with one row of scores.
        DataError: The labels, `mean` or `std` do not fit it.
    """
    facts = inspect(path)
    if len(facts.inputs) != 1 or len(facts.outputs) != 1:
        raise FormatError(
            f"{path} has {len(facts.inputs)} inputs and {len(facts.outputs)} outputs. A demo shows classifiers of "
            "images: one input, one output."
        )
    for kind, port in (("input", facts.inputs[0]), ("output", facts.outputs[0])):
        _check_port(path, kind, port)
    shape, classes = facts.inputs[0]["shape"], facts.outputs[0]["shape"]
    if len(shape) != 4 or shape[0] != 1 or shape[3] not in (1, 3):
        batched = len(shape) == 4 and shape[0] != 1
        advice = "Convert the model with batch=1 (--batch 1)." if batched else "Give the Keras model such an input."
        raise FormatError(
            f"{path}: its input has the shape {_text(shape)}. A demo takes images, one at a time: 1 x height x width x "
            f"1 or 3. {advice}"
        )
    if len(classes) != 2 or classes[0] != 1 or classes[1] < 2:
        raise FormatError(f"{path}: its output has the shape {_text(classes)}, and a classifier's is 1 x classes.")
    if classes[1] != len(labels):
        raise DataError(
            f"{path} has {classes[1]} classes, and there are {len(labels)} labels. Give one label per class, in the "
            "order of the model's outputs."
        )
    return Candidate(path, facts, _per_channel("mean", mean, shape[3]), _per_channel("std", std, shape[3]))


def golden(model: Candidate, images: Sequence[np.ndarray]) -> Golden:
    """Runs a model on all images.

    Args:
        model: The file.
        images: uint8 (height, width, 3) each.

    Raises:
        FormatError: LiteRT does not load it, or it answers with something that is no finite number.
        DeviceError: LiteRT failed while running it.
    """
    shape = model.input["shape"][1:]
    inputs = np.stack([model_input(pixels, shape, model.mean, model.std) for pixels in images])
    with task(f"running {model.path.name} on {len(images)} images"):
        outputs = np.asarray(predict(model.path, inputs))
    if not np.isfinite(outputs).all():
        raise FormatError(f"{model.path} answers with NaN or infinity on the images. Check mean and std, or the model.")
    return Golden(
        tolerance=_tolerance(model.facts.arithmetic, outputs),
        inputs_sha256=[hashlib.sha256(item.astype("<f4").tobytes()).hexdigest() for item in inputs],
        outputs=outputs.astype(np.float64).tolist(),
    )


def card_accuracy(path: Path, sha256: str) -> float | None:
    """The accuracy in the card beside a file, if that card is of the same bytes."""
    if not card_path(path).is_file():
        return None
    card = Card.load_beside(path)
    return card.accuracy if card.model.get("sha256") == sha256 else None


def _check_port(path: Path, kind: str, port: dict[str, Any]) -> None:
    if port["type"] != "float32":
        raise FormatError(
            f"{path}: its {kind} is {port['type']}, which not every app can feed. Convert the model with float32 "
            "inputs and outputs and integers inside: io='float32' (--io float32)."
        )
    if -1 in port["shape"]:
        raise FormatError(
            f"{path}: its {kind} {_text(port['shape'])} has a free axis, and apps need fixed ones. Convert the model "
            "with batch=1 (--batch 1), and the other axes fixed in Keras."
        )


def _per_channel(name: str, value: Any, channels: int) -> list[float]:
    try:
        numbers = np.atleast_1d(np.asarray(value, np.float64))
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must be a number, or one per channel; received {value!r}.") from error
    if numbers.shape not in {(1,), (channels,)} or not np.isfinite(numbers).all():
        raise DataError(f"{name} must be a number, or {channels}, one per channel of the model; received {value!r}.")
    if name == "std" and (numbers <= 0).any():
        raise DataError(f"std must be greater than 0; received {value!r}. A pixel becomes (pixel - mean) / std.")
    return np.broadcast_to(numbers, channels).tolist()


def _tolerance(arithmetic: str, outputs: np.ndarray) -> float:
    """How far another program's outputs may be from these."""
    if arithmetic == _EXACT:
        return 0.0
    share = _FLOAT_TOLERANCE if arithmetic == "float32 throughout" else _OTHER_TOLERANCE
    return share * max(1.0, float(np.ptp(outputs)))


def _text(shape: Sequence[int]) -> str:
    return "x".join("?" if size < 0 else str(size) for size in shape) or "scalar"
