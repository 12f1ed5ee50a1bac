"""Made weights in the shapes of known networks, pruned and clustered to given densities and bits, with a fixed seed."""

from dataclasses import dataclass

import numpy as np

from tools.made_tflite import Weights

_LARGEST = 1 << 22  # weights of a layer that are drawn; of larger ones, the first rows


@dataclass(frozen=True)
class Layer:
    """A layer of a network in a paper's table.

    Attributes:
        shape: Of its kernel: (out, height, width, in) or (out, in).
        kept: The share of weights that are not zero.
        bits: Of an index into its codebook, in which one entry is zero.
        index_bits: Of a relative index.
    """

    name: str
    shape: tuple[int, ...]
    kept: float
    bits: int
    index_bits: int

    @property
    def drawn(self) -> tuple[int, ...]:
        """The shape that is drawn: its first rows, so that no layer takes minutes."""
        row = int(np.prod(self.shape[1:]))
        return (min(self.shape[0], max(_LARGEST // row, 1)), *self.shape[1:])

    @property
    def share(self) -> float:
        """How much of the layer is drawn."""
        return self.drawn[0] / self.shape[0]


def _layers(convolutions: str, dense: str, index_bits: int) -> tuple[Layer, ...]:
    """Layers from lines of name, shape and kept percent; codebooks have 8 bits in convolutions, 5 in dense layers."""
    layers = []
    for text, bits in ((convolutions, 8), (dense, 5)):
        for line in text.split(";"):
            name, shape, kept = line.split()
            layers.append(Layer(name, tuple(map(int, shape.split("x"))), float(kept) / 100, bits, index_bits))
    return tuple(layers)


# Kept percents: Han et al., arXiv 1506.02626, tables 4 and 5; bits: arXiv 1510.00149, tables 4 and 5.
ALEXNET = _layers(
    "conv1 96x11x11x3 84; conv2 256x5x5x48 38; conv3 384x3x3x256 35; conv4 384x3x3x192 37; conv5 256x3x3x192 37",
    "fc6 4096x9216 9; fc7 4096x4096 9; fc8 1000x4096 25",
    index_bits=4,
)
VGG16 = _layers(
    "conv1_1 64x3x3x3 58; conv1_2 64x3x3x64 22; conv2_1 128x3x3x64 34; conv2_2 128x3x3x128 36; conv3_1 256x3x3x128 53; "
    "conv3_2 256x3x3x256 24; conv3_3 256x3x3x256 42; conv4_1 512x3x3x256 32; conv4_2 512x3x3x512 27; "
    "conv4_3 512x3x3x512 34; conv5_1 512x3x3x512 35; conv5_2 512x3x3x512 29; conv5_3 512x3x3x512 36",
    "fc6 4096x25088 4; fc7 4096x4096 4; fc8 1000x4096 23",
    index_bits=5,
)


def clustered(
    generator: np.random.Generator, shape: tuple[int, ...], kept: float, clusters: int, spread: float = 0.0
) -> np.ndarray:
    """Float weights pruned to a share that is kept, which share so many values.

    Weights of convolutions are Laplacian, others normal: with these, Huffman codes of the linear clusters come near to
    the bits that arXiv 1510.00149 prints. Clusters are even from the smallest to the largest weight, as in its linear
    initialization.

    Args:
        generator: Where chance comes from.
        shape: Of the kernel, outputs first.
        kept: Share that is not zero.
        clusters: Values beside zero.
        spread: Standard deviation of the logarithm of the scales of rows and of columns; 0: none stands out.
    """
    weights = generator.laplace(size=shape) if len(shape) == 4 else generator.normal(size=shape)
    if spread:
        weights *= np.exp(generator.normal(0, spread, (shape[0], *[1] * (len(shape) - 1))))
        weights *= np.exp(generator.normal(0, spread, shape[-1]))
    sizes = np.abs(weights)
    threshold = np.partition(sizes.ravel(), -max(round(kept * sizes.size), 1))[-max(round(kept * sizes.size), 1)]
    chosen = sizes >= threshold
    low, high = weights[chosen].min(), weights[chosen].max()
    step = (high - low) / max(clusters - 1, 1) or 1.0
    rounded = low + step * np.rint((weights - low) / step)
    return np.where(chosen, np.where(rounded == 0, step / 2, rounded), 0).astype(np.float32)


def int8(values: np.ndarray) -> np.ndarray:
    """Weights in integers of 8 bits, the largest as 127; zeros stay zeros."""
    rounded = np.rint(values / np.abs(values).max() * 127)
    return np.where(values != 0, np.where(rounded == 0, 1, rounded), 0).astype(np.int8)


def mobilenet_v2(generator: np.random.Generator, sparsity: float, clusters: int, spread: float = 0.0) -> list[Weights]:
    """Int8 kernels, biases and scales in the shapes of MobileNetV2 (224, 1.0): 3.5 million weights."""
    found: list[Weights] = []

    def add(name: str, shape: tuple[int, ...], channels: int) -> None:
        values = int8(clustered(generator, shape, 1 - sparsity, clusters, spread))
        found.append(Weights(name, values, np.exp(generator.normal(-6, 0.4, channels)).astype(np.float32)))
        found.append(Weights(f"{name}/bias", generator.normal(0, 3000, channels).astype(np.int32)))

    add("stem", (32, 3, 3, 3), 32)
    given = 32
    for expansion, out, repeats in (
        (1, 16, 1),
        (6, 24, 2),
        (6, 32, 3),
        (6, 64, 4),
        (6, 96, 3),
        (6, 160, 3),
        (6, 320, 1),
    ):
        for _ in range(repeats):
            inner, block = given * expansion, len(found)
            if expansion > 1:
                add(f"{block}/expand", (inner, 1, 1, given), inner)
            add(f"{block}/depthwise", (1, 3, 3, inner), inner)
            add(f"{block}/project", (out, 1, 1, inner), out)
            given = out
    add("last", (1280, 1, 1, 320), 1280)
    add("logits", (1001, 1280), 1001)
    return found


def vgg_like(generator: np.random.Generator, sparsity: float, clusters: int) -> list[Weights]:
    """Int8 kernels of a dense layer of VGG-16's size, 98 million weights, drawn row by row."""
    rows = [int8(clustered(generator, (64, 25088), 1 - sparsity, clusters)) for _ in range(61)]
    return [Weights("fc6", np.concatenate(rows))]
