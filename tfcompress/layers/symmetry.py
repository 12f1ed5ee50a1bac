"""The symmetry groups of the pixel grid, as tables of numbers: p4 (quarter turns) and p4m (turns and reflections)."""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from tfcompress.errors import RecipeError, UnsupportedLayerError, suggestion


@dataclass(frozen=True)
class Group:
    """The turns, or the turns and reflections, about a point of the grid.

    Element `4 m + r` reflects left and right where m = 1, then turns by r quarters counter-clockwise. Features on the
    group have `order` channels for each filter, one per element: channel `filter * order + element`.

    Args:
        name: `"p4"` or `"p4m"`.
        order: The number of elements, 4 or 8.

    Example:
        >>> P4.product(1, 2), P4.inverse(1)
        (3, 3)
    """

    name: str
    order: int

    def act(self, element: int, array: np.ndarray) -> np.ndarray:
        """An array (height, width, ...) after a turn or reflection of its first two axes.

        Example:
            >>> P4M.act(5, np.array([[1, 2], [3, 4]]))     # reflected to 2 1 / 4 3, then turned
            array([[1, 3],
                   [2, 4]])
        """
        return np.rot90(array[:, ::-1] if element >= 4 else array, element % 4)

    def act_on_images(self, element: int, images: np.ndarray) -> np.ndarray:
        """Images (samples, height, width, channels), each turned or reflected."""
        return np.moveaxis(self.act(element, np.moveaxis(images, 0, -1)), -1, 0)

    def act_on_features(self, element: int, features: np.ndarray) -> np.ndarray:
        """Features on the group (samples, height, width, filters * order): turned, and their orientations permuted.

        [L_u f](x, g) = f(u^-1 x, u^-1 g). A layer is equivariant where acting on its input acts so on its output.
        """
        before = [self.product(self.inverse(element), other) for other in range(self.order)]
        by_orientation = features.reshape(*features.shape[:3], -1, self.order)[..., before]
        return self.act_on_images(element, by_orientation.reshape(features.shape))

    def product(self, left: int, right: int) -> int:
        """The element that acts as `right` and then `left`."""
        return int(self._products[left, right])

    def inverse(self, element: int) -> int:
        """The element that undoes `element`."""
        return int(np.flatnonzero(self._products[element] == 0)[0])

    def filters(self, layer: Any, channels: int) -> int:
        """How many filters are behind so many channels of features on the group.

        Args:
            layer: The layer that reads them, for the error.
            channels: Filters times orientations.

        Raises:
            UnsupportedLayerError: The orientations do not divide the channels; the message names the layer.
        """
        if channels % self.order:
            raise UnsupportedLayerError(
                f"Layer '{layer.name}' ({type(layer).__name__}): its input has {channels} channels, which the "
                f"{self.order} orientations of {self.name} do not divide. Give it the output of a LiftingConv2D or "
                f"GroupConv2D with group={self.name!r}."
            )
        return channels // self.order

    @cached_property
    def _products(self) -> np.ndarray:
        # The corners of a square tell all of its symmetries apart.
        corners = np.arange(4).reshape(2, 2)
        known = {self.act(element, corners).tobytes(): element for element in range(self.order)}
        return np.array(
            [
                [known[self.act(left, self.act(right, corners)).tobytes()] for right in range(self.order)]
                for left in range(self.order)
            ]
        )


P4 = Group("p4", 4)
P4M = Group("p4m", 8)


def named_group(name: str) -> Group:
    """The group of a name.

    Raises:
        RecipeError: There is no such group.
    """
    groups = {known.name: known for known in (P4, P4M)}
    if name not in groups:
        raise RecipeError(f"Unknown symmetry group {name!r}. {suggestion(str(name), groups)}")
    return groups[name]


@cache
def bank_indices(name: str, size: int, orientations: int) -> np.ndarray:
    """Where each entry of the transformed copies of a filter comes from.

    A filter psi over positions and, on the group, orientations has one copy for each element g of the group:

        psi_g(y, h) = psi(g^-1 y, g^-1 h)

    Args:
        name: The group's.
        size: Height and width of the filter.
        orientations: Those of its input: the group's order, or 1 for an image.

    Returns:
        Integers (size * size * orientations, order), each the place of an entry of the filter, flat.

    Example:
        >>> bank_indices("p4", 2, 1).T
        array([[0, 1, 2, 3],
               [1, 3, 0, 2],
               [3, 2, 1, 0],
               [2, 0, 3, 1]])

    Reference:
        Cohen and Welling, "Group Equivariant Convolutional Networks", arXiv:1602.07576, section 7.
    """
    found = named_group(name)
    places = np.arange(size * size * orientations).reshape(size, size, orientations)
    copies = []
    for element in range(found.order):
        source = [found.product(found.inverse(element), other) for other in range(orientations)]
        copies.append(found.act(element, places[..., source] if orientations > 1 else places).reshape(-1))
    return np.stack(copies, axis=-1)


def is_symmetric(size: int, window: int, stride: int, padding: str) -> bool:
    """Whether a window that moves over `size` pixels visits places that a reflection maps to each other.

    Without it a turn of the input is no turn of the output: strides of 2 over an even size with a 3-pixel window, or
    pooling by 2 over an odd size.

    Args:
        size: Pixels along the axis, from 1.
        window: Of the kernel or the pool, dilation counted in.
        stride: Of the window.
        padding: `"valid"` or `"same"`, as TensorFlow pads: the odd pixel at the end.

    Example:
        >>> is_symmetric(28, 3, 1, "valid"), is_symmetric(28, 2, 2, "valid"), is_symmetric(13, 2, 2, "valid")
        (True, True, False)
        >>> is_symmetric(28, 3, 2, "same"), is_symmetric(29, 3, 2, "same")
        (False, True)
    """
    places = -(-size // stride) if padding == "same" else (size - window) // stride + 1
    left_over = size - ((places - 1) * stride + window)
    return left_over == 0 or (padding == "same" and left_over < 0 and left_over % 2 == 0)
