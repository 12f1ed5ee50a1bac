"""What a `.tflite` says about itself, written, read and stripped: labels, normalization, recipe, card, parent."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfcompress.card import Card, card_path
from tfcompress.errors import DataError
from tfcompress.files import replacing, sha256, zlib_bytes
from tfcompress.tflite.associated_files import files_behind, with_files, without_files
from tfcompress.tflite.metadata_schema import AXIS_LABELS, FileNote, ModelNote, PortNote, decoded, encoded
from tfcompress.tflite.reading import Content, Tensor, file_bytes, parse
from tfcompress.tflite.rerooting import ORIGINAL, with_entry, without_block, without_entry

ENTRY = "TFLITE_METADATA"
_LABELS, _RECIPE, _CARD, _LINEAGE = "labels.txt", "recipe.toml", "card.json", "lineage.json"
_DESCRIPTIONS = {
    _RECIPE: "the recipe of compression, TOML",
    _CARD: "the card of the file without its metadata, JSON",
    _LINEAGE: "SHA-256 of the model that the file was made from, JSON",
}
_LABEL_KINDS = (AXIS_LABELS, 3)  # 3: labels that values, not positions, stand for


@dataclass(frozen=True)
class Metadata:
    """What travels inside a `.tflite`, where TensorFlow Lite's and MediaPipe's tools look for it.

    Attributes:
        name: Of the model.
        description: What it does.
        version: Of the model.
        author: Who made it.
        license: Its terms.
        labels: The classes along the last axis of the first output.
        mean: What is subtracted from each raw value of the first input, per channel or one for all.
        std: What the difference is divided by, likewise; `(x - mean) / std` is what the model takes.
        recipe: The recipe of compression (`Recipe.to_toml`).
        card: The card as JSON; where it is left out, that which lies beside the file, without its lists.
        parent: The SHA-256 of the model that the file was made from, 64 hexadecimal digits.

    Example:
        >>> Metadata(labels=("cat", "dog"), mean=(127.5,), std=(127.5,)).labels
        ('cat', 'dog')
    """

    name: str = ""
    description: str = ""
    version: str = ""
    author: str = ""
    license: str = ""
    labels: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    recipe: str = ""
    card: str = ""
    parent: str = ""

    def __post_init__(self) -> None:
        for name in ("labels", "mean", "std"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if any(label.splitlines() != [label] for label in self.labels if label):
            raise DataError("A label is one line of a file; one of those given has several. Leave out the line breaks.")
        if not _is_normalization(self.mean, self.std):
            raise DataError(
                f"A normalization is (x - mean) / std with as many means as standard deviations, all of these above 0; "
                f"received mean {self.mean} and std {self.std}."
            )
        if self.parent and not (len(self.parent) == 64 and set(self.parent) <= set("0123456789abcdef")):
            raise DataError(
                f"A parent is named by the SHA-256 of its file, 64 hexadecimal digits; got {self.parent!r}."
            )


def write_metadata(
    path: str | Path, metadata: Metadata, target: str | Path | None = None, *, force: bool = False
) -> None:
    """Puts metadata into a `.tflite`, in place of what it said about itself before.

    The model is not touched: the metadata's flatbuffer lies before it and the files behind it, and `strip_metadata`
    gives the same bytes back. The card beside the file becomes that of the new bytes.

    Args:
        path: A `.tflite`.
        metadata: What to put there.
        target: The file to write; by default `path` itself.
        force: Whether an existing `target` may be replaced.

    Raises:
        FormatError: There is no such file, or it is no `.tflite`.
        DataError: The labels or the normalization do not fit the file's outputs or inputs.
        OutputError: `target` cannot be written.

    Example:
        >>> write_metadata("phone.tflite", Metadata(labels=("cat", "dog")))  # doctest: +SKIP
    """
    path = Path(path)
    card = _card_beside(path)
    if card and not metadata.card:
        metadata = replace(metadata, card=_short(card))
    _write(path, described(file_bytes(path), str(path), metadata), card, target, force)


def read_metadata(path: str | Path) -> Metadata | None:
    """What a `.tflite` says about itself, whichever tool wrote it; None where it says nothing.

    Raises:
        FormatError: There is no such file, it is no `.tflite`, or it is damaged.

    Example:
        >>> read_metadata("phone.tflite").labels  # doctest: +SKIP
        ('cat', 'dog')
    """
    data = file_bytes(path)
    return metadata_of(parse(data, str(path)), data, str(path))


def strip_metadata(path: str | Path, target: str | Path | None = None, *, force: bool = False) -> None:
    """Takes all metadata out of a `.tflite`.

    What `write_metadata` put there goes without a trace: the file is again the one it was. What another tool wrote in
    the middle of the file is overwritten with zeros, and the files behind it are cut off.

    Args:
        path: A `.tflite`.
        target: The file to write; by default `path` itself.
        force: Whether an existing `target` may be replaced.

    Raises:
        FormatError: There is no such file, or it is no `.tflite`.
        OutputError: `target` cannot be written.

    Example:
        >>> strip_metadata("phone.tflite", "bare.tflite")  # doctest: +SKIP
    """
    path = Path(path)
    _write(path, stripped(file_bytes(path), str(path)), _card_beside(path), target, force)


def described(data: bytes, name: str, metadata: Metadata) -> bytes:
    """The bytes of a `.tflite` with this metadata; see `write_metadata`."""
    bare = stripped(data, name)
    graph = parse(bare, name).graphs[0]
    inputs = [graph.tensors[index] for index in graph.inputs if index >= 0]
    outputs = [graph.tensors[index] for index in graph.outputs if index >= 0]
    _check_fit(metadata, inputs, outputs, name)
    files = _files(metadata)
    notes = tuple(FileNote(file, _DESCRIPTIONS[file]) for file in files)
    if metadata.labels:
        files[_LABELS] = "".join(f"{label}\n" for label in metadata.labels).encode()
    labels = (FileNote(_LABELS, "the classes, one a line", AXIS_LABELS),) if metadata.labels else ()
    note = ModelNote(
        metadata.name,
        metadata.description,
        metadata.version,
        metadata.author,
        metadata.license,
        tuple(
            PortNote(tensor.name, tensor.shape, *((metadata.mean, metadata.std) if i == 0 else ((), ())))
            for i, tensor in enumerate(inputs)
        ),
        tuple(PortNote(tensor.name, tensor.shape, files=labels if i == 0 else ()) for i, tensor in enumerate(outputs)),
        notes,
    )
    return with_files(with_entry(bare, name, ENTRY, encoded(note)), files)


def stripped(data: bytes, name: str) -> bytes:
    """The bytes of a `.tflite` without metadata; see `strip_metadata`."""
    content = parse(data, name)
    if ORIGINAL in content.metadata_buffers:
        original = without_block(data, bytes(content.buffers[content.metadata_buffers[ORIGINAL]]))
        if original is not None:
            return original
    changed = without_files(data) if ENTRY in content.metadata_buffers else data
    for entry in (ENTRY, ORIGINAL):
        if entry in content.metadata_buffers:
            changed = without_entry(changed, name, entry)
    return changed


def metadata_of(content: Content, data: bytes, name: str) -> Metadata | None:
    """What a file says about itself.

    Args:
        content: The file.
        data: Its bytes.
        name: Its name, for messages.
    """
    if ENTRY not in content.metadata_buffers:
        return None
    note = decoded(content.buffers[content.metadata_buffers[ENTRY]], name)
    files = files_behind(data, name)
    labels = next((item for port in note.outputs for item in port.files if item.kind in _LABEL_KINDS), None)
    scaled = next((port for port in note.inputs if port.mean), PortNote(""))
    fits = _is_normalization(scaled.mean, scaled.std)
    return Metadata(
        note.name,
        note.description,
        note.version,
        note.author,
        note.license,
        labels=tuple(_text(files, labels.name).splitlines()) if labels else (),
        mean=scaled.mean if fits else (),
        std=scaled.std if fits else (),
        recipe=_text(files, _RECIPE),
        card=_text(files, _CARD),
        parent=_parent(_text(files, _LINEAGE)),
    )


def _is_normalization(mean: tuple[float, ...], std: tuple[float, ...]) -> bool:
    """Whether these are as many finite means as standard deviations above 0; none of both are fine too."""
    return len(mean) == len(std) and all(map(math.isfinite, (*mean, *std))) and all(value > 0 for value in std)


def _files(metadata: Metadata) -> dict[str, bytes]:
    """The files that belong to the model as a whole."""
    lineage = json.dumps({"parent": metadata.parent}) if metadata.parent else ""
    texts = {_RECIPE: metadata.recipe, _CARD: metadata.card, _LINEAGE: lineage}
    return {name: text.encode() for name, text in texts.items() if text}


def _check_fit(metadata: Metadata, inputs: list[Tensor], outputs: list[Tensor], name: str) -> None:
    """Refuses labels and normalizations that the file's outputs and inputs cannot have."""
    classes = outputs[0].shape[-1] if outputs and outputs[0].shape else 0
    if metadata.labels and len(metadata.labels) != classes:
        raise DataError(
            f"{name} has {classes} classes in its first output and was given {len(metadata.labels)} labels. Give one "
            "for each, in the order of the output."
        )
    channels = inputs[0].shape[-1] if inputs and inputs[0].shape else 0
    if metadata.mean and len(metadata.mean) not in (1, channels):
        raise DataError(
            f"{name} has {channels} channels in its first input and was given {len(metadata.mean)} means. Give one for "
            "each, or one for all."
        )


def _text(files: Mapping[str, bytes], name: str) -> str:
    return files.get(name, b"").decode("utf-8", errors="replace")


def _parent(lineage: str) -> str:
    """The parent's hash, or nothing where the file of this name is another tool's."""
    try:
        content: Any = json.loads(lineage or "{}")
        return Metadata(parent=content.get("parent", "")).parent
    except (ValueError, AttributeError, TypeError, DataError):
        return ""


def _card_beside(path: Path) -> Card | None:
    """The card beside a file, where it is of these bytes."""
    if not card_path(path).is_file() or not path.is_file():
        return None
    card = Card.load_beside(path)
    return card if card.model.get("sha256") == sha256(path) else None


def _short(card: Card) -> str:
    """A card without what can be read out of the file itself."""
    kept = replace(card, operators=[], tensors=[], layers=[])
    return json.dumps(json.loads(kept.to_json()), separators=(",", ":"))


def _write(path: Path, data: bytes, card: Card | None, target: str | Path | None, force: bool) -> None:
    """Writes the bytes, and the card of them where the old ones had one."""
    place = path if target is None else Path(target)
    with replacing(place, force=force or target is None) as temporary:
        temporary.write_bytes(data)
    if card:
        model = {"name": place.name, "sha256": sha256(place)}
        changed = replace(card, model=model, size_bytes=len(data), zlib_bytes=zlib_bytes(place), packed_bytes=None)
        if card.compression_rate:
            changed = replace(changed, compression_rate=card.compression_rate * card.size_bytes / len(data))
        changed.save_beside(place)
