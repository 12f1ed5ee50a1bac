"""A teacher's outputs on disk: written once, memory-mapped, and found again by the content of each sample."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from tfcompress.errors import DataError, FormatError, first_line
from tfcompress.files import replacing
from tfcompress.teaching.sample_keys import common_forms, forms_fit, sample_digests, sample_forms, sample_keys

_FORMAT, _VERSION = "tfcompress logits", 3
_ROWS_AT_ONCE = 4096
SUFFIX = ".logits"
"""How the names of these files end; by it a recipe tells them from models."""


@dataclass(frozen=True)
class Origin:
    """Whose outputs a file has.

    Attributes:
        teacher: The name of the model, or of each of an ensemble.
        weights: 16 hexadecimal digits that name its weights.
        outputs: The names of its outputs, flat; none of a model whose graph is hidden.
        inputs: The names of its inputs, flat, in the order in which the key of a sample takes them.
    """

    teacher: str
    weights: str
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]

    def __str__(self) -> str:
        return f"outputs of {self.teacher}, weights {self.weights}"


@dataclass(frozen=True, eq=False)
class LogitsCache:
    """The outputs of a teacher for each sample of a data set, memory-mapped from an HDF5 file.

    A sample is known by a 64-bit key of its values, so shuffling, repeating and batching do not matter, and a sample
    that the teacher never saw, such as one that is augmented or padded to another length, is an error instead of a
    wrong target.

    Attributes:
        path: The file.
        origin: The teacher that gave the outputs.
        kinds: For each output what it holds, as the value of an `OutputKind`.
        outputs: For each output the array of all samples, read from disk where it is touched.
        fingerprint: 16 hexadecimal digits that name the data set, in whichever order.
        keys: The keys, ascending; `rows` says where in `outputs` each one is.
        forms: For each input the kind of its values and the shape of one sample, such as "whole numbers (6,)"; the kind
            alone where shapes vary; none of a file from before files had them.
    """

    path: Path
    origin: Origin
    kinds: tuple[str, ...]
    outputs: tuple[np.ndarray, ...]
    fingerprint: str
    keys: np.ndarray
    rows: np.ndarray
    forms: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        """The number of different samples."""
        return len(self.keys)

    def look_up(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs for a batch of samples.

        Args:
            inputs: The model's inputs, flat, each of shape (batch, ...): numbers or texts; see `sample_keys`.

        Raises:
            DataError: A sample is none of those that the teacher saw.
        """
        wanted = sample_keys(inputs)
        places = np.minimum(np.searchsorted(self.keys, wanted), self.samples - 1)
        unknown = int((self.keys[places] != wanted).sum())
        if unknown:
            whose = f"{unknown} of the {len(wanted)} samples of a batch are not in {self.path}, which has the outputs "
            asked = sample_forms(inputs)
            if unknown == len(wanted) and self.forms and not forms_fit(asked, self.forms):
                raise DataError(
                    f"{whose}for {self.samples:,} samples{self._order}: cached as {', '.join(self.forms)}, asked as "
                    f"{', '.join(asked)}. Give them in the type and shape in which they were cached, or cache them "
                    "again as they are now (tfc.cache_logits); where they are padded to various lengths, give the "
                    "teacher itself."
                )
            raise DataError(
                f"{whose}for {self.samples:,} other samples (fingerprint {self.fingerprint}){self._order}. Cache them "
                "again for these data (tfc.cache_logits); where samples are augmented, or padded to various lengths, "
                "give the teacher itself."
            )
        return [np.asarray(output[self.rows[places]]) for output in self.outputs]

    @classmethod
    def load(cls, path: str | Path) -> "LogitsCache":
        """Opens the file that `tfc.cache_logits` wrote.

        Raises:
            FormatError: It is no such file, or a part of it is missing.
        """
        path = Path(path)
        try:
            with h5py.File(path, "r") as file:
                if file.attrs.get("format") != _FORMAT:
                    raise FormatError(f"{path} holds no cached logits. Make it with tfc.cache_logits.")
                if (version := file.attrs.get("version")) != _VERSION:
                    raise FormatError(
                        f"{path} holds cached logits of version {version}, and this is version {_VERSION}. Make it "
                        "again with tfc.cache_logits."
                    )
                keys, rows = file["keys"][:], file["rows"][:]
                kinds = tuple(str(kind) for kind in file.attrs["kinds"])
                outputs = tuple(_mapped(path, file[f"output_{number}"]) for number in range(len(kinds)))
                fingerprint, teacher, weights = (
                    str(file.attrs[name]) for name in ("fingerprint", "teacher", "weights")
                )
                names = [tuple(str(name) for name in file.attrs[f"{side}_names"]) for side in ("output", "input")]
                forms = tuple(str(form) for form in file.attrs.get("input_forms", ()))
        except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise FormatError(
                f"{path} is not a whole file of cached logits ({first_line(error)}). Make it again with "
                "tfc.cache_logits."
            ) from error
        if not len(keys) or len(rows) != len(keys) or any(rows.max() >= len(output) for output in outputs):
            raise FormatError(f"{path} is damaged: its keys and outputs do not fit. Make it with tfc.cache_logits.")
        return cls(path, Origin(teacher, weights, *names), kinds, outputs, fingerprint, keys, rows, forms)

    def __str__(self) -> str:
        names = self.origin.outputs or [f"output {number}" for number in range(len(self.outputs))]
        each = zip(names, self.kinds, self.outputs, strict=True)
        listed = ", ".join(f"{name} {kind} {output.shape[1:]}" for name, kind, output in each)
        return f"{self.path}: {self.origin}: {listed} of {self.samples:,} samples (fingerprint {self.fingerprint})"

    @property
    def _order(self) -> str:
        """In which order several inputs were taken, for the error that another order brings about."""
        names = self.origin.inputs
        return f", with the inputs in the order {', '.join(names)}" if len(names) > 1 else ""


def write_logits(
    path: Path,
    batches: Iterable[tuple[Sequence[np.ndarray], Sequence[np.ndarray]]],
    kinds: Sequence[str],
    origin: Origin,
    force: bool,
) -> None:
    """Writes a cache from pairs of inputs and outputs, each flat; a sample that comes again is kept once.

    Raises:
        DataError: There is no sample, or outputs change their shape from batch to batch.
        OutputError: See `files.replacing`.
    """
    with replacing(path, force=force) as temporary, closing(_Collected(temporary.parent, len(kinds))) as collected:
        for inputs, outputs in batches:
            collected.add(inputs, outputs)
        keys, rows = collected.finished()
        with h5py.File(temporary, "w") as file:
            file.attrs.update({"format": _FORMAT, "version": _VERSION, "kinds": list(kinds)})
            file.attrs.update({"teacher": origin.teacher, "weights": origin.weights})
            file.attrs.update({"output_names": list(origin.outputs), "input_names": list(origin.inputs)})
            file.attrs["input_forms"] = common_forms(collected.forms)
            file.attrs["fingerprint"] = hashlib.sha256(keys.tobytes()).hexdigest()[:16]
            file["keys"], file["rows"] = keys, rows
            for number, output in enumerate(collected.outputs()):
                dataset = file.create_dataset(f"output_{number}", output.shape, output.dtype)
                for start in range(0, len(output), _ROWS_AT_ONCE):
                    dataset[start : start + _ROWS_AT_ONCE] = output[start : start + _ROWS_AT_ONCE]
        collected.remove()


class _Collected:
    """Outputs on their way to the file, in raw files of their own: how many samples there are is not known before."""

    def __init__(self, folder: Path, count: int) -> None:
        self._paths = [folder / f"output_{number}.raw" for number in range(count)]
        self._files: list[BinaryIO] = [path.open("wb") for path in self._paths]
        self._shapes: list[tuple[int, ...]] = []
        self.forms: set[tuple[str, ...]] = set()
        self._keys: list[np.ndarray] = []
        self._digests: list[bytes] = []

    def add(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> None:
        shapes = [output.shape[1:] for output in outputs]
        if self._shapes and self._shapes != shapes:
            raise DataError(
                f"The teacher's outputs have the shapes {shapes} after {self._shapes}. Pad all samples alike."
            )
        self._shapes = shapes
        self._keys.append(sample_keys(inputs))
        self.forms.add(tuple(sample_forms(inputs)))
        self._digests += sample_digests(inputs)
        for file, output in zip(self._files, outputs, strict=True):
            file.write(np.ascontiguousarray(output, "float32").tobytes())

    def finished(self) -> tuple[np.ndarray, np.ndarray]:
        """The keys, ascending, and the row of each."""
        self.close()
        if not self._keys:
            raise DataError("There are no samples to cache the teacher's outputs for.")
        keys, rows, where = np.unique(np.concatenate(self._keys), return_index=True, return_inverse=True)
        first = [self._digests[row] for row in rows]
        if any(first[place] != digest for place, digest in zip(where, self._digests, strict=True)):
            raise DataError("Two samples have the same key by chance. Scale the data by any factor, and cache again.")
        return keys, rows

    def outputs(self) -> Iterator[np.ndarray]:
        count = len(self._digests)
        for path, shape in zip(self._paths, self._shapes, strict=True):
            yield np.memmap(path, "float32", "r", shape=(count, *shape))

    def close(self) -> None:
        for file in self._files:
            file.close()

    def remove(self) -> None:
        for path in self._paths:
            path.unlink()


def _mapped(path: Path, dataset: Any) -> np.ndarray:
    """A contiguous data set of an HDF5 file as a memory-mapped array."""
    offset = dataset.id.get_offset()
    if offset is None:
        raise FormatError(f"{path} is damaged: an output has no place in it. Make it with tfc.cache_logits.")
    return np.memmap(path, dataset.dtype, "r", offset=offset, shape=dataset.shape)
