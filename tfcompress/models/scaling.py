"""Which channels of a model may be scaled freely: made smaller by one layer, read larger by the next."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from tfcompress.models.channel_labels import ChannelLabels, Label, title
from tfcompress.models.channel_passing import barrier, channel_axis
from tfcompress.models.channel_rules import follow
from tfcompress.models.folding import scale_and_shift
from tfcompress.models.graph import LayerCall, graph_of, trace
from tfcompress.models.homogeneous import SHIFTABLE, is_homogeneous, is_homogeneous_activation, is_relu

_L = keras.layers
_TRANSPOSED = (_L.Conv1DTranspose, _L.Conv2DTranspose, _L.Conv3DTranspose)
_DEPTHWISE = (_L.DepthwiseConv1D, _L.DepthwiseConv2D)
_KERNELS = (_L.Dense, _L.Conv1D, _L.Conv2D, _L.Conv3D, *_TRANSPOSED, *_DEPTHWISE)


@dataclass(frozen=True, eq=False)
class Factor:
    """A weight that changes with the scale of channels.

    Attributes:
        layer: The layer whose weight it is.
        variable: The weight.
        ids: For its entries the channel that they go with, broadcast to the weight's shape.
        power: 1 where the entries read the channel, -1 where they make it.
    """

    layer: keras.Layer
    variable: keras.Variable
    ids: np.ndarray
    power: int


@dataclass(frozen=True, eq=False)
class Link:
    """What makes channels: a kernel with the batch norm that alone follows it, a kernel, or a batch norm of its own.

    Attributes:
        layer: The layer with the kernel; None for a batch norm that follows none.
        batch_norm: The batch norm, or None.
        makes: The id of each channel that it makes.
        reads: The id of the channel of each entry along `axis` of the kernel; None where these cannot be scaled.
        axis: The axis of the kernel along which it reads.
        shifted: The link whose channels, rectified, reach this kernel entry by entry, borders included, so that a
            constant may be taken from them and given to this one's bias; or None.
    """

    layer: keras.Layer | None
    batch_norm: keras.layers.BatchNormalization | None
    makes: np.ndarray
    reads: np.ndarray | None = None
    axis: int = 0
    shifted: "Link | None" = None

    @property
    def name(self) -> str:
        """The layer's name."""
        return str((self.layer or self.batch_norm).name)  # type: ignore[union-attr]

    def kernel(self) -> np.ndarray:
        """The kernel times the factor of the batch norm, as the runtime has it; of a batch norm alone, its factor."""
        if self.layer is None:
            return np.abs(self.batch_norm.gamma.numpy()).astype("float64")  # type: ignore[union-attr]
        return folded_kernel(self.layer, self.batch_norm)

    def scaled(self, kernel: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """The kernel when its channels have scales, `scales[id]`."""
        scaled = kernel / scales[self.makes].reshape(_made_shape(self.layer, kernel))
        if self.reads is not None:
            scaled = scaled * scales[_along(self.reads, self.axis, kernel.ndim)]
        return scaled

    def made_ranges(self, kernel: np.ndarray) -> np.ndarray:
        """The largest magnitude of each channel's own weights."""
        made = _made_shape(self.layer, kernel)
        others = tuple(axis for axis, size in enumerate(made) if size == 1)
        return np.abs(kernel).max(axis=others).ravel()

    def summed(self, values: np.ndarray) -> np.ndarray:
        """For each channel that is made the sum of an array of the kernel's shape."""
        others = tuple(axis for axis, size in enumerate(_made_shape(self.layer, values)) if size == 1)
        summed: np.ndarray = values.sum(axis=others).ravel()
        return summed

    def read_ranges(self, kernel: np.ndarray) -> np.ndarray:
        """The largest magnitude of the weights with which each entry is read."""
        others = tuple(axis for axis in range(kernel.ndim) if axis != self.axis)
        return np.abs(kernel).max(axis=others)


@dataclass(frozen=True, eq=False)
class ScalableChannels:
    """The channels of a model that may be scaled.

    Attributes:
        factors: The weights that change with them.
        links: What makes and reads them.
        classes: For each id the class of channels that have one scale.
        free: For each class whether it may be scaled.
        kept: Layers whose channels may not be scaled, with the reason.
    """

    factors: tuple[Factor, ...]
    links: tuple[Link, ...]
    classes: np.ndarray
    free: np.ndarray
    kept: tuple[tuple[str, str], ...]


def scalable_channels(model: keras.Model) -> ScalableChannels:
    """Finds the channels that may be scaled: with y_i / s_i made and s_i y_i read, the model computes the same.

    Between a layer that makes a channel and those that read it there may be ReLUs, pooling, padding, sums,
    concatenations, reshaping: all that hands a positive factor on. Channels that meet in a sum have one scale.

    Args:
        model: A Functional or Sequential model. It is not changed.

    Raises:
        UnsupportedLayerError: A subclassed model, whose graph is not known.
        ModelError: A Sequential without an input shape.

    Example:
        >>> layers = [keras.layers.Conv2D(4, 3, activation="relu", name="a"), keras.layers.Conv2D(2, 3, name="b")]
        >>> found = scalable_channels(keras.Sequential([keras.Input((8, 8, 3)), *layers]))
        >>> int(found.free.sum()), [(item.layer.name, item.variable.name, item.power) for item in found.factors[:4]]
        (4, [('a', 'kernel', 1), ('a', 'kernel', -1), ('a', 'bias', -1), ('b', 'kernel', 1)])
    """
    graph = graph_of(model)
    inputs = [keras.KerasTensor((1, *tensor.shape[1:]), tensor.dtype, name=tensor.name) for tensor in graph.inputs]
    calls, outputs = trace(graph, inputs)
    walk = _Walk(calls, outputs)
    for tensor in inputs:
        if len(tensor.shape) > 1 and tensor.shape[-1] is not None:
            ids = walk.labels.kept(tensor.shape[-1], "are the model's input")
            walk.labels.put(tensor, Label(len(tensor.shape) - 1, ids))
    for call in calls:
        for tensor, label in zip(call.outputs, walk.follow(call), strict=True):
            walk.labels.put(tensor, label)
    for tensor in outputs:
        if (label := walk.labels.of(tensor)) is not None:
            walk.labels.keep(label.ids, "are the model's output", first=True)
    return walk.result()


@dataclass
class _Walk:
    """The graph under way, call by call."""

    calls: list[LayerCall]
    outputs: list[Any]
    labels: ChannelLabels = field(default_factory=ChannelLabels)
    factors: list[Factor] = field(default_factory=list)
    links: dict[int, Link] = field(default_factory=dict)
    norms: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.read_by: dict[int, list[LayerCall]] = {}
        for call in self.calls:
            for tensor in call.inputs:
                self.read_by.setdefault(id(tensor), []).append(call)
        self.given_out = {id(tensor) for tensor in self.outputs}
        self.times = Counter(id(call.operation) for call in self.calls)
        self.normed: dict[int, Link] = {}
        self.rectified: dict[int, Link] = {}

    def follow(self, call: LayerCall) -> list[Label | None]:
        """The labels of a call's outputs."""
        operation = call.operation
        if type(operation) in _KERNELS and not _is_special(operation):
            return [self._kernel(call)]
        if type(operation) is _L.BatchNormalization:
            return [self._batch_norm(call)]
        if not is_homogeneous(call):
            return barrier(call, self.labels, f"reach {title(operation)}, which does not hand a scale on")
        found = follow(call, self.labels)
        source = call.inputs[0]
        if is_relu(operation) and id(source) in self.normed and self._is_read_once(source):
            self.rectified[id(call.outputs[0])] = self.normed[id(source)]
        elif isinstance(operation, SHIFTABLE) and id(source) in self.rectified:
            self.rectified[id(call.outputs[0])] = self.rectified[id(source)]
        return found

    def result(self) -> ScalableChannels:
        """What was found, once all calls have been followed."""
        classes, reasons = self.labels.solve()
        links = tuple(self.links.values())
        free = _members(classes, [link.makes for link in links])
        free &= _members(classes, [link.reads for link in links if link.reads is not None])
        free[list(reasons)] = False
        kept: dict[str, str] = {}
        for link in links:
            reason = next((reasons[name] for name in classes[link.makes].tolist() if name in reasons), None)
            if reason is not None:
                kept.setdefault(link.name, reason)
        return ScalableChannels(tuple(self.factors), links, classes, free, tuple(kept.items()))

    def _kernel(self, call: LayerCall) -> Label:
        layer, source, shape = call.operation, call.inputs[0], tuple(call.operation.kernel.shape)
        axis = len(call.output_shape) - 1 if isinstance(layer, _L.Dense) else channel_axis(layer, len(call.input_shape))
        label, known = self.labels.of(source), self.links.get(id(layer))
        if label is not None and (label.axis != axis or getattr(layer, "groups", 1) > 1):
            self.labels.keep(label.ids, f"are read along another axis, or in groups, by {title(layer)}")
            label = None
        following = self._only_batch_norm(call)
        if known is None:
            made = _made_shape(layer, layer.kernel)
            known = Link(
                layer,
                following,
                self.labels.fresh(int(np.prod(made))),
                None if label is None else label.ids,
                len(shape) - (1 if isinstance(layer, _TRANSPOSED) else 2),
                self.rectified.get(id(source)) if self._takes_a_shift(call) else None,
            )
            self.links[id(layer)] = known
            if label is not None:
                self.factors.append(Factor(layer, layer.kernel, _along(label.ids, known.axis, len(shape)), 1))
            if following is None:
                self.factors.append(Factor(layer, layer.kernel, known.makes.reshape(made), -1))
                self.factors += [Factor(layer, layer.bias, known.makes, -1)] if layer.use_bias else []
        elif label is not None and known.reads is not None:
            self.labels.tie(known.reads, label.ids)
        elif label is not None:
            self.labels.keep(label.ids, f"reach {title(layer)}, which is called elsewhere too")
        if following is not None:  # the batch norm makes the channels
            return Label(axis, self.labels.kept(known.makes.size, "are normalized"))
        if not is_homogeneous_activation(layer.activation):
            self.labels.keep(known.makes, f"pass the activation of {title(layer)}, which does not hand a scale on")
        return Label(axis, known.makes)

    def _batch_norm(self, call: LayerCall) -> Label | None:
        """It makes its channels anew; what it reads is normalized, so that a scale would not matter."""
        layer, axis = call.operation, call.operation.axis % len(call.input_shape)
        barrier(call, self.labels, f"are normalized by {title(layer)}")
        link = next((item for item in self.links.values() if item.batch_norm is layer), None)
        if link is None:
            if layer.gamma is None:
                return None
            link = self.links[id(layer)] = Link(None, layer, self.labels.fresh(call.input_shape[axis]))
        if id(layer) not in self.norms:
            self.norms.add(id(layer))
            self.factors += [
                Factor(layer, item, link.makes, -1) for item in (layer.gamma, layer.beta) if item is not None
            ]
        if layer.gamma is None or call.argument("training"):
            self.labels.keep(link.makes, f"have no factor in {title(layer)}, or its statistics move")
        if self.times[id(layer)] == 1:
            self.normed[id(call.outputs[0])] = link
        return Label(axis, link.makes)

    def _only_batch_norm(self, call: LayerCall) -> keras.layers.BatchNormalization | None:
        """The batch norm that alone reads a kernel's output, each of them called once."""
        layer, output = call.operation, call.outputs[0]
        if type(layer) not in _KERNELS or layer.activation is not keras.activations.linear:
            return None
        if not self._is_read_once(output) or self.times[id(layer)] > 1:
            return None
        reader = self.read_by[id(output)][0].operation
        axis = (
            len(call.output_shape) - 1 if isinstance(layer, _L.Dense) else channel_axis(layer, len(call.output_shape))
        )
        fits = type(reader) is _L.BatchNormalization and reader.axis % len(call.output_shape) == axis
        return reader if fits and self.times[id(reader)] == 1 else None

    def _is_read_once(self, tensor: Any) -> bool:
        return len(self.read_by.get(id(tensor), ())) == 1 and id(tensor) not in self.given_out

    def _takes_a_shift(self, call: LayerCall) -> bool:
        """Whether a constant on each input channel is a constant on each output, at the borders too."""
        layer = call.operation
        plain = isinstance(layer, (_L.Dense, _L.Conv1D, _L.Conv2D, _L.Conv3D, *_DEPTHWISE))
        padded = getattr(layer, "padding", "valid") != "valid" and any(size > 1 for size in layer.kernel_size)
        return plain and not padded and self.times[id(layer)] == 1


def folded_kernel(layer: keras.Layer, batch_norm: keras.layers.BatchNormalization | None) -> np.ndarray:
    """The kernel of a layer as the runtime has it, times the factor of the batch norm that follows; float64.

    Example:
        >>> layer = keras.layers.Dense(1, use_bias=False)
        >>> layer.build((None, 2)); layer.set_weights([np.array([[1.0], [3.0]])])
        >>> folded_kernel(layer, None).tolist()
        [[1.0], [3.0]]
    """
    kernel = layer.kernel.numpy().astype("float64")
    if batch_norm is None:
        return kernel
    scale, _ = scale_and_shift(*_statistics(batch_norm), batch_norm.epsilon)
    if isinstance(layer, _DEPTHWISE):
        return kernel * scale.reshape(kernel.shape[-2:])
    return kernel * (scale[:, np.newaxis] if isinstance(layer, _TRANSPOSED) else scale)


def _made_shape(layer: keras.Layer | None, kernel: Any) -> tuple[int, ...]:
    """The shape of a kernel's output channels, with 1 for every other axis."""
    shape = tuple(kernel.shape)
    if isinstance(layer, _DEPTHWISE):
        return (1,) * (len(shape) - 2) + shape[-2:]
    making = len(shape) - (2 if isinstance(layer, _TRANSPOSED) else 1)
    return tuple(size if axis == making else 1 for axis, size in enumerate(shape))


def _statistics(layer: keras.layers.BatchNormalization) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    gamma, beta = (None if item is None else item.numpy() for item in (layer.gamma, layer.beta))
    return gamma, beta, layer.moving_mean.numpy(), layer.moving_variance.numpy()


def _along(ids: np.ndarray, axis: int, rank: int) -> np.ndarray:
    """Ids along one axis of an array of this rank."""
    return ids.reshape([-1 if number == axis else 1 for number in range(rank)])


def _members(classes: np.ndarray, arrays: list[np.ndarray]) -> np.ndarray:
    """For each class whether one of these ids belongs to it."""
    found = np.zeros(len(classes), bool)
    for ids in arrays:
        found[classes[ids]] = True
    return found


def _is_special(layer: keras.Layer) -> bool:
    return bool(getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False))
