"""`export_demo`: models and images become the folder that a demo app reads."""

import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.demo.contract import Demo, DemoImage, DemoModel
from tfcompress.demo.images import chosen_images
from tfcompress.demo.models import Candidate, candidate, card_accuracy, golden
from tfcompress.demo.png import png
from tfcompress.errors import DataError, OutputError
from tfcompress.files import check_output, replacing, sha256
from tfcompress.packing.packing import pack
from tfcompress.version import __version__

DEMO_FILE = "demo.json"


def export_demo(
    models: Mapping[str, str | Path] | Sequence[str | Path],
    directory: str | Path,
    *,
    images: Any,
    labels: Sequence[str] | str | Path,
    mean: float | Sequence[float] = 0.0,
    std: float | Sequence[float] = 255.0,
    count: int = 20,
    title: str = "",
    credits: str = "",  # noqa: A002 - the key of demo.json; nobody means the interpreter's
    force: bool = False,
) -> Demo:
    """Writes the folder that the apps of android_demo/ show: models, images, and what LiteRT answers on them.

    Each model is copied and packed, and run on the images; its inputs and outputs stand in `demo.json`, so that an app
    can prove that it computes the same (docs/demo_contract.md).

    Args:
        models: `.tflite` files by the names to show them under, or a list of files; the first is what the others are
            held against. Each takes one image, float32 (1, height, width, 1 or 3), and answers with float32
            (1, classes), as `tfc.convert` writes it.
        directory: The folder to write.
        images: `(x, y)` or an `.npz` with `x` and `y`: pixels 0 to 255, uint8 (images, height, width[, 1 or 3]), and
            their classes. Those of another size than a model's are cropped and resampled.
        labels: One per class, in the order of the outputs; or a text file with one a line. Equal ones are told apart by
            the number of their class.
        mean: What a model wants pixels to be: `(pixel - mean) / std`; a number, or one per channel.
        std: See `mean`; 255 brings pixels to [0, 1].
        count: How many images are bundled at most, the classes by turns, 1 or more.
        title: What the demo shows; when left out, the names of the models.
        credits: Whom models and images are due to.
        force: Whether an older demo folder of this name may be replaced.

    Returns:
        What was written; print it.

    Raises:
        FormatError: A model is no `.tflite`, or not one that every app can run.
        DataError: The images, labels or settings do not fit the models.
        OutputError: The folder cannot be written, or exists and is no older demo.
        DeviceError: LiteRT failed on a model.

    Example:
        >>> demo = export_demo(  # doctest: +SKIP
        ...     {"original": "original.tflite", "pruned, int8": "phone.tflite"},
        ...     "demo",
        ...     images=(x_test, y_test),
        ...     labels=["cat", "dog"],
        ... )
        >>> print(demo)  # doctest: +SKIP
        demo: original, pruned, int8
        model         arithmetic             bytes  tfz bytes  accuracy  images right
        original      float32 throughout  1,727,316  1,588,020    0.9922      20 of 20
        pruned, int8  int8 throughout       450,480     67,211    0.9918      20 of 20
    """
    directory = Path(directory)
    _check_folder(directory, force=force)
    named = _named(models)
    words = _labels(labels)
    pixels, answers = chosen_images(images, words, count)
    candidates = {name: candidate(path, words, mean, std) for name, path in named.items()}
    with replacing(directory, force=force) as folder:
        for part in ("models", "images"):
            (folder / part).mkdir(parents=True)
        demo = Demo(
            path=directory,
            title=title or ", ".join(named),
            credits=credits,
            models=[_model(name, found, words, pixels, folder) for name, found in candidates.items()],
            images=[
                _image(f"images/{number:02d}.png", one, label, folder)
                for number, (one, label) in enumerate(zip(pixels, answers, strict=True))
            ],
            versions={"ai-edge-litert": version("ai-edge-litert"), "tfcompress": __version__},
        )
        (folder / DEMO_FILE).write_text(demo.to_json() + "\n", encoding="utf-8")
    return demo


def _check_folder(directory: Path, *, force: bool) -> None:
    """Refuses to overwrite anything but an older demo: replacing a folder removes all that is in it."""
    check_output(directory, force=force)
    if directory.exists() and not (directory.is_dir() and ((directory / DEMO_FILE).is_file() or _empty(directory))):
        raise OutputError(f"{directory} is no older demo, so it is not replaced. Choose another name.")


def _empty(directory: Path) -> bool:
    return next(directory.iterdir(), None) is None


def _named(models: Mapping[str, str | Path] | Sequence[str | Path]) -> dict[str, Path]:
    """The files by their names, which are file names too."""
    if isinstance(models, str | Path):
        models = [models]
    pairs = list(models.items()) if isinstance(models, Mapping) else [(Path(path).stem, path) for path in models]
    if not pairs:
        raise DataError("There is no model to show. Give the paths of .tflite files.")
    seen = dict[str, str]()
    for name, _ in pairs:
        identity = _identity(name)
        if not identity:
            raise DataError(f"The name {name!r} of a model has no letter or digit of ASCII. Give another one.")
        if identity in seen:
            raise DataError(
                f"The models {seen[identity]!r} and {name!r} would have the same file name, {identity}. Give them "
                "names that differ in letters or digits: {'original': 'a.tflite', 'pruned': 'b.tflite'}, or NAME=FILE."
            )
        seen[identity] = name
    return {name: Path(path) for name, path in pairs}


def _identity(name: str) -> str:
    """A name as `a-z`, `0-9` and `-`.

    Example:
        >>> _identity("Pruned, int8 ")
        'pruned-int8'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _labels(source: Sequence[str] | str | Path) -> list[str]:
    if isinstance(source, str | Path):
        try:
            words = [line.strip() for line in Path(source).read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{source} cannot be read as labels: {error}. Give a text file with one a line.") from error
    else:
        words = [str(word).strip() for word in source]
    if "" in words or len(words) < 2:
        raise DataError(f"A demo needs two labels or more, none empty; received {words}.")
    counts = Counter(words)  # ImageNet has two cranes: a bird and a machine
    words = [f"{word} ({number})" if counts[word] > 1 else word for number, word in enumerate(words)]
    if repeated := [word for word, count in Counter(words).items() if count > 1]:
        raise DataError(f"Two classes have the label {repeated[0]!r}. Give each class its own.")
    return words


def _model(name: str, found: Candidate, labels: list[str], pixels: Sequence[np.ndarray], folder: Path) -> DemoModel:
    """Copies, packs and runs one model."""
    identity = _identity(name)
    file, packed_file = (f"models/{identity}.{ending}" for ending in ("tflite", "tfz"))
    shutil.copyfile(found.path, folder / file)
    pack(folder / file, folder / packed_file, card=False, compare=False)
    return DemoModel(
        id=identity,
        name=name,
        file=file,
        sha256=found.facts.sha256,
        size_bytes=found.facts.size_bytes,
        packed_file=packed_file,
        packed_sha256=sha256(folder / packed_file),
        packed_bytes=(folder / packed_file).stat().st_size,
        arithmetic=found.facts.arithmetic,
        accuracy=card_accuracy(found.path, found.facts.sha256),
        input=found.input,
        output=found.output,
        labels=labels,
        golden=golden(found, pixels),
    )


def _image(file: str, pixels: np.ndarray, label: str, folder: Path) -> DemoImage:
    (folder / file).write_bytes(png(pixels))
    height, width = pixels.shape[:2]
    return DemoImage(file, sha256(folder / file), width, height, label)
