"""Layers of compact networks, which compute more from fewer weights; each becomes plain operators of TFLite.

Importing this room registers its classes with Keras, so that a model that uses them loads without a scope.
"""

from tfcompress.layers.blocks import Kernels, depthwise_separable, fire, inverted_residual
from tfcompress.layers.crelu import CReLU
from tfcompress.layers.double_convolution import DoubleConv2D
from tfcompress.layers.filter_bank import FilterBankConv2D
from tfcompress.layers.group_convolution import GroupConv2D, LiftingConv2D
from tfcompress.layers.group_normalization import GroupBatchNormalization
from tfcompress.layers.group_pooling import GroupPooling
from tfcompress.layers.symmetry import P4, P4M, Group

__all__ = [
    "P4",
    "P4M",
    "CReLU",
    "DoubleConv2D",
    "FilterBankConv2D",
    "Group",
    "GroupBatchNormalization",
    "GroupConv2D",
    "GroupPooling",
    "Kernels",
    "LiftingConv2D",
    "depthwise_separable",
    "fire",
    "inverted_residual",
]
