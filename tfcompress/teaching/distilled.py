"""The Keras model that a student is while it learns: its own graph, and a loss that its teacher has a part in."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfcompress.errors import ModelError
from tfcompress.teaching.features import Tapped
from tfcompress.teaching.objective import Objective, weighted_mean
from tfcompress.teaching.output_kinds import OutputKind, make_kind
from tfcompress.teaching.plan import Heard, Plan, Term, make_plan
from tfcompress.teaching.teachers import CachedTeacher, Source, make_teacher
from tfcompress.transforms.transform import counter


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
    - its teacher runs under the gradient tape, is set to `trainable = False`, which changes the user's model, and is a
      part of each saved file and of the weights;
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
        kind: What the outputs of both hold, where that is not to be found out.
    """

    def __init__(
        self,
        student: keras.Model,
        sources: Sequence[Source],
        objectives: Sequence[Objective],
        alpha: float,
        kind: OutputKind | None = None,
    ) -> None:
        super().__init__(student.input, student.output, name=student.name)
        self._sources, self._objectives, self._kind = _Held(sources), _Held(objectives), kind
        self.alpha = alpha
        self._teacher = make_teacher(sources, self)
        self._plan = make_plan(objectives, self, self._teacher, kind)
        self._tapped = Tapped(self, self._plan.student_layers)
        self._batch = _Batch()
        self.regressors = self._plan.regressors
        self._steps = counter(self, "distillation_steps") if self._plan.counts_steps else None
        self.trackers = [keras.metrics.Mean(name=title) for title in _titles(self._plan.terms)]
        self.supports_jit = self._teacher.supports_jit

    @property
    def teacher_name(self) -> str:
        """The name of the teacher, or of each of them."""
        return self._teacher.name

    @property
    def plan(self) -> Plan:
        """What is compared with what; it prints itself."""
        return self._plan

    @property
    def teachers(self) -> list[keras.Model]:
        """The teachers that were given as models: Keras saves them with this model; files are read again by name."""
        return [source for source in self._sources.items if isinstance(source, keras.Model)]

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The student's outputs; in training the features that objectives need are kept for `compute_loss`."""
        if not training or not self._tapped.names:
            return super().call(inputs, training=training, mask=mask)
        outputs, self._batch.features = self._tapped(inputs, training=True)
        return outputs

    def train_step(self, data: Any) -> Any:
        """Keras' own step, with the teacher's part made before the gradient tape opens."""
        inputs, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        self._batch.lesson = self._teacher(inputs)
        try:
            return super().train_step(data)
        finally:
            self._batch.clear()

    def test_step(self, data: Any) -> Any:
        """Keras' own step; objectives have no figures there."""
        logs = super().test_step(data)
        own = {tracker.name for tracker in self.trackers}
        return {name: value for name, value in logs.items() if name not in own}

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Keras' own `fit`; see there."""
        if isinstance(self._teacher, CachedTeacher):
            self._teacher.refusal = None
        try:
            return super().fit(*args, **kwargs)
        except tf.errors.OpError as error:
            if isinstance(self._teacher, CachedTeacher) and self._teacher.refusal:
                raise self._teacher.refusal from error
            raise

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The user's loss, and in training the objectives beside it."""
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        additional = sum((self._scaled(keras.ops.sum(loss)) for loss in self.losses), start=0.0)
        has_hard = self.loss is not None or bool(self.losses)
        hard = super().compute_loss(x, y, y_pred, sample_weight, training) - additional if has_hard else 0.0
        step = 0.0 if self._steps is None else keras.ops.cast(self._steps, "float32")
        # 1 in the stage of hints alone, 0 after it.
        early = keras.ops.cast(step < self._plan.first_steps, "float32") if self._plan.first_steps else 0.0
        total = (1.0 - self.alpha) * (1.0 - early) * hard + additional
        heard = self._heard(x, y, y_pred)
        weights = _flat(sample_weight, self._plan.names)
        for term, tracker in zip(self._plan.terms, self.trackers, strict=True):
            loss = weighted_mean(term.loss(heard), weights[term.index])
            tracker.update_state(loss)
            stage = early if term.objective.first_steps else 1.0 - early
            total = total + self.alpha * stage * term.objective.weight_at(step) * self._scaled(loss)
        if self._steps is not None:
            self._steps.assign_add(1)
        return total

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
            "kind": self._kind.value if self._kind else None,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> "Distilled":
        """Makes the model from what `get_config` gave."""

        def revived(value: Any) -> Any:
            return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)

        sources = [source if isinstance(source, str) else revived(source) for source in config["sources"]]
        kind = make_kind("outputs", config["kind"]) if config["kind"] else None
        objectives = [revived(objective) for objective in config["objectives"]]
        return cls(revived(config["student"]), sources, objectives, config["alpha"], kind)

    def _heard(self, x: Any, y: Any, y_pred: Any) -> Heard:
        """Both sides of the batch; what `call` and `train_step` have not left is made here, for loops of the user's."""
        if x is None and (self._batch.lesson is None or (self._tapped.names and self._batch.features is None)):
            raise ModelError("Distillation needs the inputs: compute_loss(x, y, y_pred), with y_pred = model(x).")
        lesson = self._batch.lesson or self._teacher(x)
        features = self._batch.features
        if self._tapped.names and features is None:
            _, features = self._tapped(x, training=True)
        self._batch.clear()
        names = self._plan.names
        return Heard(keras.tree.flatten(y_pred), features or {}, lesson, _flat(y, names, one_for_all=False))

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
    features: Any = None

    def clear(self) -> None:
        self.lesson = self.features = None


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


def _flat(value: Any, names: Sequence[str], *, one_for_all: bool = True) -> list[Any]:
    """Targets or sample weights for each output, in flat order; None where there are none."""
    if isinstance(value, dict):
        return [value.get(name) for name in names]
    flat = [value] if value is None else keras.tree.flatten(value)
    if len(flat) == len(names):
        return flat
    return flat[:1] * len(names) if one_for_all else [None] * len(names)
