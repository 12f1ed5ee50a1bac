"""The same architecture with fewer channels, newly initialized: what a student of a model may be."""

import keras
import numpy as np

from tfcompress.errors import ModelError
from tfcompress.models.channels import channel_groups
from tfcompress.models.cutting import cut
from tfcompress.models.surgery import layers_of
from tfcompress.models.widths import widths_of


def narrow(model: keras.Model, width: float = 0.5, round_to: int = 8) -> keras.Model:
    """Builds the architecture of a model with a share of the channels of each group, newly initialized.

    Inputs and outputs keep their shapes; so does what `channel_groups` names as kept.

    Args:
        model: A Functional or Sequential model. It is not changed.
        width: The share of the channels to keep in each group, in (0, 1]. MACs shrink with about its square.
        round_to: What the number of channels is rounded to a multiple of, from 1.

    Returns:
        The narrower model, uncompiled. Nothing was learned yet, but the statistics of Normalization layers are kept.

    Raises:
        ModelError: `width` or `round_to` is out of range, or no channel can be left out.

    Example:
        >>> layers = [keras.Input((3,)), keras.layers.Dense(32, name="a"), keras.layers.Dense(2, name="b")]
        >>> narrow(keras.Sequential(layers), width=0.5).get_layer("a").units
        16
    """
    if not 0 < width <= 1 or not isinstance(round_to, int) or round_to < 1:
        raise ModelError(
            f"A width must be in (0, 1], not {width!r}, and round_to a whole number from 1, not {round_to!r}."
        )
    found = channel_groups(model)
    if not found.groups:
        raise ModelError(f"Model '{model.name}' has no channels that can be left out: {'; '.join(found.reasons)}.")
    counts = [widths_of(group, round_to).nearest(width * group.channels) for group in found.groups]
    return newly_initialized(cut(model, found, [np.arange(count) for count in counts]))


def newly_initialized(model: keras.Model) -> keras.Model:
    """The same architecture with weights that have learned nothing; statistics of Normalization layers are kept.

    Args:
        model: A Functional or Sequential model. It is not changed.
    """
    new = keras.models.clone_model(model)
    for layer, source in zip(layers_of(new), layers_of(model), strict=True):
        if isinstance(layer, keras.layers.Normalization):
            layer.set_weights(source.get_weights())
            layer.finalize_state()
    return new
