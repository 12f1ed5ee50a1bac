"""Which stage is held against which: the one before, the one after."""

from dataclasses import dataclass

from tfcompress.errors import FormatError, suggestion
from tfcompress.limits import share_beyond
from tfcompress.reporting.runs import Run, Stage

_DOWNLOADS = ("packed_bytes", "zlib_bytes", "size_bytes")


@dataclass(frozen=True)
class Pair:
    """Two stages that can be compared: both are files that ship, or both Keras models of one run of `compress`."""

    before: Stage
    after: Stage


def baseline_file(run: Run, against: str | None = None) -> Stage | None:
    """The file that the others of a run are held against: the one named, else its largest float32 file.

    The largest is the one with the most parameters, and of those with as many, the largest download.

    Args:
        run: The run.
        against: The name of a stage that ships.

    Raises:
        FormatError: No file of the run has this name.
    """
    if against is not None:
        named = [stage for stage in run.files if stage.name == against]
        if not named:
            names = [stage.name for stage in run.files]
            hint = suggestion(against, names) if names else "It has no file that ships."
            raise FormatError(f"{run.name} has no file '{against}' to hold the others against. {hint}")
        return named[0]
    floats = [stage for stage in run.files if stage.card.conversion.get("mode") == "float32"]
    if not floats:
        return None
    # A longer name makes a file a few bytes larger; what was compressed is told by the download.
    key = download_key(floats)
    return max(floats, key=lambda stage: (stage.card.parameters or 0, stage.figures[key].value))


def baseline_model(run: Run, folder: str) -> Stage | None:
    """The Keras model that a recipe began with, where its card was kept; else its first step."""
    return next((stage for stage in run.steps if stage.folder == folder), None)


def before_of(run: Run, stage: Stage, against: str | None = None) -> Stage | None:
    """What a stage is held against, None for the baseline itself."""
    before = baseline_file(run, against) if stage.ships else baseline_model(run, stage.folder)
    return None if before is stage else before


def chosen_file(run: Run) -> Stage | None:
    """The file that a verdict speaks of.

    That of the smallest download, the last of equal ones; of a search, the most accurate within its budget, or where
    none is, the one nearest to it.
    """
    if found := found_by_search(run):
        return min(found, key=lambda stage: (excess(stage, run.limits), -stage.figures["accuracy"].value))
    if not run.files:
        return None
    key = download_key(list(run.files))
    return min(reversed(run.files), key=lambda stage: stage.figures[key].value)


def found_by_search(run: Run) -> list[Stage]:
    """The files of a search's trials that have all that its budget limits; none where the run is no search."""
    if not run.limits:
        return []
    original = baseline_file(run)
    return [stage for stage in run.files if stage is not original and set(run.limits) <= set(stage.figures)]


def excess(stage: Stage, limits: dict[str, float]) -> float:
    """How far the worst figure is beyond its limit, as a share of it; 0 where all is met.

    Args:
        stage: A file that has all of these figures.
        limits: As in `Run.limits`: of the accuracy the least, of all others the most.
    """
    costs = {key: limit for key, limit in limits.items() if key != "accuracy"}
    figures = {key: stage.figures[key].value for key in limits}
    return share_beyond(figures, costs, limits["accuracy"])


def download_key(stages: list[Stage]) -> str:
    """The figure that a download costs, of those that all of the stages have: `.tfz`, zip, or the file itself."""
    return next(key for key in _DOWNLOADS if all(key in stage.figures for stage in stages))


def headline(run: Run, against: str | None = None) -> Pair | None:
    """The run's gain as a whole: its file, or where none ships its last model, against what it was before."""
    after = chosen_file(run) or run.stages[-1]
    before = before_of(run, after, against)
    return Pair(before, after) if before else None


def pairs_of_steps(run: Run) -> list[Pair]:
    """Each step beside the one before it."""
    following = zip(run.steps, run.steps[1:], strict=False)
    return [Pair(before, after) for before, after in following if before.folder == after.folder]


def pairs_of_zeros(run: Run, least: float = 0.1) -> list[Pair]:
    """Files that differ in their zeros and in little else: of one mode and as many parameters.

    Args:
        run: The run.
        least: The difference in sparsity from which a pair counts.
    """
    groups: dict[tuple[object, ...], list[Stage]] = {}
    for stage in run.files:
        if "sparsity" in stage.figures and stage.card.parameters is not None:
            groups.setdefault((stage.card.conversion.get("mode"), stage.card.parameters), []).append(stage)
    pairs = []
    for stages in groups.values():
        dense = min(stages, key=lambda stage: stage.figures["sparsity"].value)
        floor = dense.figures["sparsity"].value
        pairs += [Pair(dense, stage) for stage in stages if stage.figures["sparsity"].value - floor >= least]
    return pairs
