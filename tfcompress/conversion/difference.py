"""How far a file's outputs are from the Keras model's, on the same samples."""

from typing import Any

import keras
import numpy as np

from tfcompress.conversion.representative import Samples
from tfcompress.conversion.signature import Signature
from tfcompress.errors import ConversionError

_BATCH = 32


def keras_outputs(model: keras.Model, signature: Signature, samples: Samples) -> list[np.ndarray]:
    """The model's outputs, each `(samples, ...)` in the order of its outputs; training-time behaviour is off.

    What layers remember from call to call is as it was before each batch, as the file has it, and afterwards.
    """
    count = len(next(iter(samples.values())))
    batch = model.inputs[0].shape[0] or min(_BATCH, count)
    parts, remembered = [], [(variable, variable.numpy()) for variable in _memories(model)]
    for start in range(0, count, batch):
        chosen = np.arange(start, start + batch) % count  # a fixed batch is filled up from the first samples
        tensors = [keras.ops.convert_to_tensor(array[chosen]) for array in samples.values()]
        result = model(keras.tree.pack_sequence_as(signature.structure, tensors), training=False)
        parts.append([keras.ops.convert_to_numpy(item) for item in keras.tree.flatten(result)])
        for variable, value in remembered:
            if not np.array_equal(variable.numpy(), value):
                variable.assign(value)
    return [np.concatenate(items)[:count] for items in zip(*parts, strict=True)]


def _memories(model: keras.Model) -> list[Any]:
    """The variables that a call may change: those that do not train, and the states of recurrent layers."""
    # Keras does not count the states of a stateful layer among its variables, and hides the layers inside layers.
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN) and layer.stateful]
    states = [state for layer in layers for state in keras.tree.flatten(layer.states) if state is not None]
    return [*model.non_trainable_variables, *states]


def difference(expected: list[np.ndarray], received: list[np.ndarray]) -> dict[str, Any]:
    """Compares outputs.

    Args:
        expected: The model's outputs, each `(samples, ...)`.
        received: The file's, in the same order.

    Returns:
        `max` and `mean` of the absolute differences over all outputs, `samples`, `range` (the model's smallest and
        largest output), and `top1_agreement`: the share of samples whose largest class is the same, None unless an
        output is a distribution over classes (rows of two and more values >= 0 that sum to 1).

        Values that the model itself gives as NaN or infinite are left out.

    Raises:
        ConversionError: The file answers NaN or infinity where the model does not, or the model always does.

    Example:
        >>> result = difference([np.array([[0.9, 0.1], [0.4, 0.6]])], [np.array([[0.8, 0.2], [0.6, 0.4]])])
        >>> round(result["max"], 3), round(result["mean"], 3), result["top1_agreement"]
        (0.2, 0.15, 0.5)
    """
    gaps, kept = [], []
    for i, (right, given) in enumerate(zip(expected, received, strict=True)):
        finite = np.isfinite(right)
        if not np.isfinite(given[finite]).all():
            raise ConversionError(
                f"Output {i} of the converted file is NaN or infinite where the model's is not. Mode float32 shows "
                "whether quantization is the cause."
            )
        kept.append(right[finite].astype(float))
        gaps.append(np.abs(kept[-1] - given[finite]))
    gap, values = np.concatenate(gaps), np.concatenate(kept)
    if not gap.size:
        raise ConversionError("All outputs of the model are NaN or infinite on these samples, so nothing is proven.")
    same = [
        np.argmax(right, axis=-1) == np.argmax(given, axis=-1)
        for right, given in zip(expected, received, strict=True)
        if _is_distribution(right)
    ]
    return {
        "max": float(gap.max()),
        "mean": float(gap.mean()),
        "samples": len(expected[0]),
        "range": [float(values.min()), float(values.max())],
        "top1_agreement": float(np.concatenate(same).mean()) if same else None,
    }


def _is_distribution(values: np.ndarray) -> bool:
    if values.ndim != 2 or values.shape[1] < 2 or values.dtype.kind != "f":
        return False
    return bool((values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=1e-3))
