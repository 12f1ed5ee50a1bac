"""The training and the evaluation that `--data` and a model's own compiled settings give to a verb."""

from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfcompress.cli.function import load_function
from tfcompress.errors import DataError, ModelError

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


@dataclass(frozen=True)
class Training:
    """How models of one family are trained and evaluated; other processes load their data themselves.

    Attributes:
        config: What the model was compiled with.
        shapes: Of the model's inputs, the batch first.
        data: `package.module:function`, which returns (training, validation).
        epochs: Of each training.
        learning_rate: Instead of the model's own.
    """

    config: dict[str, Any]
    shapes: tuple[tuple[int | None, ...], ...]
    data: str
    epochs: int
    learning_rate: float | None

    def __reduce__(self) -> tuple[Any, ...]:
        return Training, (
            self.config,
            *astuple(self)[1:],
        )  # without the data sets, which no process can hand to another

    @classmethod
    def of(cls, model: "keras.Model", path: Path, data: str, epochs: int, learning_rate: float | None) -> "Training":
        """For a compiled model that was loaded from `path`.

        Raises:
            ModelError: It was saved without being compiled.
            DataError: The function returns something else, no samples, or samples of other shapes.
        """
        config = model.get_compile_config() if model.compiled else None
        if config is None:
            raise ModelError(
                f"{path}: the model was saved without being compiled. Call model.compile(...) and save it again."
            )
        training = cls(config, tuple(tuple(tensor.shape) for tensor in model.inputs), data, epochs, learning_rate)
        _ = training.datasets  # what is wrong with them is said before anything else is done
        return training

    @cached_property
    def datasets(self) -> "tuple[tf.data.Dataset, tf.data.Dataset | None]":
        """The training and the validation data, once they are known to fit the model."""
        import tensorflow as tf

        returned = load_function(self.data)()
        if not isinstance(returned, (tuple, list)) or len(returned) != 2:
            raise DataError(f"--data {self.data} must return (training, validation), not {type(returned).__name__}.")
        training, validation = returned
        for name, dataset in (("training", training), ("validation", validation)):
            if dataset is None and name == "validation":
                continue
            if not isinstance(dataset, tf.data.Dataset):
                raise DataError(f"--data {self.data}: {name} must be a tf.data.Dataset, not {type(dataset).__name__}.")
            self._check_shapes(f"--data {self.data}: {name}", dataset.element_spec)
            if next(iter(dataset), None) is None:
                raise DataError(f"--data {self.data} returned an empty {name} dataset. Check that it finds its files.")
        return training, validation

    def fit(self, wrapped: "keras.Model", callbacks: "list[keras.callbacks.Callback]") -> None:
        """Trains a model as the first one was."""
        wrapped.compile_from_config(self.config)
        if self.learning_rate is not None:
            wrapped.optimizer.learning_rate = self.learning_rate
        wrapped.fit(self.datasets[0], epochs=self.epochs, callbacks=callbacks, verbose=0)

    def evaluate(self, plain: "keras.Model") -> float | None:
        """The first metric with "acc" in its name, on the validation data; None where there is none."""
        if self.datasets[1] is None:
            return None
        plain.compile_from_config(self.config)
        results = plain.evaluate(self.datasets[1], verbose=0, return_dict=True)
        return next((value for name, value in results.items() if "acc" in name), None)

    def accuracy(self, plain: "keras.Model") -> float:
        """What `evaluate` gives, for a verb that cannot do without it.

        Raises:
            DataError: There is no validation data, or the model has no such metric.
        """
        found = self.evaluate(plain)
        if found is None:
            raise DataError(
                f"There is no accuracy to search by: --data {self.data} must return (training, validation), and the "
                'model be compiled with metrics=["accuracy"].'
            )
        return found

    def _check_shapes(self, where: str, spec: Any) -> None:
        """Refuses batches that are not (inputs, targets), or whose inputs do not fit the model's."""
        import tensorflow as tf

        if not isinstance(spec, tuple) or len(spec) not in (2, 3):
            raise DataError(f"{where} must give batches of (inputs, targets), not {type(spec).__name__}s.")
        received = [item.shape for item in tf.nest.flatten(spec[0])]
        expected = [tf.TensorShape(shape) for shape in self.shapes]
        if len(received) != len(expected) or not all(map(tf.TensorShape.is_compatible_with, received, expected)):
            raise DataError(
                f"{where} gives inputs of shape {', '.join(map(str, received))}; the model takes "
                f"{', '.join(map(str, expected))}, the batch first. Was .batch(...) forgotten?"
            )
