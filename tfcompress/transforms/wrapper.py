"""The Keras wrapper layer: it holds a layer with its raw kernels and lets it compute with transformed ones.

Keras runs a layer with some variables replaced by tensors (`keras.StatelessScope`), so the inner layer's code need not
be known, and gradients reach the raw kernel through the transforms.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from tfcompress.transforms.transform import Transform, apply_stack


@keras.saving.register_keras_serializable("tfcompress")
class Transformed(keras.layers.Wrapper):
    """Calls `layer` with kernels replaced by what their stacks of transforms make of them.

    The wrapper takes the layer's name, so outputs, losses and `get_layer` find it where the layer was. State that the
    inner layer updates while it runs (moving averages, seeds, recurrent states) and losses it adds are kept.

    Args:
        layer: Any Keras layer.
        stacks: For a position in `layer.weights`, the transforms of that weight, first to last.
        build_config: How the layer is built, where it is not yet: what `layer.get_build_config()` gave before.

    Example:
        >>> import keras, numpy as np
        >>> from tfcompress.transforms.magnitude_mask import MagnitudeMask
        >>> dense = keras.layers.Dense(1, use_bias=False)
        >>> dense.build((None, 4))
        >>> dense.set_weights([np.array([[4.0], [-3.0], [2.0], [-1.0]])])
        >>> wrapped = Transformed(dense, {0: [MagnitudeMask(0.5)]})
        >>> wrapped.start()
        >>> print(wrapped(np.ones((1, 4))).numpy())
        [[1.]]
    """

    def __init__(
        self,
        layer: keras.Layer,
        stacks: Mapping[int, Sequence[Transform]],
        build_config: dict[str, Any] | None = None,
        **keras_arguments: Any,
    ) -> None:
        # Kernels are transformed in their own precision and cast by the inner layer, hence no autocast here.
        keras_arguments |= {"name": layer.name, "dtype": layer.variable_dtype, "autocast": False}
        super().__init__(layer, **keras_arguments)
        self.stacks = {int(position): tuple(stack) for position, stack in stacks.items()}
        self.supports_masking = layer.supports_masking
        self._build_config = build_config or layer.get_build_config()
        self._constraints: dict[int, Callable[[Any], Any] | None] = {}

    def build(self, input_shape: Any = None) -> None:
        """Builds the inner layer, the state of the transforms, and hooks them behind the optimizer's update."""
        if not self.layer.built:
            if self._build_config:
                self.layer.build_from_config(self._build_config)
            else:
                self.layer.build(input_shape)
        for position, stack in self.stacks.items():
            kernel = self.layer.weights[position]
            for order, transform in enumerate(stack):
                transform.build(self, kernel, f"{kernel.name}_{order}")
            self._constraints[position] = kernel.constraint
            instead = next((trained for transform in stack if (trained := transform.trained_instead) is not None), None)
            if instead is None:
                kernel.constraint = _AfterUpdate(stack, kernel.constraint)
            else:
                kernel.trainable = False
                instead.constraint = _AfterOtherUpdate(stack, kernel)
        self.built = True

    def start(self) -> None:
        """Sets the transforms' state from the kernels as they are now; call it once, on trained weights."""
        if not self.built:
            self.build()
        for position, stack in self.stacks.items():
            variable = self.layer.weights[position]
            for transform in stack:
                kernel = keras.ops.stop_gradient(variable)  # its value as a tensor, without a copy
                started = transform.start(kernel)
                if started is not kernel:
                    variable.assign(started)
                if transform.trained_instead is not None:
                    variable.trainable = False  # said again, since copying the trained weights copied their flags too

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The inner layer's output with transformed kernels."""
        replaced = {
            id(kernel): apply_stack(stack, kernel.value)
            for position, stack in self.stacks.items()
            for kernel in [self.layer.weights[position]]
        }
        before = [(variable, replaced.get(id(variable), variable.value)) for variable in self.layer.variables]
        with keras.StatelessScope(before, collect_losses=True) as scope:
            # Values as the scope holds them: it may have converted what it was given.
            held = [(variable, scope.get_current_value(variable)) for variable, _ in before]
            outputs = self.layer(inputs, *args, **kwargs)
        for variable, value in held:
            current = scope.get_current_value(variable)
            if current is not value:
                variable.assign(current)
        for loss in scope.losses:
            self.add_loss(loss)
        return outputs

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The inner layer's mask."""
        return self.layer.compute_mask(inputs, previous_mask)

    def release(self) -> keras.Layer:
        """The plain inner layer with its kernels transformed for good; the wrapper must not be used afterwards."""
        for position, stack in self.stacks.items():
            kernel = self.layer.weights[position]
            value = keras.ops.convert_to_tensor(kernel)
            for transform in stack:
                value = transform.finish(value)
            kernel.assign(value + 0.0)  # a masked negative weight is -0.0, and zeros of both signs do not zip
            kernel.constraint = self._constraints[position]
            kernel.trainable = self.layer.trainable
        return self.layer

    def shortfalls(self) -> list[str]:
        """What the transforms were to reach and did not."""
        texts = (transform.shortfall() for stack in self.stacks.values() for transform in stack)
        return [text for text in texts if text]

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs: the layer, its stacks, and how the layer is built."""
        serialize = keras.saving.serialize_keras_object
        stacks = {str(position): [serialize(item) for item in stack] for position, stack in self.stacks.items()}
        return super().get_config() | {"stacks": stacks, "build_config": self._build_config}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> "Transformed":
        """Makes the wrapper from what `get_config` gave."""
        revive = keras.saving.deserialize_keras_object
        config = dict(config)
        layer = revive(config.pop("layer"), custom_objects=custom_objects)
        stacks = {
            int(position): [revive(item, custom_objects=custom_objects) for item in stack]
            for position, stack in config.pop("stacks").items()
        }
        return cls(layer, stacks, **config)


class _AfterUpdate:
    """A Keras constraint that hands the updated kernel to its transforms.

    Optimizers call a variable's constraint exactly once per step, inside the compiled training step and on every
    replica, whatever training loop calls the optimizer; no callback is needed, and forward passes that are not training
    do not count.
    """

    def __init__(self, stack: Sequence[Transform], users: Callable[[Any], Any] | None) -> None:
        self.stack, self.users = stack, users

    def __call__(self, variable: Any) -> Any:
        kernel = keras.ops.convert_to_tensor(self.users(variable) if self.users else variable)
        for transform in self.stack:
            kernel = transform.after_update(kernel)
        return kernel


class _AfterOtherUpdate:
    """The same for a kernel that is not trained itself: hooked behind the variable that is trained in its place."""

    def __init__(self, stack: Sequence[Transform], kernel: keras.Variable) -> None:
        self.stack, self.kernel = stack, kernel

    def __call__(self, variable: Any) -> Any:
        kernel = keras.ops.convert_to_tensor(self.kernel)
        for transform in self.stack:
            transform.after_update(kernel)
        return keras.ops.convert_to_tensor(variable)
