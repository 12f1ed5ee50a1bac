"""What a saved student knows of its teacher: enough to be opened, evaluated and stripped where that is gone."""

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tfcompress.errors import ModelError, TfCompressWarning
from tfcompress.teaching.features import Feature
from tfcompress.teaching.output_kinds import OutputKind
from tfcompress.teaching.teacher import Lesson, Teacher


def record_of(teacher: Teacher, *, with_features: bool) -> dict[str, Any]:
    """What there is to know of a teacher, as plain data.

    Args:
        teacher: The teacher, its outputs in the student's order.
        with_features: Whether its layers are listed, by which objectives on features are paired.
    """
    features = teacher.features() if with_features else []
    return {
        "name": teacher.name,
        "names": list(teacher.names),
        "kinds": [kind.value for kind in teacher.kinds],
        "shapes": [list(shape) for shape in teacher.shapes],
        "weights_hash": teacher.weights_hash,
        "features": [[feature.name, list(feature.shape), feature.telling] for feature in features],
    }


def warn_of_another(record: Mapping[str, Any], teacher: Teacher) -> None:
    """Says it where the files of a teacher have other weights than they had when the student was saved.

    Args:
        record: What `record_of` gave then.
        teacher: What is read from the files today.

    Warns:
        TfCompressWarning: The weights are others.
    """
    if record["weights_hash"] != teacher.weights_hash:
        warnings.warn(
            f"The student learned from {record['name']} with the weights {record['weights_hash']}; what is there today "
            f"is {teacher.name} with the weights {teacher.weights_hash}, and it goes on learning from that. Put the "
            "former file back where this is not meant.",
            TfCompressWarning,
            stacklevel=2,
        )


class AbsentTeacher(Teacher):
    """A teacher whose file is gone: what it is can be told, and no lesson comes from it.

    Args:
        record: What `record_of` gave.
        missing: The files that are gone.
    """

    def __init__(self, record: Mapping[str, Any], missing: Sequence[str]) -> None:
        self.name, self.names, self.input_names = record["name"], tuple(record["names"]), ()
        self.kinds = [OutputKind(kind) for kind in record["kinds"]]
        self.shapes = [tuple(shape) for shape in record["shapes"]]
        self._features = [Feature(name, tuple(shape), telling) for name, shape, telling in record["features"]]
        self._weights_hash, self._missing = record["weights_hash"], missing

    def __call__(self, inputs: Any) -> Lesson:
        """None.

        Raises:
            ModelError: Always.
        """
        raise ModelError(
            f"The student cannot learn from {self.name}: there is no {' and no '.join(self._missing)}. Put the file "
            "there, where the student was saved with it, or take the student as it is: tfc.strip(model)."
        )

    @property
    def weights_hash(self) -> str:
        """As it was when the student was saved."""
        return self._weights_hash

    @property
    def description(self) -> str:
        """Its name, and that it is gone."""
        return f"{self.name} (there is no {' and no '.join(self._missing)})"

    def features(self) -> list[Feature]:
        """The layers that it had."""
        return self._features

    def tap(self, names: Collection[str]) -> None:
        """Nothing is asked for, as no lesson comes."""

    def _reorder(self, names: Sequence[str], order: list[int]) -> None:
        pass
