"""Compact filters: a network's plain convolutions rewritten into a form with fewer weights, to be trained."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import keras

from tfcompress.errors import RecipeError, TfCompressWarning, suggestion
from tfcompress.models.surgery import flatten
from tfcompress.techniques.compact_blocks import DepthwiseSeparable
from tfcompress.techniques.compact_form import Form
from tfcompress.techniques.compact_forms import make_form, plain_convolutions
from tfcompress.techniques.technique import Technique, check_ready


@dataclass(frozen=True)
class CompactFilters(Technique):
    """Rewrites plain convolutions (`keras.layers.Conv2D`) into a form with fewer weights.

    Forms, each with a class of settings of its name:

    - `DepthwiseSeparable`, `Fire(squeeze)`, `InvertedResidual(expansion)`: blocks of smaller convolutions, from plain
      Keras layers;
    - `DoublyConvolutional(extra, pool)`: filters that are windows of larger meta filters;
    - `ConcatenatedReLU`: half of the filters, of which both the positive and the negative part go on;
    - `P4(width)`, `P4M(width)`: convolutions on the group of quarter turns, or of turns and reflections; the network is
      rewritten as a whole. Where global pooling reads its features, what it answers changes no more when the input
      turns; a layer that tells places apart, such as Flatten, is named.

    What is rewritten begins with fresh weights: train it from scratch, or let it learn from the model it came from.
    Other layers keep theirs where the shape stays. Nested models come out flattened. What was left alone is said once,
    with the reason.

    Layers of the last three forms are `tfc.layers`; in a `.tflite` they are plain convolutions, with all copies of
    their filters: they save weights to train and to send as `.keras`, not bytes or time of the `.tflite`. Blocks and
    `ConcatenatedReLU` save all of them.

    Args:
        form: The form of all plain convolutions, its name or its table; None where only `layers` are meant.
        layers: The form of particular convolutions, by name pattern with `*` and `?`; the first that matches counts,
            before `skip`. Not with a group.
        skip: Patterns of convolutions to leave alone, such as the first. Not with a group.

    Raises:
        RecipeError: A form or setting is unknown or out of range, or a group is to be for some layers only.

    Example:
        >>> import tfcompress as tfc
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(16, 3, name="conv")])
        >>> compact = tfc.CompactFilters("DepthwiseSeparable").wrap(model)     # compile and fit it
        >>> [layer.name for layer in compact.layers[1:]]
        ['conv_depthwise', 'conv_depthwise_norm', 'conv_depthwise_relu', 'conv']

    Reference:
        Howard et al., arXiv:1704.04861; Iandola et al., arXiv:1602.07360; Sandler et al., arXiv:1801.04381; Zhai et
        al., arXiv:1610.09716; Shang et al., arXiv:1603.05201; Cohen and Welling, arXiv:1602.07576.
    """

    form: Form | Mapping[str, Any] | str | None = field(default_factory=DepthwiseSeparable)
    layers: Mapping[str, Any] = field(default_factory=dict)
    skip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "form", None if self.form is None else make_form(self.form))
        object.__setattr__(self, "layers", {pattern: make_form(form) for pattern, form in self.layers.items()})
        object.__setattr__(self, "skip", tuple(self.skip))
        if self.form is None and not self.layers:
            raise RecipeError("CompactFilters: there is neither a form nor one for particular layers. Give one.")
        forms = [self.form, *self.layers.values()]
        if any(form is not None and form.whole for form in forms) and (self.layers or self.skip):
            raise RecipeError(
                "CompactFilters: a network on a group is rewritten as a whole. Give P4 or P4M as the form, without "
                "`layers` and `skip`."
            )

    @property
    def trains(self) -> bool:
        """True: what is rewritten begins with fresh weights."""
        return True

    def wrap(self, model: keras.Model) -> keras.Model:
        """A new model with its convolutions rewritten, ready to compile and fit.

        Raises:
            RecipeError: The model has no convolution to rewrite, or a pattern matches none.
            UnsupportedLayerError: A convolution cannot have the form, or the model has no graph; names the layer.
            ModelError: A weight is NaN or infinite, or the model is one of tf_keras.
        """
        check_ready(model)
        flat = flatten(model)
        names = [layer.name for layer in plain_convolutions(flat)]
        by_form, left = self._chosen(flat.name, names)
        rewritten = 0
        for form, own in by_form:
            convolutions = [layer for layer in plain_convolutions(flat) if layer.name in own]
            reasons = form.left_alone(flat, convolutions)
            left |= reasons
            if chosen := [name for name in own if name not in reasons]:
                flat = form.rewrite(flat, chosen)
                rewritten += len(chosen)
        text = "; ".join(f"{name} ({left[name]})" for name in names if name in left)
        if not rewritten:
            raise RecipeError(
                f"CompactFilters: the model {model.name!r} has no plain Conv2D to rewrite{': ' if text else ''}{text}."
            )
        if text:
            warnings.warn(f"CompactFilters left alone {text}.", TfCompressWarning, stacklevel=2)
        return flat

    def _chosen(self, model: str, names: list[str]) -> tuple[list[tuple[Form, list[str]]], dict[str, str]]:
        """Each form with the names of its convolutions, and why others are left alone.

        Raises:
            RecipeError: A pattern matches none.
        """
        for pattern in (*self.layers, *self.skip):
            if not any(fnmatchcase(name, pattern) for name in names):
                raise RecipeError(
                    f"CompactFilters: {pattern!r} matches no plain Conv2D of {model!r}. "
                    + (suggestion(pattern, names) if names else "It has none.")
                )
        by_form: list[tuple[Form, list[str]]] = []
        left = {}
        for name in names:
            own = next((form for pattern, form in self.layers.items() if fnmatchcase(name, pattern)), None)
            skip = next((pattern for pattern in self.skip if fnmatchcase(name, pattern)), None)
            form = own or (None if skip else self.form)
            if not isinstance(form, Form):
                left[name] = f"skip has {skip!r}" if skip else "it has no form in `layers`"
                continue
            alike = next((chosen for known, chosen in by_form if known == form), None)
            if alike is None:
                by_form.append((form, [name]))
            else:
                alike.append(name)
        return by_form, left
