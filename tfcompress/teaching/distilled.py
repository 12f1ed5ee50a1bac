"""The Keras model that a student is while it learns: its own graph, and a loss that its teacher has a part in."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfcompress.errors import DataError, ModelError
from tfcompress.teaching.features import Tapped
from tfcompress.teaching.objective import Objective, weighted_mean
from tfcompress.teaching.output_checks import check_loss, check_values
from tfcompress.teaching.output_kinds import Said, make_said
from tfcompress.teaching.plan import Plan, make_plan
from tfcompress.teaching.teacher import Teacher
from tfcompress.teaching.teacher_record import AbsentTeacher, record_of, warn_of_another
from tfcompress.teaching.teachers import Source, make_teacher
from tfcompress.teaching.terms import Heard, Term
from tfcompress.transforms.transform import counter

_FEATURES = "_tfcompress_features"


@keras.saving.register_keras_serializable("tfcompress")
class Distilled(keras.Model):
    """A student's own graph, trained on `(1 - alpha) * the user's loss + alpha * the sum of the objectives`.

    To whoever compiles and fits it, it is the student: same inputs, outputs, layers and names. While it trains, the
    teacher runs on each batch in inference mode and before the gradient tape opens, so nothing of it is kept for
    gradients; the student runs once, and the features of its layers are taken from that pass. Evaluation and prediction
    are the student's alone, so a validation loss is the user's own loss, and validation data need no teacher.
    Regularization keeps its full weight. `keras.models.clone_model` of it gives the plain student.

    `keras.distillation.Distiller` (Keras 3.15) is not built on, because
    - it runs the student a second time when a layer's features are compared, with other dropout and with batch norm's
      statistics counted twice;
    - its teacher runs under the gradient tape, is set to `trainable = False`, which changes the user's model, and is
      always a part of saved files and weights, where here a teacher that is given as a file is read from there;
    - it is a model around the student: a `fit` that reads `model.input` or `model.output`, tfcompress' own techniques,
      and losses given by output name do not work on it;
    - its soft targets take logits only, softening a softmax a second time without a word, and as they come by default
      they are no divergence at all: neither softmax nor T^2 is applied (`tests/teaching/test_soft_targets.py`);
    - `sample_weight` is ignored; there are no schedules, no stages, no regressors, no second teacher, no cached logits.
    Its losses are objectives here: a `keras.distillation.DistillationLoss` may stand in `objectives`.

    Args:
        student: A Functional model; its layers are used, not copied.
        sources: The teachers.
        objectives: What the student is to have in common with them.
        alpha: The share of the objectives in the loss, in [0, 1].
        said: What the outputs of both hold, where that is not to be found out.
        record: What a saved model knows of its teacher (`teacher_record`), which stands in where a file is gone.
    """

    def __init__(
        self,
        student: keras.Model,
        sources: Sequence[Source],
        objectives: Sequence[Objective],
        alpha: float,
        said: Said = None,
        record: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(student.input, student.output, name=student.name)
        self._sources, self._objectives, self._said = _Held(sources), _Held(objectives), said
        self.alpha = alpha
        missing = [source for source in sources if isinstance(source, str) and not Path(source).exists()]
        if record and missing:
            self._teacher: Teacher = AbsentTeacher(record, missing)
        else:
            self._teacher = make_teacher(sources, self, said)
            if record and all(isinstance(source, str) for source in sources):
                warn_of_another(record, self._teacher)
        self._plan = make_plan(objectives, self, self._teacher, said)
        self._tapped = Tapped(self, self._plan.student_layers)
        self._batch = _Batch()
        self.regressors = self._plan.regressors
        self._steps = counter(self, "distillation_steps") if self._plan.counts_steps else None
        self.trackers = [keras.metrics.Mean(name=title) for title in _titles(self._plan.terms)]
        self.supports_jit = self._teacher.supports_jit

    @property
    def plan(self) -> Plan:
        """What is compared with what; it prints itself."""
        return self._plan

    @property
    def teachers(self) -> list[keras.Model]:
        """The teachers that were given as models: Keras saves them with this model; files are read again by name."""
        return [source for source in self._sources.items if isinstance(source, keras.Model)]

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The student's outputs; in training the features that objectives need go with them to `compute_loss`."""
        if not training or not self._tapped.names:
            return super().call(inputs, training=training, mask=mask)
        outputs, features = self._tapped(inputs, training=True)
        # On the tensor, as Keras keeps masks: so they are never those of another batch, and go when it goes.
        setattr(keras.tree.flatten(outputs)[0], _FEATURES, features)
        return outputs

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Keras' own `compile`; see there.

        Raises:
            ModelError: A loss takes logits where an output gives probabilities, or the other way round.
        """
        super().compile(*args, **kwargs)
        check_loss(self._plan, self.loss)

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """As Keras has it, which leaves out models with a `compile` of their own."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def check_values(self) -> None:
        """Runs both on a few inputs; see `output_checks.check_values`."""
        check_values(self, self._teacher, self._plan)

    def train_step(self, data: Any) -> Any:
        """Keras' own step, with the teacher's part made before the gradient tape opens."""
        inputs, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        self._batch.lesson = self._teacher(inputs)
        try:
            return super().train_step(data)
        finally:
            self._batch.lesson = None

    def test_step(self, data: Any) -> Any:
        """Keras' own step; objectives have no figures there."""
        logs = super().test_step(data)
        own = {tracker.name for tracker in self.trackers}
        return {name: value for name, value in logs.items() if name not in own}

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Keras' own `fit`; see there."""
        with self._training(labelled=True):
            return super().fit(*args, **kwargs)

    def train_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Keras' own `train_on_batch`; see there."""
        with self._training(labelled=y is not None):
            return super().train_on_batch(x, y, *args, **kwargs)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Keras' own metrics, which are left alone by a batch without labels."""
        return self.get_metrics_result() if y is None else super().compute_metrics(x, y, y_pred, sample_weight)

    def get_metrics_result(self) -> Any:
        """Keras' own; those that no batch had labels for are left out, as they have no value yet."""
        compiled = self._compile_metrics
        if compiled is None or compiled.built:
            return super().get_metrics_result()
        return {metric.name: metric.result() for metric in self.metrics if metric is not compiled}

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The user's loss, and in training the objectives beside it.

        Raises:
            DataError: There are no labels, and the user's loss has a share.
        """
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        additional = sum((self._scaled(keras.ops.sum(loss)) for loss in self.losses), start=0.0)
        has_hard = self.loss is not None and self.alpha < 1
        if has_hard and y is None:
            raise DataError(
                f"There are no labels, and the loss that the student is compiled with has the share "
                f"1 - alpha = {1 - self.alpha:g}. Fit with labels, or learn from the teacher alone: alpha=1."
            )
        if has_hard:
            hard = super().compute_loss(x, y, y_pred, sample_weight, training) - additional
        else:
            hard = _nothing(y_pred)
        step = 0.0 if self._steps is None else keras.ops.cast(self._steps, "float32")
        if self._plan.first_steps:
            hard = keras.ops.where(step < self._plan.first_steps, 0.0, hard)  # hints train alone
        heard, taught = self._heard(x, y, y_pred, sample_weight), 0.0
        for term, tracker in zip(self._plan.terms, self.trackers, strict=True):
            loss = weighted_mean(term.loss(heard), term.weights(heard))
            tracker.update_state(loss, sample_weight=keras.ops.shape(heard.outputs[0])[0])  # as Keras weighs its own
            taught = taught + self._plan.weight_at(term, step) * self._scaled(loss)
        if self._steps is not None:
            self._steps.assign_add(1)
        return (1.0 - self.alpha) * hard + self.alpha * keras.ops.cast(taught, keras.config.floatx()) + additional

    def get_config(self) -> dict[str, Any]:
        """The student, its teachers (files by name) and its objectives."""
        serialize = keras.saving.serialize_keras_object
        sources = [
            serialize(source) if isinstance(source, keras.Model) else str(source) for source in self._sources.items
        ]
        return {
            "student": serialize(keras.Model(self.input, self.output, name=self.name)),
            "sources": sources,
            "objectives": [serialize(objective) for objective in self._objectives.items],
            "alpha": self.alpha,
            "outputs": _plain(self._said),
            "teacher": record_of(self._teacher, with_features=bool(self._plan.teacher_layers)),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> "Distilled":
        """Makes the model from what `get_config` gave."""

        def revived(value: Any) -> Any:
            return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)

        sources = [source if isinstance(source, str) else revived(source) for source in config["sources"]]
        objectives = [revived(objective) for objective in config["objectives"]]
        said = make_said("outputs", config["outputs"])
        return cls(revived(config["student"]), sources, objectives, config["alpha"], said, config["teacher"])

    def _heard(self, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> Heard:
        """Both sides of the batch; what `call` and `train_step` have not left is made here, for loops of the user's."""
        outputs = keras.tree.flatten(y_pred)
        features = getattr(outputs[0], _FEATURES, None)
        runs_again = bool(self._tapped.names) and features is None
        if x is None and (self._batch.lesson is None or runs_again):
            raise ModelError("Distillation needs the inputs: compute_loss(x, y, y_pred), with y_pred = model(x).")
        lesson = self._batch.lesson or self._teacher(x)
        if runs_again:
            _, features = self._tapped(x, training=True)
        targets = _flat(y, self._plan.names, one_for_all=False)
        return Heard(outputs, features or {}, lesson, targets, _flat(sample_weight, self._plan.names))

    @contextmanager
    def _training(self, *, labelled: bool) -> Iterator[None]:
        """Raises what a teacher refuses a batch for as it is; TensorFlow's graph hands on the text only."""
        self._teacher.forget_refusal()
        if labelled and self._compile_metrics is not None and not self._compile_metrics.built:
            self.train_function = None  # one traced without labels may not make the metrics' variables
        try:
            yield
        except tf.errors.OpError as error:
            if self._teacher.refusal is None:
                raise
            raise self._teacher.refusal from error

    def _scaled(self, loss: Any) -> Any:
        """A loss of one replica as its part in the sum over replicas, which the optimizer takes."""
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return loss / replicas if replicas > 1 else loss


class _Held:
    """A list that Keras does not look into: what is in it is no layer of the model."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = list(items)


class _Batch(threading.local):
    """What one step leaves for another part of it; each replica of tf.distribute runs in a thread of its own."""

    lesson: Any = None


def _plain(said: Said) -> Any:
    """What was said, as plain data."""
    if isinstance(said, Mapping):
        return {name: kind.value for name, kind in said.items()}
    return said.value if said else None


def is_distilled(model: Any) -> bool:
    """Whether a model is a student that learns."""
    return isinstance(model, Distilled)


def _titles(terms: Sequence[Term]) -> list[str]:
    """A name for each term in the logs, with what it is on where there are several of a kind."""
    titles = [term.objective.title for term in terms]
    places = [term.place for term in terms]
    long = [
        f"{title}_{place}" if titles.count(title) > 1 else title for title, place in zip(titles, places, strict=True)
    ]
    return [f"{title}_{number}" if long.count(title) > 1 else title for number, title in enumerate(long)]


def _nothing(outputs: Any) -> Any:
    """0, with a gradient of 0 for all that the outputs depend on, as Keras warns of variables that have none."""
    floats = [keras.ops.cast(output, keras.config.floatx()) for output in keras.tree.flatten(outputs)]
    # A class that is excluded by -inf would make it NaN.
    return 0.0 * sum(keras.ops.mean(keras.ops.where(keras.ops.isfinite(output), output, 0.0)) for output in floats)


def _flat(value: Any, names: Sequence[str], *, one_for_all: bool = True) -> list[Any]:
    """Targets or sample weights for each output, in flat order; None where there are none."""
    if isinstance(value, dict):
        return [value.get(name) for name in names]
    flat = [value] if value is None else keras.tree.flatten(value)
    if len(flat) == len(names):
        return flat
    return flat[:1] * len(names) if one_for_all else [None] * len(names)
