"""A model with free axes gets the sizes that its file shall have."""

from collections.abc import Mapping, Sequence

import keras

from tfcompress.errors import ConversionError, first_line, suggestion
from tfcompress.models.surgery import flatten


def with_shapes(model: keras.Model, shapes: Mapping[str, Sequence[int]]) -> keras.Model:
    """The same model on inputs of fixed shapes.

    Args:
        model: A model whose inputs have free axes besides the batch. It is not changed.
        shapes: By the name of an input the shape of one sample, without the batch.

    Raises:
        ConversionError: There is no such input, it has fixed sizes other than these, or the model does not take them.

    Example:
        >>> layers = [keras.layers.Conv1D(2, 3), keras.layers.GlobalAveragePooling1D()]
        >>> model = keras.Sequential([keras.Input((None, 4), name="sound"), *layers])
        >>> with_shapes(model, {"sound": (16, 4)}).input_shape
        (None, 16, 4)
    """
    names = [tensor.name for tensor in model.inputs]
    if unknown := [name for name in shapes if name not in names]:
        raise ConversionError(f"The model '{model.name}' has no input '{unknown[0]}'. {suggestion(unknown[0], names)}")
    inputs = []
    for tensor in model.inputs:
        shape = tuple(int(size) for size in shapes.get(tensor.name, tensor.shape[1:]) if size is not None)
        fits = len(shape) == len(tensor.shape) - 1 and all(
            own in (None, size) and size > 0 for own, size in zip(tensor.shape[1:], shape, strict=True)
        )
        if tensor.name in shapes and not fits:
            raise ConversionError(
                f"The input '{tensor.name}' takes {tuple(tensor.shape)}, the batch in front, and was to get {shape}. "
                "Give the sizes of all axes but the batch."
            )
        shape = shape if tensor.name in shapes else tuple(tensor.shape[1:])
        inputs.append(keras.Input(batch_shape=(tensor.shape[0], *shape), dtype=tensor.dtype, name=tensor.name))
    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    packed = keras.tree.pack_sequence_as(structure, inputs)
    try:
        return flatten(keras.Model(packed, model(packed), name=model.name))
    except (ValueError, TypeError) as error:
        raise ConversionError(
            f"The model '{model.name}' does not take these shapes: {first_line(error)}. Give sizes that fit its layers."
        ) from error
