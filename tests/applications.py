"""The model families of keras.applications, and the table of what became of each."""

import json
from pathlib import Path

import keras

from tfcompress.files import write_text
from tfcompress.table import aligned

# One small member of each family.
FAMILIES = {
    "convnext": "ConvNeXtTiny",
    "densenet": "DenseNet121",
    "efficientnet": "EfficientNetB0",
    "efficientnet_v2": "EfficientNetV2B0",
    "inception_resnet_v2": "InceptionResNetV2",
    "inception_v3": "InceptionV3",
    "mobilenet": "MobileNet",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v3": "MobileNetV3Small",
    "nasnet": "NASNetMobile",
    "resnet": "ResNet50",
    "resnet50": "ResNet50",
    "resnet_v2": "ResNet50V2",
    "vgg16": "VGG16",
    "vgg19": "VGG19",
    "xception": "Xception",
}
SAME_AS_ANOTHER = {"resnet50", "vgg19"}  # the classes of `resnet`, and VGG16 with three layers more
DIFFERENT = sorted(set(FAMILIES) - SAME_AS_ANOTHER)
SMALLEST_SIDE = {"inception_resnet_v2": 75, "inception_v3": 75, "xception": 71}

_FOLDER = Path(__file__).resolve().parents[1] / "runs" / "applications_tests"


def classifier(family: str, side: int = 64) -> keras.Model:
    """A family's member with random weights, ten classes, and images of `side` pixels or the fewest that it takes."""
    side = max(side, SMALLEST_SIDE.get(family, 0))
    build = getattr(keras.applications, FAMILIES[family])
    return build(weights=None, classes=10, input_shape=(side, side, 3))


def keep_row(family: str, subject: str, row: dict[str, str]) -> None:
    """Keeps what became of a family, and writes the table of all that was found, by this run or another.

    The table is runs/applications_tests/<subject>.txt.
    """
    write_text(_FOLDER / subject / f"{family}.json", json.dumps(row) + "\n")
    rows = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (_FOLDER / subject).glob("*.json")}
    lines = [("family", *row), *((name, *rows[name].values()) for name in sorted(rows))]
    write_text(_FOLDER / f"{subject}.txt", aligned(lines) + "\n")
