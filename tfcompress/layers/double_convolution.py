"""Doubly convolutional layers: filters that are all shifted windows of larger meta filters."""

from functools import cache
from typing import Any

import keras
import numpy as np

from tfcompress.layers.filter_bank import FilterBankConv2D


@keras.saving.register_keras_serializable("tfcompress")
class DoubleConv2D(FilterBankConv2D):
    """A convolution whose filters are the windows of meta filters, at each of (extra + 1)^2 shifts.

    The filter of meta filter W at shift (a, b) is its window W[a : a + height, b : b + width], so

        out_k(x, a, b) = sum_y I(x + y) . W_k(y + (a, b))

    and of each pool x pool neighbouring shifts the largest output counts. The rest become channels: the output has
    filters * ((extra + 1) / pool)^2, those of a meta filter side by side. With `extra` 0 it is a plain convolution.
    Two ways to use it:

    - fewer weights: `pool=1` and 1 / (extra + 1)^2 of a plain layer's filters; 4 meta filters of 10 x 10 give 256
      filters of 3 x 3 from 17 % of the weights;
    - higher accuracy: `pool=extra + 1` and as many meta filters as a plain layer has filters.

    The layer stores meta filters; the `.tflite` holds all windows, and computes them. Windows overlap, so the share of
    zeros in the file is near the meta filters', not equal; and in an int8 file each window has a scale of its own, so
    values that a meta filter shares are as few in each window, but not over all of them.

    Args:
        filters: The number of meta filters, from 1.
        kernel_size: Height and width of a window.
        strides: As for `keras.layers.Conv2D`.
        padding: `"valid"` or `"same"`.
        extra: By how much a meta filter is higher and wider than a window, from 0.
        pool: The shifts in each direction of which the largest output counts; divides extra + 1.
        arguments: The others of `FilterBankConv2D`, by name.

    Raises:
        UnsupportedLayerError: A setting is out of range, or `pool` does not divide the shifts; names the layer.

    Example:
        >>> layer = DoubleConv2D(4, 3, extra=7)
        >>> tuple(layer(keras.ops.zeros((1, 8, 8, 16))).shape), layer.count_params()
        ((1, 6, 6, 256), 6404)

    Reference:
        Zhai et al., "Doubly Convolutional Neural Networks", arXiv:1610.09716.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        *,
        extra: int = 1,
        pool: int = 1,
        **arguments: Any,
    ) -> None:
        super().__init__(filters, kernel_size, strides, padding, **arguments)
        if isinstance(extra, bool) or not isinstance(extra, int) or extra < 0:
            raise self.refusal(f"extra is {extra!r}", "Give a whole number from 0.")
        self.extra, self.pool = extra, self.whole("pool", pool)
        if (extra + 1) % pool:
            raise self.refusal(
                f"pool {pool} does not divide the {extra + 1} shifts in each direction", "Give a divisor of extra + 1."
            )

    @property
    def copies(self) -> int:
        """The shifts of a meta filter that are left after pooling."""
        return ((self.extra + 1) // self.pool) ** 2

    @property
    def bank_filters(self) -> int:
        """One for each shift of each meta filter."""
        return self.pool**2 * self.channels

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        """(height, width, in, filters) of the meta filters."""
        height, width = self.kernel_size
        return (height + self.extra, width + self.extra, channels, self.filters)

    def bank(self, kernel: Any) -> Any:
        """All windows, (height, width, in, pooled shifts * filters * shifts that are left)."""
        height, width, channels, filters = kernel.shape
        rows = keras.ops.reshape(kernel, (height * width, channels * filters))
        windows = keras.ops.take(rows, window_indices(self.kernel_size, self.extra, self.pool), axis=0)
        windows = keras.ops.reshape(windows, (-1, self.pool**2, self.copies, channels, filters))
        bank = keras.ops.transpose(windows, (0, 3, 1, 4, 2))
        return keras.ops.reshape(bank, (*self.kernel_size, channels, self.pool**2 * self.channels))

    def bank_bias(self, bias: Any) -> Any:
        """One for all shifts of a meta filter."""
        return keras.ops.tile(keras.ops.repeat(bias, self.copies), self.pool**2)

    def combine(self, outputs: Any) -> Any:
        """The largest of the shifts that are pooled."""
        if self.pool == 1:
            return outputs
        places = keras.ops.shape(outputs)[:-1]
        return keras.ops.max(keras.ops.reshape(outputs, (*places, self.pool**2, self.channels)), axis=-2)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"extra": self.extra, "pool": self.pool}


@cache
def window_indices(size: tuple[int, int], extra: int, pool: int) -> np.ndarray:
    """Where each entry of each window lies in a meta filter.

    Args:
        size: Height and width of a window.
        extra: By how much the meta filter is larger.
        pool: The shifts in each direction that are pooled together.

    Returns:
        Integers (height * width, pool^2 * ((extra + 1) / pool)^2), each a place in the flat meta filter: in a row first
        the shifts that come first in their pool, then those that come second, and so on.

    Example:
        >>> window_indices((1, 2), 1, 1)
        array([[0, 1, 3, 4],
               [1, 2, 4, 5]])
    """
    places = np.arange((size[0] + extra) * (size[1] + extra)).reshape(size[0] + extra, size[1] + extra)
    windows = np.lib.stride_tricks.sliding_window_view(places, size)
    left = (extra + 1) // pool
    # (shift down, shift right, height, width), each shift as (one that is left, one that is pooled)
    windows = windows.reshape(left, pool, left, pool, -1)
    return np.transpose(windows, (4, 1, 3, 0, 2)).reshape(size[0] * size[1], -1)
