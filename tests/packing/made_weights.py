"""Weights of every kind, for hypothesis."""

import numpy as np
from hypothesis import strategies as st

from tools.made_tflite import Weights


@st.composite
def weights(draw: st.DrawFn) -> Weights:
    """Weights of any type and shape, with zeros and shared values in any share, and with structure or without."""
    shape = tuple(draw(st.lists(st.integers(1, 12), min_size=1, max_size=4)))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = np.dtype(draw(st.sampled_from(["int8", "uint8", "int16", "int32", "int64", "float16", "float32"])))
    values = generator.normal(0, draw(st.sampled_from([0.5, 3.0, 30.0])), shape)
    if draw(st.booleans()):
        values *= np.exp(generator.normal(0, 1, shape[:1] + (1,) * (len(shape) - 1)))
    if draw(st.booleans()):
        values = generator.choice(values.ravel()[: draw(st.integers(1, 20))], shape)
    density = draw(st.sampled_from([0.0, 0.02, 0.2, 0.6, 1.0]))
    rows = generator.uniform(0, 2, shape[:1] + (1,) * (len(shape) - 1))
    values = np.where(generator.random(shape) < density * rows, values, 0)
    if dtype.kind != "f":
        values = values.round().clip(np.iinfo(dtype).min, np.iinfo(dtype).max)
    repeats = draw(st.sampled_from([1, 1, 40]))
    scales = generator.random(shape[0]).astype(np.float32) if draw(st.booleans()) else None
    return Weights("w", np.repeat(values.astype(dtype), repeats, axis=-1), scales)
