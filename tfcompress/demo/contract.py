"""The content of `demo.json`: the fields of these classes, which docs/demo_contract.md explains."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfcompress.table import aligned, cell

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class DemoImage:
    """One bundled image."""

    file: str
    sha256: str
    width: int
    height: int
    label: str


@dataclass(frozen=True)
class Golden:
    """What LiteRT answered in Python on each of the images."""

    tolerance: float
    inputs_sha256: list[str]
    outputs: list[list[float]]


@dataclass(frozen=True)
class DemoModel:
    """One model, as `.tflite` and as `.tfz`."""

    id: str
    name: str
    file: str
    sha256: str
    size_bytes: int
    packed_file: str
    packed_sha256: str
    packed_bytes: int
    arithmetic: str
    accuracy: float | None
    input: dict[str, Any]
    output: dict[str, Any]
    labels: list[str]
    golden: Golden

    def answers(self) -> list[str]:
        """Its label for each of the images."""
        return [self.labels[max(range(len(row)), key=row.__getitem__)] for row in self.golden.outputs]


@dataclass(frozen=True)
class Demo:
    """A demo folder; prints itself as a table.

    Attributes:
        path: The folder; the other attributes are the keys of its `demo.json`.
    """

    path: Path
    title: str
    credits: str
    models: list[DemoModel]
    images: list[DemoImage]
    versions: dict[str, str]

    def to_json(self) -> str:
        """The text of `demo.json`."""
        content = {"schema": SCHEMA_VERSION} | asdict(self)
        del content["path"]
        return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)

    def __str__(self) -> str:
        rows = [("model", "arithmetic", "bytes", "tfz bytes", "accuracy", "images right")]
        for model in self.models:
            right = sum(answer == image.label for answer, image in zip(model.answers(), self.images, strict=True))
            sizes = cell(model.size_bytes), cell(model.packed_bytes)
            share = f"{right} of {len(self.images)}"
            rows.append((model.name, model.arithmetic, *sizes, cell(model.accuracy, ".4f"), share))
        return f"{self.path}: {self.title}\n{aligned(rows, left=2)}"
