"""How a sample is known again: a key and a digest of its values, and in words its type and shape."""

import hashlib
from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np

from tfcompress.errors import DataError

_DIGEST = 16


def sample_keys(inputs: Sequence[np.ndarray]) -> np.ndarray:
    """A 64-bit key for each sample: the sum of its 32-bit words, mixed, each times a random odd number.

    The words are the size of each input, and then the values: floats as float32, whole numbers as int64, and of each
    text a digest. The width of a type does not matter, but whole numbers and floats are told apart: 1 is not 1.0.

    Args:
        inputs: Arrays of shape (batch, ...).

    Returns:
        uint64, shape (batch,).

    Raises:
        DataError: An array holds neither real numbers nor texts.

    Example:
        >>> batch = np.array([[1, 2], [2, 1], [1, 2]], "int32")
        >>> keys = sample_keys([batch])
        >>> bool(keys[0] == keys[2] != keys[1]), bool(np.all(keys == sample_keys([batch.astype("int64")])))
        (True, True)
        >>> bool(np.any(keys == sample_keys([batch.astype("float32")])))
        False
    """
    words = _rows(inputs)
    # Numbers such as 1.0 and -1.0 differ in high bits only, which a product modulo 2^64 would never bring down.
    words ^= (words >> 16) ^ (words >> 27)
    return words.astype(np.uint64) @ _multipliers(words.shape[1])


def sample_digests(inputs: Sequence[np.ndarray]) -> list[bytes]:
    """A digest of each sample, long enough that two are never equal by chance."""
    return [hashlib.blake2b(row.tobytes(), digest_size=_DIGEST).digest() for row in _rows(inputs)]


def sample_forms(inputs: Sequence[np.ndarray]) -> list[str]:
    """What tells the samples of one batch from those of another type or shape, for each input in words."""
    kinds = dict.fromkeys("OSU", "texts") | dict.fromkeys("biu", "whole numbers")
    return [f"{kinds.get(array.dtype.kind, 'floats')} {array.shape[1:]}" for array in map(np.asarray, inputs)]


def common_forms(batches: Collection[Sequence[str]]) -> list[str]:
    """For each input the form that all batches have in common, or where it varies the kinds of their values.

    Example:
        >>> common_forms([("floats (8,)", "texts ()"), ("floats (6,)", "texts ()")])
        ['floats', 'texts ()']
    """
    each = [sorted(set(forms)) for forms in zip(*batches, strict=False)]
    return [forms[0] if len(forms) == 1 else " or ".join(sorted(set(map(_kind, forms)))) for forms in each]


def forms_fit(asked: Sequence[str], cached: Sequence[str]) -> bool:
    """Whether samples of these forms may be among those that are cached."""
    alike = (one == other or _kind(one) in other.split(" or ") for one, other in zip(asked, cached, strict=False))
    return len(asked) == len(cached) and all(alike)


def _kind(form: str) -> str:
    return form.partition(" (")[0]


def _rows(inputs: Sequence[np.ndarray]) -> np.ndarray:
    """All that tells a sample from others as 32-bit words: how many each input has, and these; (batch, words).

    Without the sizes, zeros at the end would not count.
    """
    parts = [_words(np.asarray(array)) for array in inputs]
    sizes = np.array([part.shape[1] for part in parts], np.uint32)
    return np.concatenate([np.tile(sizes, (len(parts[0]), 1)), *parts], axis=1)


def _words(array: np.ndarray) -> np.ndarray:
    """The values of each sample as 32-bit words, (batch, words): the same for each width of a type."""
    if array.dtype.kind in "OSU":
        texts = (text if isinstance(text, bytes) else str(text).encode() for text in array.flat)
        data = b"".join(hashlib.blake2b(text, digest_size=_DIGEST).digest() for text in texts)
        return np.frombuffer(data, np.uint32).reshape(len(array), -1)
    if array.dtype.kind not in "biu" and not np.can_cast(array.dtype, np.float64):
        raise DataError(
            f"An input has the type {array.dtype}, by which samples cannot be known again. Give real numbers or texts."
        )
    array = np.ascontiguousarray(array, np.int64 if array.dtype.kind in "biu" else np.float32)
    return array.reshape(len(array), -1).view(np.uint32)


@lru_cache(maxsize=4)
def _multipliers(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2**64, count, dtype=np.uint64) | np.uint64(1)
