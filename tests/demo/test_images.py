"""Labelled images are taken by turns over the classes, and refused with a reason."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfcompress.demo.images import chosen_images
from tfcompress.errors import DataError

_LABELS = ["a", "b", "c"]


def _numbered(count: int) -> np.ndarray:
    """Images of which each has one value, its number."""
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, 4, 4))


def test_classes_take_turns_in_their_order() -> None:
    pixels, labels = chosen_images((_numbered(6), [2, 2, 0, 2, 0, 1]), _LABELS, 5)
    assert labels == ["a", "b", "c", "a", "c"]
    assert [int(one[0, 0, 0]) for one in pixels] == [2, 5, 0, 4, 1]


@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 4, 5, 1), (2, 4, 5, 3)])
def test_grey_and_colour_become_colour(shape: tuple[int, ...]) -> None:
    pixels, _ = chosen_images((np.full(shape, 7, np.uint8), [0, 1]), _LABELS, 20)
    assert [one.shape for one in pixels] == [(4, 5, 3)] * 2
    assert all((one == 7).all() for one in pixels)


def test_an_npz_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", x=_numbered(2), y=np.array([1, 0]))
    assert chosen_images(tmp_path / "images.npz", _LABELS, 20)[1] == ["a", "b"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ((_numbered(2) / 255, [0, 1]), "received float64. Give the images as they were before scaling"),
        ((np.zeros((2, 4), np.uint8), [0, 1]), "x have the shape (2, 4)"),
        ((np.zeros((2, 4, 4, 2), np.uint8), [0, 1]), "x have the shape (2, 4, 4, 2)"),
        ((np.zeros((0, 4, 4), np.uint8), []), "x have the shape (0, 4, 4)"),
        ((_numbered(2), [0, 1, 2]), "y must be 2 integers"),
        ((_numbered(2), [0.0, 1.0]), "received float64 of shape (2,)"),
        ((_numbered(2), [0, 3]), "run from 0 to 3, and there are 3 labels: 0 to 2"),
        ((_numbered(2), [-1, 1]), "run from -1 to 1"),
        (7, "not two arrays"),
        ("none.npz", "none.npz cannot be read as images"),
    ],
)
def test_what_is_no_labelled_images_is_refused(source: Any, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        chosen_images(source, _LABELS, 20)


@pytest.mark.parametrize("content", ["text", "one array", "other names"])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "images.npz"
    if content == "text":
        path.write_text("x")
    elif content == "one array":
        np.save(path.with_suffix(".npy"), _numbered(2))
        path = path.with_suffix(".npy")
    else:
        np.savez(path, images=_numbered(2))
    with pytest.raises(DataError, match=f"{path.name}.*Give images="):
        chosen_images(path, _LABELS, 20)


def test_no_image_is_too_few() -> None:
    with pytest.raises(DataError, match="count=0"):
        chosen_images((_numbered(2), [0, 1]), _LABELS, 0)
