"""Layers of compact networks, which compute more from fewer weights; each becomes plain operators of TFLite.

Importing this room registers its classes with Keras, so that a model that uses them loads without a scope.
"""

from tfcompress.layers.group_convolution import GroupConv2D, LiftingConv2D
from tfcompress.layers.group_normalization import GroupBatchNormalization
from tfcompress.layers.group_pooling import GroupPooling
from tfcompress.layers.symmetry import P4, P4M, Group

__all__ = [
    "P4",
    "P4M",
    "Group",
    "GroupBatchNormalization",
    "GroupConv2D",
    "GroupPooling",
    "LiftingConv2D",
]
