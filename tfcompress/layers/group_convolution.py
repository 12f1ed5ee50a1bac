"""Convolutions on symmetry groups: a turned or reflected input gives a turned or reflected output."""

from typing import Any

import keras

from tfcompress.layers.filter_bank import FilterBankConv2D
from tfcompress.layers.symmetry import Group, bank_indices, named_group


class _OnGroup(FilterBankConv2D):
    """A convolution with a copy of each filter for every element of a symmetry group."""

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        *,
        group: str = "p4",
        **arguments: Any,
    ) -> None:
        super().__init__(filters, kernel_size, strides, padding, **arguments)
        self.group = group
        self._check_symmetry()

    @property
    def symmetry(self) -> Group:
        """The group itself."""
        return named_group(self.group)

    @property
    def copies(self) -> int:
        """One for each element of the group."""
        return self.symmetry.order

    @property
    def orientations(self) -> int:
        """Those of the input."""
        return 1

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        """(height, width, in, filters); `in` has the orientations of each input filter side by side."""
        if self.orientations > 1:
            self.symmetry.filters(self, channels)
        return (*self.kernel_size, channels, self.filters)

    def bank(self, kernel: Any) -> Any:
        """Each filter in every orientation, (height, width, in, filters * order)."""
        size, (channels, filters) = self.kernel_size[0], kernel.shape[2:]
        places, inner = size * size, self.orientations
        # (height, width, in, inner, filters) -> one row for each place and orientation, which the group permutes
        rows = keras.ops.reshape(kernel, (places, channels // inner, inner, filters))
        rows = keras.ops.reshape(keras.ops.transpose(rows, (0, 2, 1, 3)), (places * inner, -1))
        copies = keras.ops.take(rows, bank_indices(self.group, size, inner), axis=0)
        copies = keras.ops.reshape(copies, (places, inner, self.copies, channels // inner, filters))
        bank = keras.ops.transpose(copies, (0, 3, 1, 4, 2))
        return keras.ops.reshape(bank, (size, size, channels, filters * self.copies))

    def bank_bias(self, bias: Any) -> Any:
        """One for all orientations of a filter."""
        return keras.ops.repeat(bias, self.copies)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"group": self.group}

    def _check_symmetry(self) -> None:
        """Refuses settings under which no turn of the input can be a turn of the output."""
        named_group(self.group)
        for what in ("kernel_size", "strides", "dilation_rate"):
            if len(set(getattr(self, what))) > 1:
                raise self.refusal(
                    f"{what} is {getattr(self, what)}, which a quarter turn does not leave as it is",
                    "Give it equal height and width.",
                )
        if self.padding == "same" and self.kernel_size[0] % 2 == 0:
            raise self.refusal(
                f"a kernel of {self.kernel_size[0]} x {self.kernel_size[0]} is padded on one side with padding='same'",
                "Give it an odd size, or padding='valid'.",
            )


@keras.saving.register_keras_serializable("tfcompress")
class LiftingConv2D(_OnGroup):
    """A convolution of an image with each filter in every orientation; the first layer of an equivariant network.

        [f * psi](x, g) = sum_y sum_k f_k(y) psi_k(g^-1 (y - x))

    Its output has `filters * order` channels, the orientations of each filter side by side (see `symmetry.Group`). When
    the input is turned by u, so is the output, and its orientations are permuted: out'(x, g) = out(u^-1 x, u^-1 g).
    This is exact for stride 1, and for strides where `symmetry.is_symmetric` says so of both sizes.

    The layer stores `filters` filters; the `.tflite` holds all copies, and computes them.

    Args:
        filters: Before orientations are counted, from 1.
        kernel_size: One number, or twice the same; odd with padding `"same"`.
        strides: As for `keras.layers.Conv2D`, equal in both directions.
        padding: `"valid"` or `"same"`.
        group: `"p4"`, quarter turns, or `"p4m"`, turns and reflections.
        arguments: The others of `FilterBankConv2D`, by name.

    Raises:
        UnsupportedLayerError: A setting breaks the symmetry; the message names the layer.

    Example:
        >>> layer = LiftingConv2D(5, 3)
        >>> tuple(layer(keras.ops.zeros((1, 8, 8, 3))).shape), layer.count_params()
        ((1, 6, 6, 20), 140)

    Reference:
        Cohen and Welling, "Group Equivariant Convolutional Networks", arXiv:1602.07576.
    """


@keras.saving.register_keras_serializable("tfcompress")
class GroupConv2D(_OnGroup):
    """A convolution on the group, of features with orientations, with each filter in every orientation.

        [f * psi](g) = sum_h sum_k f_k(h) psi_k(g^-1 h)

    with h over positions and orientations. The copy for orientation g turns the filter and permutes the orientations
    that it reads. All copies go through one plain convolution. Input and output are laid out as in `LiftingConv2D`,
    and it is exact for the same strides.

    (It has nothing to do with the argument `groups` of `keras.layers.Conv2D`, which divides channels.)

    Args:
        filters: Before orientations are counted, from 1. With 1 / sqrt(order) of a plain network's filters there are
            as many weights, and sqrt(order) times the channels.
        kernel_size: One number, or twice the same; odd with padding `"same"`.
        strides: As for `keras.layers.Conv2D`, equal in both directions.
        padding: `"valid"` or `"same"`.
        group: `"p4"` or `"p4m"`, that of the input.
        arguments: The others of `FilterBankConv2D`, by name.

    Raises:
        UnsupportedLayerError: A setting breaks the symmetry, or the orientations do not divide the input's channels;
            the message names the layer.

    Example:
        >>> layer = GroupConv2D(5, 3, padding="same")
        >>> tuple(layer(keras.ops.zeros((1, 8, 8, 12))).shape), layer.count_params()
        ((1, 8, 8, 20), 545)

    Reference:
        Cohen and Welling, "Group Equivariant Convolutional Networks", arXiv:1602.07576.
    """

    @property
    def orientations(self) -> int:
        """Those of the input: the group's order."""
        return self.symmetry.order
