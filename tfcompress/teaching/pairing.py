"""Which layer of the student is compared with which of the teacher: by name, or automatically."""

from collections.abc import Sequence

from tfcompress.errors import RecipeError, suggestion
from tfcompress.teaching.features import Feature
from tfcompress.teaching.objective import FeatureObjective

Pairs = list[tuple[Feature, Feature]]


def pair_up(objective: FeatureObjective, student: Sequence[Feature], teacher: Sequence[Feature]) -> Pairs:
    """The pairs of features that an objective compares.

    With `layers`, those. Else by the objective's `pairing`: "stages" takes from each model the last layer at each
    spatial size and pairs equal sizes; "middle" the middle one of these pairs; "last" the last feature of each model,
    whatever its shape. These take no layer that only pads, crops or drops, and none before the first learned weight;
    and no map of a single position beside larger ones, for it is most often the gate of a squeeze and excitation.

    Args:
        objective: The objective.
        student: The student's features, in graph order.
        teacher: The teacher's.

    Raises:
        RecipeError: A name is unknown (the nearest are listed) or several layers', two features do not fit, or there is
            no pair.
    """
    title = type(objective).__name__
    if objective.layers:
        named = [
            (_by_name(title, "student", ours, student), _by_name(title, "teacher", theirs, teacher))
            for ours, theirs in objective.layers.items()
        ]
        for pair in named:
            if reason := objective.misfit(pair[0].shape, pair[1].shape):
                advice = _open(*([one] for one in pair))
                raise RecipeError(f"{title}: {pair[0]} cannot be compared with {pair[1]}: {reason}.{advice}")
        return named
    student, teacher = ([one for one in features if one.telling and one.unique] for features in (student, teacher))
    found = [pair for pair in _candidates(objective, student, teacher) if not objective.misfit(*_shapes(pair))]
    if objective.pairing == "middle" and found:
        found = [found[(len(found) - 1) // 2]]
    if not found:
        sizes = [", ".join(sorted({str(one.size) for one in features})) or "none" for features in (student, teacher)]
        raise RecipeError(
            f"{title} finds no layers to pair: the student's features have the sizes {sizes[0]}, the teacher's "
            f"{sizes[1]}. Name them: {title}(layers={{'student layer': 'teacher layer'}}).{_open(student, teacher)}"
        )
    return found


def _candidates(objective: FeatureObjective, student: Sequence[Feature], teacher: Sequence[Feature]) -> Pairs:
    if objective.pairing == "last":
        return [(student[-1], teacher[-1])] if student and teacher else []
    ours, theirs = (_last_of_each_size(features) for features in (student, teacher))
    pairs = [(feature, theirs[size]) for size, feature in ours.items() if size in theirs]
    larger = {len(pair[0].size) for pair in pairs if not _is_single(pair[0])}
    return [pair for pair in pairs if not _is_single(pair[0]) or len(pair[0].size) not in larger]


def _last_of_each_size(features: Sequence[Feature]) -> dict[tuple[int | None, ...], Feature]:
    """In the order in which these stand in the graph."""
    last = {feature.size: feature for feature in features}
    return {feature.size: feature for feature in features if last[feature.size] is feature}


def _is_single(feature: Feature) -> bool:
    """Whether it is a map of one position; a vector is none."""
    return bool(feature.size) and set(feature.size) == {1}


def _open(student: Sequence[Feature], teacher: Sequence[Feature]) -> str:
    """Advice where one of the models leaves its sizes open."""
    students, teachers = (any(None in one.size for one in features) for features in (student, teacher))
    if students == teachers:
        return ""
    who = "student" if students else "teacher"
    return f" The {who}'s sizes are open: build it for the size at hand, with keras.Input((height, width, channels))."


def _shapes(pair: tuple[Feature, Feature]) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
    return pair[0].shape, pair[1].shape


def _by_name(title: str, who: str, name: str, features: Sequence[Feature]) -> Feature:
    found = [feature for feature in features if feature.name == name]
    if not found:
        known = [feature.name for feature in features]
        raise RecipeError(
            f"{title}: the {who} has no layer {name!r} whose features can be compared. {suggestion(name, known)} What "
            "a model puts out, and what only an activation divides from it, is for objectives on outputs: SoftTargets, "
            "LogitRegression."
        )
    if not found[0].unique:
        raise RecipeError(
            f"{title}: the {who} has several layers named {name!r}, inside and outside of a nested model. Give them "
            "names that differ."
        )
    return found[0]
