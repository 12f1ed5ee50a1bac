"""The labelled images of a demo: taken from what the user hands in, checked, and chosen by turns over the classes."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.errors import DataError

_ADVICE = "Give images=(x, y), or an .npz with x and y: x uint8 (images, height, width[, 1 or 3]), y their classes."


def chosen_images(source: Any, labels: Sequence[str], count: int) -> tuple[list[np.ndarray], list[str]]:
    """The images to bundle and the label of each.

    Args:
        source: `(x, y)` or the path of an `.npz` with `x` and `y`: pixels 0 to 255, uint8 (images, height, width),
            (images, height, width, 1) or (images, height, width, 3), and their classes as indices into `labels`.
        labels: Of all classes.
        count: How many are taken at most: the first of each class, then the second of each, and so on.

    Returns:
        Pixels as uint8 (height, width, 3), and as many labels.

    Raises:
        DataError: The source is not that.

    Example:
        >>> pixels, chosen = chosen_images((np.zeros((5, 8, 8), np.uint8), [1, 1, 0, 0, 1]), ["cat", "dog"], 3)
        >>> chosen
        ['cat', 'dog', 'cat']
    """
    if count < 1:
        raise DataError(f"A demo needs one image or more; received count={count}.")
    x, y = _read(Path(source)) if isinstance(source, str | Path) else _pair(source)
    _check_pixels(x)
    _check_classes(y, len(x), labels)
    picked = _by_turns(y)[:count]
    coloured = x if x.ndim == 4 else x[..., np.newaxis]
    return [np.broadcast_to(coloured[i], (*x.shape[1:3], 3)) for i in picked], [labels[int(y[i])] for i in picked]


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise DataError(f"{path} is one array, no .npz with x and y. {_ADVICE}")
        with archive:
            if not {"x", "y"} <= set(archive.files):
                raise DataError(f"{path} has the arrays {', '.join(archive.files)}, and not x and y. {_ADVICE}")
            return archive["x"], archive["y"]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as images: {error}. {_ADVICE}") from error


def _pair(source: Any) -> tuple[np.ndarray, np.ndarray]:
    try:
        x, y = source
        return np.asarray(x), np.asarray(y)
    except (TypeError, ValueError) as error:
        raise DataError(f"The images are not two arrays: {error}. {_ADVICE}") from error


def _check_pixels(x: np.ndarray) -> None:
    if x.dtype != np.uint8:
        raise DataError(
            f"Pixels are whole numbers from 0 to 255, uint8; received {x.dtype}. Give the images as they were before "
            "scaling: mean and std say how a model wants them scaled."
        )
    if x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[-1] not in (1, 3)) or 0 in x.shape:
        raise DataError(f"The images x have the shape {x.shape}. {_ADVICE}")


def _check_classes(y: np.ndarray, count: int, labels: Sequence[str]) -> None:
    if y.shape != (count,) or y.dtype.kind not in "iu":
        raise DataError(
            f"The classes y must be {count} integers, one per image; received {y.dtype} of shape {y.shape}. {_ADVICE}"
        )
    if not 0 <= y.min() <= y.max() < len(labels):
        raise DataError(
            f"The classes y run from {y.min()} to {y.max()}, and there are {len(labels)} labels: 0 to "
            f"{len(labels) - 1}. Give the labels of all classes, in their order."
        )


def _by_turns(y: np.ndarray) -> np.ndarray:
    """The images in an order in which the classes take turns."""
    turn = np.empty(len(y), np.int64)
    for kind in np.unique(y):
        same = np.flatnonzero(y == kind)
        turn[same] = np.arange(len(same))
    return np.lexsort((y, turn))
