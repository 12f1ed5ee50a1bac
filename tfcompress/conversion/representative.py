"""Representative data in any form a user has it, as samples that fit the model's inputs."""

import math
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfcompress.conversion.signature import Port
from tfcompress.errors import DataError

MOST_SAMPLES = 200
_DEFLATE_LIMIT = 1032  # no honest zip member is more often smaller than this

Samples = dict[str, np.ndarray]
"""Each input's samples, `(samples, ...)` of the input's type, by its name and in the model's order."""


def collect(source: Any, ports: Sequence[Port], *, limit: int = MOST_SAMPLES) -> Samples:
    """Takes at most `limit` samples out of `source` and checks them against the model's inputs.

    Args:
        source: A `tf.data.Dataset`, an iterable or a function that returns one, whose elements are samples or batches,
            alone, as a list or mapping of several inputs, or followed by labels (`(x, y)`), which are dropped; its
            first samples are taken. Or an array `(samples, ...)`, a mapping of arrays by input name, or the path of an
            `.npz` with such arrays; samples at even distances are taken, because such data is often ordered by class.
        ports: The model's inputs.
        limit: The largest number of samples, 1 or more.

    Raises:
        DataError: There are no samples, or they do not fit: shape, type, NaN or infinity, integers out of range.
    """
    if isinstance(source, (str, Path)):
        try:
            return collect(_npz(Path(source), ports), ports, limit=limit)
        except DataError as error:
            raise DataError(f"{source}: {error}") from error
    if callable(source) and not hasattr(source, "shape"):
        source = source()
    whole = isinstance(source, Mapping) or hasattr(source, "shape")
    elements: Iterator[Any] = iter([source]) if whole else _iterate(source)
    parts: dict[str, list[np.ndarray]] = {port.name: [] for port in ports}
    count = 0
    for element in elements:
        batch = [_samples(values, port) for values, port in zip(_values(element, ports), ports, strict=True)]
        if len({len(item) for item in batch}) > 1:
            raise DataError(
                f"The inputs have different numbers of samples: {', '.join(str(len(item)) for item in batch)}. Give "
                "one value per input and sample."
            )
        for port, item in zip(ports, batch, strict=True):
            parts[port.name].append(_spread(item, limit) if whole else item[: limit - count])
        count += len(batch[0])
        if count >= limit:
            break
    if count == 0:
        raise DataError("The representative data is empty. Give at least one sample; 100 to 500 are a good number.")
    return {port.name: _checked(np.concatenate(parts[port.name]), port) for port in ports}


def taken(values: np.ndarray, source: Any, limit: int) -> np.ndarray:
    """What belongs to the samples that `collect` takes out of `source`, such as their labels.

    Args:
        values: One value for each sample of `source`, (samples, ...).
        source: The samples.
        limit: The largest number of samples.

    Example:
        >>> taken(np.arange(9), np.zeros((9, 2)), 3), taken(np.arange(9), iter([]), 3)
        (array([0, 4, 8]), array([0, 1, 2]))
    """
    whole = isinstance(source, (str, Path, Mapping)) or hasattr(source, "shape")
    return _spread(values, limit) if whole else values[:limit]


def _iterate(source: Any) -> Iterator[Any]:
    if not isinstance(source, Iterable):
        raise DataError(
            f"Representative data cannot be of type {type(source).__name__}. Give a tf.data.Dataset, an iterable, a "
            "function, an array (samples, ...), a mapping of arrays, or the path of an .npz."
        )
    return iter(source)


def _values(element: Any, ports: Sequence[Port]) -> list[Any]:
    """The inputs' values in one element, in the model's order and without labels."""
    if isinstance(element, Mapping):
        if missing := [port.name for port in ports if port.name not in element]:
            raise DataError(
                f"The representative data lacks the input '{missing[0]}'; it has {', '.join(map(repr, element))}. The "
                f"model's inputs are {', '.join(repr(port.name) for port in ports)}."
            )
        return [element[port.name] for port in ports]
    if _has_labels(element, ports):
        return _values(element[0], ports)
    if isinstance(element, (tuple, list)) and len(element) == len(ports):
        if len(ports) > 1:
            return list(element)
        if not isinstance(element[0], (int, float)):  # a list of one array, not a sample of one number
            return _values(element[0], ports)
    if len(ports) > 1:
        raise DataError(
            f"The model has {len(ports)} inputs and the representative data gives one. Give mappings with the names "
            f"{', '.join(repr(port.name) for port in ports)}, or lists in this order."
        )
    return [element]


def _has_labels(element: Any, ports: Sequence[Port]) -> bool:
    """Whether an element is `(x, y)` or `(x, y, sample weights)`, and not two or three inputs."""
    if not isinstance(element, tuple) or len(element) not in (2, 3):
        return False
    return len(ports) == 1 or isinstance(element[0], (Mapping, tuple, list))


def _samples(values: Any, port: Port) -> np.ndarray:
    """One sample or a batch of them as a batch."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(f"The representative data for input '{port.name}' is no array: {error}.") from error
    if array.dtype.kind not in "fiub":
        raise DataError(
            f"The representative data for input '{port.name}' has type {array.dtype}. Give numbers, as in training."
        )
    if array.shape == port.shape:
        return array[None]
    if array.shape[1:] == port.shape and array.ndim:
        return array
    raise DataError(
        f"The representative data for input '{port.name}' has shape {array.shape}; the model takes samples of shape "
        f"{port.shape} or batches {(None, *port.shape)}.{_shape_advice(array.shape, port.shape)}"
    )


def _shape_advice(given: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """How to mend a shape, where it is plain to see."""
    if (*given, 1) == wanted or (*given[1:], 1) == wanted:
        return " Add the last axis: x[..., None]."
    if math.prod(given) == math.prod(wanted) or (given and math.prod(given[1:]) == math.prod(wanted)):
        return f" Reshape it: x.reshape({', '.join(map(str, (-1, *wanted)))})."
    return ""


def _spread(array: np.ndarray, limit: int) -> np.ndarray:
    """At most `limit` samples at even distances."""
    return array if len(array) <= limit else array[np.linspace(0, len(array) - 1, limit).astype(int)]


def _checked(array: np.ndarray, port: Port) -> np.ndarray:
    """The samples in the input's type, once they are sure to be whole numbers in its range, or finite."""
    dtype: np.dtype = np.dtype(port.dtype)
    if not np.isfinite(array).all():
        first = int(np.argwhere(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))[0, 0])
        raise DataError(
            f"Sample {first} of the representative data for input '{port.name}' has NaN or infinite values. Leave out "
            "such samples, or mend the preprocessing."
        )
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not np.array_equal(array, np.rint(array)) or array.min() < limits.min or array.max() > limits.max:
            raise DataError(
                f"The representative data for input '{port.name}' has values from {array.min()} to {array.max()}; the "
                f"input takes whole numbers of type {dtype}."
            )
    return array.astype(dtype)


def _npz(path: Path, ports: Sequence[Port]) -> Mapping[str, np.ndarray] | np.ndarray:
    """The arrays of an `.npz` that are for the inputs; a single one, or one called `x`, needs no input's name."""
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                _check_member(archive, member)
        with np.load(path, allow_pickle=False) as content:
            wanted = [port.name for port in ports if port.name in content.files]
            if len(ports) == 1 and not wanted:
                names = content.files if len(content.files) == 1 else [name for name in content.files if name == "x"]
                if not names:
                    raise DataError(
                        f"it has the arrays {', '.join(content.files) or 'none'}. Call the samples 'x' or "
                        f"'{ports[0].name}'."
                    )
                samples: np.ndarray = content[names[0]]
                return samples
            return {name: content[name] for name in wanted}
    except OSError as error:
        raise DataError(f"it cannot be read: {error.strerror or error}. Give the path of an .npz.") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError) as error:
        raise DataError(
            f"it is not an .npz of plain arrays: {error}. Write one by numpy.savez('samples.npz', x=samples)."
        ) from error


def _check_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Refuses a member whose header claims more than is there, before memory is taken for it."""
    if member.file_size > _DEFLATE_LIMIT * member.compress_size + 1024:
        raise ValueError(f"'{member.filename}' claims {member.file_size} bytes")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read:
            raise ValueError(f"'{member.filename}' has the unknown version {version}")
        shape, _, dtype = read[version](file)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize > member.file_size:
            raise ValueError(f"'{member.filename}' has shape {shape} of {dtype} in {member.file_size} bytes")
