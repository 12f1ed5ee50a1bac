"""`search`: recipes under a budget, and the best trade-offs among them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import keras

from tfcompress.benchmark.measurement import FEWEST_RUNS, measurer_for
from tfcompress.card import Card, card_path
from tfcompress.compression import Evaluate, Fit, fingerprint
from tfcompress.conversion.converter import convert
from tfcompress.conversion.modes import mode_for
from tfcompress.errors import MissingPackageError, SearchError, first_line, suggestion
from tfcompress.files import replacing
from tfcompress.models.loading import check_finite, load
from tfcompress.models.surgery import copy
from tfcompress.packing.packing import pack
from tfcompress.progress import Task, task
from tfcompress.searching.budget import Budget
from tfcompress.searching.cluster import Needs, ray_cluster
from tfcompress.searching.jobs import Job, Outcome, kept_outcome
from tfcompress.searching.knowledge import Knowledge, measure_knowledge
from tfcompress.searching.local import local_workers
from tfcompress.searching.places import check_same, digest_of, held
from tfcompress.searching.prediction import Prediction
from tfcompress.searching.proposing import Proposals
from tfcompress.searching.results import SearchResult
from tfcompress.searching.space import Choice, SearchSpace, recipe_for
from tfcompress.searching.structures import Structures, converter
from tfcompress.searching.study import Study
from tfcompress.searching.trial import Work, samples_for

EXECUTORS = ("local", "ray")

_MODEL, _WORK = "original.keras", "work.pickle"
_MOST_REFUSED = 30  # proposals in a row that are not worth a training, after which the search ends


class Executor(Protocol):
    """Where trials run."""

    def run(self, jobs: Sequence[tuple[Job, Path]]) -> Iterator[Outcome]:
        """The outcome of each job, in the order in which they come in."""


def search(
    model: keras.Model | str | Path,
    fit: Fit,
    evaluate: Evaluate,
    budget: Mapping[str, Any],
    directory: str | Path = "runs/search",
    *,
    trials: int = 24,
    batch: int = 4,
    space: SearchSpace | None = None,
    representative: Any = None,
    evaluate_file: Callable[[Path], float] | None = None,
    mode: str = "int8",
    seed: int = 0,
    data: str = "",
    workers: int = 1,
    threads: int = 1,
    time_limit: float = 3600.0,
    executor: str = "local",
    ray_address: str | None = None,
    needs: Needs | None = None,
    storage: str | None = None,
) -> SearchResult:
    """Finds recipes that meet a budget, and the best trade-offs among them.

    First each kernel is pruned and clustered alone and evaluated, untrained. What these sensitivities say of loss and
    of bytes makes the first proposals; later ones come from optuna's multi-objective sampler, which learns from what
    was trained. What provably misses the budget (the MACs, parameters, bytes or emulated latency of its graph) is never
    trained, nor what is predicted to be packed to more than twice its limit. Trials run in processes of their own: one
    that fails, crashes or hangs is recorded, and the search goes on. Batches are asked for together, so that the result
    does not depend on how many workers there are or where they run. Killed and called again, a search goes on.

    Args:
        model: A trained Keras model, or a file of one. It is not changed.
        fit: The user's own training, `fit(model, callbacks)`; it goes to other processes, with what it refers to.
        evaluate: Gives the accuracy of a plain model on data that neither training nor the final test sees.
        budget: The most of `packed_bytes`, `zlib_bytes`, `size_bytes`, `parameters`, `macs`, and
            `{"latency_ms": {"cortex-a55": 2.0}}`; and the least `accuracy`.
        directory: The folder of the search; each trial leaves its recipe, file and card in `trials/`.
        trials: How many trainings there are.
        batch: How many trials are asked for at a time; more keep more workers busy, fewer learn sooner.
        space: What may be chosen; see `SearchSpace`.
        representative: Samples for conversion, as `tfc.convert` takes them; int8 and int16x8 need them.
        evaluate_file: Gives the accuracy of a written `.tflite`; by default the model's own counts.
        mode: The mode of conversion.
        seed: For proposals, trainings and conversions.
        data: A text that names the training data and settings; with another one the folder is refused.
        workers: Processes on this machine that run trials at the same time.
        threads: Threads of TensorFlow in each; with one, equal seeds give equal results.
        time_limit: Seconds that a trial may take.
        executor: `"local"`, or `"ray"` for a Ray cluster.
        ray_address: Of the cluster's head, `host:port`; by default one is started on this machine.
        needs: What a trial takes of a Ray node, a `tfcompress.searching.cluster.Needs`; by default one CPU.
        storage: The address of a database (`postgresql://...`) that several machines share: searches begun with the
            same settings share their trials, others stand beside them.

    Returns:
        The trials and the front among those within the budget; `shortfall` says how close it came where none is.

    Raises:
        RecipeError: The budget or the space is wrong.
        SearchError: The folder holds another search, or the cluster or storage cannot be reached.
        DataError: `evaluate` gives no number, or the representative samples are missing or do not fit.
        DeviceError: The budget names a device that is unknown or not set up.
        MissingPackageError: optuna, cloudpickle or ray is not installed.

    Example:
        >>> import tfcompress as tfc
        >>> budget = {"packed_bytes": 20_000}
        >>> found = tfc.search("model.keras", fit, evaluate, budget, representative=samples)  # doctest: +SKIP
        >>> found.front[0].directory                                                          # doctest: +SKIP
        PosixPath('runs/search/trials/0007')

    Reference:
        Ozaki et al., "Multiobjective Tree-Structured Parzen Estimator", JAIR 73, 2022; sensitivities: Han et al.,
        arXiv:1506.02626.
    """
    if executor not in EXECUTORS:
        raise SearchError(f"There is no executor {executor!r}. {suggestion(executor, EXECUTORS)}")
    for name, number in (("trials", trials), ("batch", batch), ("workers", workers), ("threads", threads)):
        if not isinstance(number, int) or number < 1:
            raise SearchError(f"search: {name} must be a whole number from 1, not {number!r}.")
    if not time_limit > 0:
        raise SearchError(f"search: time_limit must be a number of seconds beyond 0, not {time_limit!r}.")
    mode_for(mode, "float32")
    folder, limits, allowed = Path(directory), Budget.of(budget), space or SearchSpace()
    original = load(model)
    check_finite(original)
    for device in limits.devices:
        measurer_for(device, runs=FEWEST_RUNS, warmup=0, threads=1)  # what is missing is said before the long work
    work = Work(fit, evaluate, evaluate_file, samples_for(original, representative, mode))
    with held(folder):
        settings = {
            "model": fingerprint(original), "budget": asdict(limits), "space": asdict(allowed),
            "mode": mode, "seed": seed, "data": data, "batch": batch,
        }  # fmt: skip
        owner = check_same(folder, settings)
        _share(folder, original, work)
        try:
            # A database holds searches of other models too; a folder's journal holds this one alone.
            name = f"tfcompress-{seed}" if storage is None else f"tfcompress-{digest_of(settings)}"
            study = Study(folder, storage, name, owner, allowed, limits, seed)
            proposals = _proposals(folder, original, work, allowed, limits, mode)
            running = _Running(folder, study, proposals, mode, seed, data)
            place = _place(folder, executor, ray_address, needs or Needs(), workers, threads, time_limit)
            with place as found, task("searching", total=trials) as progress:
                running.go_on(found, trials, batch, progress)
        finally:
            (folder / _WORK).unlink(missing_ok=True)  # it may hold all of the training data
        if study.trained:
            _keep_baseline(folder, original, proposals.prediction.knowledge.zeros.score)
        return running.result()


@dataclass(frozen=True)
class _Running:
    """A search at work: what it stands on, and the loop over batches."""

    folder: Path
    study: Study
    proposals: Proposals
    mode: str
    seed: int
    data: str

    def go_on(self, executor: Executor, trials: int, batch: int, progress: Task) -> None:
        """Asks, runs and tells until enough was trained, or nothing worth a training is left."""
        asked = self.study.unfinished()  # of a search that was killed
        while True:
            progress.completed = self.study.trained
            progress.say(self._standing())
            asked = asked or self._batch(min(batch, trials - self.study.trained))
            if not asked:
                return
            jobs = [(self._job(*one), self._place(one[0])) for one in asked]
            kept = [kept_outcome(*job) for job in jobs]  # finished, but not told of, when the search was killed
            outcomes = {outcome.number: outcome for outcome in kept if outcome is not None}
            for outcome in executor.run([job for job in jobs if job[0].number not in outcomes]):
                outcomes[outcome.number] = outcome
                progress.advance()
            for number, _ in asked:  # in the order of asking: who was faster must not matter to what comes next
                self.study.tell(outcomes[number])
            asked = []

    def result(self) -> SearchResult:
        """All trials so far."""
        return SearchResult(self.folder, self.proposals.budget, self.study.results(self._place))

    def _batch(self, count: int) -> list[tuple[int, Choice]]:
        """New trials that are worth a training: proposed by sensitivities at first, then by what was learnt."""
        if count < 1:
            return []
        tried, asked, refused = self.study.tried(), list[tuple[int, Choice]](), 0
        first = [choice for choice in self.proposals.first(4 * count) if choice not in tried]
        while len(asked) < count and refused < _MOST_REFUSED and len(tried) < self.study.space.size:
            number, choice = self.study.ask(first.pop(0) if first and self.study.wants_first else None)
            reasons = [] if choice in tried else self.proposals.misses(choice)
            if choice in tried:
                self.study.refuse(number, "it was tried before")
            elif reasons:
                self.study.refuse(number, "; ".join(reasons), self.proposals.excess(choice))
            else:
                asked.append((number, choice))
            refused += choice in tried or bool(reasons)
            tried.add(choice)
        return asked

    def _job(self, number: int, choice: Choice) -> Job:
        recipe = recipe_for(choice, self.proposals.prediction.knowledge.shares(choice.sparsity))
        text, model = recipe.to_toml() if recipe else "", str((self.folder / _MODEL).resolve())
        return Job(number, text, model, self.mode, self.proposals.budget.costs, self.seed, self.data)

    def _place(self, number: int) -> Path:
        return self.folder / "trials" / f"{number:04}"

    def _standing(self) -> str:
        """The front as it stands, in a few words."""
        best = self.result().front
        shown = [
            f"{(trial.figures or {})['accuracy']:.4f} at "
            + ", ".join(f"{(trial.figures or {})[name]:,.6g} {name}" for name in self.proposals.budget.costs)
            for trial in best[:3]
        ]
        return f"front of {len(best)}: {'; '.join(shown)}" if best else "nothing within the budget yet"


def _share(folder: Path, model: keras.Model, work: Work) -> None:
    """Writes what other processes need of this one."""
    try:
        import cloudpickle
    except ImportError as error:
        text = "A search needs optuna and cloudpickle. Install them: pip install tfcompress[search]."
        raise MissingPackageError(text) from error
    try:
        content = cloudpickle.dumps(work)
    except Exception as error:
        # whatever the user's functions refer to may refuse in its own way
        why = f"{type(error).__name__}: {first_line(error)}"
        raise SearchError(
            f"fit and evaluate cannot be handed to other processes: {why}. Let them load their data inside, or refer "
            "to arrays instead of datasets and models."
        ) from error
    with replacing(folder / _WORK) as temporary:
        temporary.write_bytes(content)
    if not (folder / _MODEL).is_file():
        with replacing(folder / _MODEL) as temporary:
            copy(model).save(temporary)


def _keep_baseline(folder: Path, model: keras.Model, accuracy: float) -> None:
    """Leaves the float32 file that a report holds the trials against."""
    path = folder / "original.tflite"
    if card_path(path).is_file():
        return
    convert(model, path, mode="float32", force=True)
    pack(path, path.with_suffix(".tfz"), force=True)
    replace(Card.load_beside(path), accuracy=accuracy).save_beside(path)


def _proposals(
    folder: Path, model: keras.Model, work: Work, space: SearchSpace, budget: Budget, mode: str
) -> Proposals:
    """Measures the sensitivities, or reads those of this search before."""
    knowledge = Knowledge.load(folder)
    if knowledge is None:
        knowledge = measure_knowledge(model, work.evaluate, space.clusters)
        knowledge.save(folder)
    made = converter(mode, work.representative, model)
    structures = Structures(model, made, tuple(budget.costs))
    return Proposals(space, budget, structures, Prediction.of(model, knowledge))


def _place(
    folder: Path,
    executor: str,
    address: str | None,
    needs: Needs,
    workers: int,
    threads: int,
    time_limit: float,
) -> AbstractContextManager[Executor]:
    work = folder / _WORK
    if executor == "ray":
        return ray_cluster(address, work, folder / _MODEL, time_limit=time_limit, needs=needs)
    return local_workers(work, count=workers, time_limit=time_limit, threads=threads)
