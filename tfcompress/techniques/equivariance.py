"""A plain convolutional network made equivariant: its convolutions lifted to a symmetry group, layer by layer."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import keras

from tfcompress.errors import TfCompressWarning, UnsupportedLayerError
from tfcompress.layers import Group, GroupBatchNormalization, GroupConv2D, GroupPooling, LiftingConv2D
from tfcompress.layers.symmetry import is_symmetric
from tfcompress.models.channel_passing import is_elementwise
from tfcompress.models.cloning import clone_layer, clone_operation, copy_state
from tfcompress.models.graph import LayerCall, input_layers, run, trace
from tfcompress.techniques.symmetric_layers import (
    BORDERS,
    WINDOWS,
    keeps_symmetry,
    merges,
    normalizes_channels,
    reads_out,
    reshapes,
    scales_channels,
    tells_places,
)

_L = keras.layers


def equivariant(flat: keras.Model, group: Group, width: float) -> keras.Model:
    """A new network with the graph of a plain one, whose convolutions are on a symmetry group, their weights fresh.

    The first convolution on each path becomes a lifting, the others group convolutions, batch norm that of the group.
    What reads features as plain channels (global pooling, flatten, dense, the model's output) reads their maximum over
    orientations. Convolutions have `width` times their filters, except those whose channels are the model's output.

    Where global pooling reads the features, turning the input leaves the answer as it is; where the model gives out
    maps, they turn too.

    Args:
        flat: A flat Functional model. It is not changed.
        group: The group.
        width: Filters of a layer over those of the plain one, in (0, 1].

    Returns:
        The new model, uncompiled.

    Raises:
        UnsupportedLayerError: A layer on the way breaks the symmetry, is not known to keep it, or does not take
            another number of channels; the message names it.

    Warns:
        TfCompressWarning: A stride or pooling that does not lie symmetrically over its pixels: there, and so in the
            whole, equivariance is not exact. Or a layer, such as Flatten, that tells places apart: behind it the answer
            changes when the input turns.
    """
    calls, outputs = trace(flat, flat.inputs)
    lifting = _Lifting(flat.name, group, width, _of_the_output(calls, outputs))
    inputs = [_L.InputLayer.from_config(layer.get_config()).output for layer in input_layers(flat)]
    made = run(flat, inputs, lifting.call)
    made = keras.tree.map_structure(lifting.read_out, made)
    lifting.copy_state()
    if lifting.inexact:
        warnings.warn(
            f"{group.name}: turning the input is not exactly turning the features at {'; '.join(lifting.inexact)}. "
            "Choose sizes, windows and strides that leave no pixel over on one side.",
            TfCompressWarning,
            stacklevel=5,
        )
    if lifting.telling:
        warnings.warn(
            f"{group.name}: the answer changes when the input turns, because of {'; '.join(lifting.telling)}. Read "
            "features with global pooling, such as GlobalAveragePooling2D.",
            TfCompressWarning,
            stacklevel=5,
        )
    return keras.Model(keras.tree.pack_sequence_as(flat.input, inputs), made, name=flat.name)


def _of_the_output(calls: list[LayerCall], outputs: list[Any]) -> set[int]:
    """The convolutions whose channels come out of the model, and those with which they are added up, by id."""
    sources: dict[int, set[int]] = {}
    tied: list[set[int]] = []
    for call in calls:
        read = [sources.get(id(tensor), set()) for tensor in call.inputs]
        if isinstance(call.operation, _L.Conv2D):
            made = {id(call.operation)}
        elif isinstance(call.operation, _L.Dense):
            made = set()
        else:
            made = set().union(*read)
        sources |= {id(tensor): made for tensor in call.outputs}
        if len(read) > 1:
            tied.append(made)
    found = set().union(*(sources.get(id(tensor), set()) for tensor in outputs))
    while grown := [ids for ids in tied if ids & found and not ids <= found]:
        found = found.union(*grown)
    return found


@dataclass
class _Lifting:
    """One rewrite under way: which tensors are images, which are features on the group."""

    model: str
    group: Group
    width: float
    of_the_output: set[int]
    lifted: set[int] = field(default_factory=set)
    pooled: dict[int, Any] = field(default_factory=dict)
    successors: dict[int, tuple[keras.Operation, keras.Operation]] = field(default_factory=dict)
    inexact: list[str] = field(default_factory=list)
    telling: list[str] = field(default_factory=list)
    kept: list[Any] = field(default_factory=list)

    def call(self, source: keras.Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The outputs of one node in the new graph."""
        tensors = _tensors(args, kwargs)
        lifted = [id(tensor) in self.lifted for tensor in tensors]
        if isinstance(source, _L.Conv2D) and len(tensors) == 1:
            return self._convolution(source, tensors[0])
        self._check_constants(source, args, kwargs, lifted=any(lifted))
        if not any(lifted):
            self._check_image(source, tensors)
            return self._plain(source, args, kwargs)
        if keeps_symmetry(source) or merges(source):
            if not all(lifted):
                raise self._refusal(source, "reads features on the group together with others")
            self._check_places(source, tensors[0])
            return self._features(self._same(source)(*args, **kwargs))
        if normalizes_channels(source):
            made = self._once(source, GroupBatchNormalization, lambda: self._normalization(source))
            return self._features(made(*args, **kwargs))
        if reads_out(source):
            return self._plain(source, keras.tree.map_structure(self.read_out, args), kwargs)
        raise self._refusal(source, "is not known to keep the symmetry")

    def read_out(self, tensor: Any) -> Any:
        """Features as plain channels: the largest over their orientations; anything else as it is."""
        if id(tensor) not in self.lifted:
            return tensor
        if id(tensor) not in self.pooled:
            name = f"group_pooling_{len(self.pooled) + 1}" if self.pooled else "group_pooling"
            self.pooled[id(tensor)] = GroupPooling(self.group.name, name=name)(tensor)
        return self.pooled[id(tensor)]

    def _plain(self, source: keras.Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The outputs of what reads no features on the group; notes it where it tells the places of a map apart."""
        tensors = _tensors(args, kwargs)
        shapes = [tuple(tensor.shape) for tensor in tensors]
        try:
            made = self._same(source)(*args, **kwargs)
        except (ValueError, TypeError) as error:
            raise self._misfit(source, shapes) from error
        if reshapes(source) and None not in shapes[0][1:] and prod(made.shape[1:]) != prod(shapes[0][1:]):
            raise self._misfit(source, shapes)
        for shape in shapes:
            if len(shape) == 4 and isinstance(made, keras.KerasTensor) and tells_places(source, shape, made.shape):
                self.telling.append(
                    f"'{source.name}' ({type(source).__name__}), which tells {shape[1]} x {shape[2]} places apart"
                )
        return made

    def _misfit(self, source: keras.Operation, shapes: list[tuple[Any, ...]]) -> UnsupportedLayerError:
        given = " and ".join(str(shape[1:]) for shape in shapes)
        return self._refusal(
            source, f"does not take {given}, of which the last is the number of channels", "Let it take any number."
        )

    def _convolution(self, source: keras.layers.Conv2D, tensor: Any) -> Any:
        """A lifting or a group convolution, by what it reads; features that were read out are an image again."""
        if type(source) is not _L.Conv2D or source.groups > 1:
            raise self._refusal(source, "is not known to keep the symmetry")
        if not is_elementwise(source.activation):
            raise self._refusal(
                source, f"compares channels in its activation '{_name(source.activation)}'", "Make that a layer."
            )
        self._check_places(source, tensor)
        kind = GroupConv2D if id(tensor) in self.lifted else LiftingConv2D
        return self._features(self._once(source, kind, lambda: self._on_group(source, kind))(tensor))

    def _on_group(self, source: keras.layers.Conv2D, kind: type[keras.Layer]) -> keras.Layer:
        config = convolution_settings(source) | {"group": self.group.name}
        if id(source) not in self.of_the_output:
            config["filters"] = max(1, round(self.width * source.filters))
        return kind.from_config(config)

    def _normalization(self, source: keras.layers.BatchNormalization) -> keras.Layer:
        dropped = ("axis", "renorm", "renorm_clipping", "renorm_momentum", "synchronized")
        config = {name: value for name, value in source.get_config().items() if name not in dropped}
        return GroupBatchNormalization.from_config(config | {"group": self.group.name})

    def _same(self, source: keras.Operation) -> keras.Operation:
        """The layer or operation again."""
        if isinstance(source, keras.Layer):
            return self._once(source, type(source), lambda: clone_layer(source, source.name))
        return self._once(source, type(source), lambda: clone_operation(source, source.name))

    def _once(self, source: keras.Operation, kind: type, make: Callable[[], keras.Operation]) -> keras.Operation:
        """What stands in for `source`, made at its first call."""
        if id(source) not in self.successors:
            self.successors[id(source)] = source, make()
        made = self.successors[id(source)][1]
        if type(made) is not kind:
            raise self._refusal(source, "is called on features on the group and elsewhere too", "Use two layers.")
        return made

    def copy_state(self) -> None:
        """Copies the weights of layers that are what they were: statistics of a normalization, a dense layer's."""
        for source, made in self.successors.values():
            if isinstance(source, keras.Layer) and type(made) is type(source):
                shapes = [[tuple(item.shape) for item in layer.variables] for layer in (source, made)]
                if shapes[0] == shapes[1]:
                    copy_state(source, made)

    def _features(self, tensor: Any) -> Any:
        self.kept.append(tensor)  # so that no other tensor gets its id
        self.lifted.add(id(tensor))
        return tensor

    def _check_constants(
        self, source: keras.Operation, args: tuple[Any, ...], kwargs: dict[str, Any], *, lifted: bool
    ) -> None:
        """Refuses constants that differ from channel to channel of features, or from place to place of a map."""
        maps = any(len(tensor.shape) == 4 for tensor in _tensors(args, kwargs))
        for value in keras.tree.flatten([list(args), kwargs]):
            shape = () if isinstance(value, keras.KerasTensor) else tuple(getattr(value, "shape", ()))
            places = (1, 1, 1, *shape)[-3:-1]
            if prod(shape) > 1 and (lifted or (maps and places != (1, 1))):
                raise self._refusal(source, f"has a constant {shape} that differs between places or channels")

    def _check_image(self, source: keras.Operation, tensors: list[Any]) -> None:
        """Refuses what would break the symmetry before the first convolution."""
        for tensor in tensors:
            if len(tensor.shape) != 4:
                continue
            if not (keeps_symmetry(source) or merges(source) or reads_out(source) or scales_channels(source)):
                raise self._refusal(source, "is not known to keep the symmetry")
            self._check_places(source, tensor)

    def _check_places(self, source: keras.Operation, tensor: Any) -> None:
        """Refuses windows that a turn changes, and notes those that lie unevenly over their pixels."""
        if isinstance(source, BORDERS):
            sides = source.padding if isinstance(source, _L.ZeroPadding2D) else source.cropping
            if len({side for pair in sides for side in pair}) > 1:
                raise self._refusal(source, f"adds or removes {sides} pixels, which differ from side to side")
        if isinstance(source, _L.UpSampling2D) and len(set(source.size)) > 1:
            raise self._refusal(source, f"enlarges by {source.size}, which a quarter turn does not leave as it is")
        if not isinstance(source, (*WINDOWS, _L.Conv2D)):
            return
        windows = source.kernel_size if isinstance(source, _L.Conv2D) else source.pool_size
        dilation = source.dilation_rate if isinstance(source, _L.Conv2D) else (1, 1)
        if len(set(windows)) > 1 or len(set(source.strides)) > 1:
            raise self._refusal(
                source, f"has windows of {windows} with strides {source.strides}, which a quarter turn changes"
            )
        if isinstance(source, _L.Conv2D) and source.padding == "same" and windows[0] % 2 == 0:
            raise self._refusal(
                source, f"is padded on one side by padding='same' with its kernel of {windows[0]} x {windows[0]}"
            )
        window, stride = (windows[0] - 1) * dilation[0] + 1, source.strides[0]
        uneven = [
            size
            for size in tensor.shape[1:3]
            if size is not None and not is_symmetric(size, window, stride, source.padding)
        ]
        if uneven:
            text = f"'{source.name}' ({uneven[0]} pixels, windows of {window} every {stride}, {source.padding})"
            self.inexact.append(text)

    def _refusal(self, source: keras.Operation, what: str, instead: str = "") -> UnsupportedLayerError:
        instead = instead or "Leave it out or replace it, or choose a form that rewrites single layers."
        return UnsupportedLayerError(
            f"{self.group.name}: layer '{source.name}' ({type(source).__name__}) of the model {self.model!r} {what}. "
            f"{instead}"
        )


def convolution_settings(source: keras.layers.Conv2D) -> dict[str, Any]:
    """A convolution's config without what only plain ones have."""
    dropped = ("data_format", "groups", "lora_rank", "lora_alpha", "quantization_config")
    return {name: value for name, value in source.get_config().items() if name not in dropped}


def _tensors(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    return [value for value in keras.tree.flatten([list(args), kwargs]) if isinstance(value, keras.KerasTensor)]


def _name(activation: Any) -> str:
    return getattr(activation, "__name__", type(activation).__name__)
