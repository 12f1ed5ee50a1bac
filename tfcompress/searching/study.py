"""The record of a search: an optuna study in a journal file or a database, resumed where it was left."""

import warnings
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfcompress.errors import MissingPackageError, SearchError, first_line
from tfcompress.searching.budget import Budget
from tfcompress.searching.jobs import Outcome
from tfcompress.searching.results import Trial
from tfcompress.searching.space import Choice, SearchSpace

if TYPE_CHECKING:
    import optuna

_STARTUP = 8  # finished trials from which on what was learnt proposes too
_CANDIDATES = 24
_WHY, _OWNER, _FIGURES, _SECONDS, _EXCESS = "why", "owner", "figures", "seconds", "excess"


class Study:
    """The trials of a search, each a choice with what became of it.

    A trial is asked for, and told of once it is over. Each question begins with random numbers of its own, which follow
    from the seed and the number of trials before it: a search that was resumed, or ran elsewhere, asks the same.

    Args:
        folder: The folder of the search, which holds the journal.
        storage: The address of a database that several machines share; None for the journal.
        name: Of the study in it.
        owner: Names this folder among those that share a database.
        space: What may be chosen.
        budget: What is to be met; its costs are the objectives.
        seed: For all proposals.

    Raises:
        MissingPackageError: optuna is not installed.
        SearchError: The storage cannot be reached.
    """

    def __init__(
        self, folder: Path, storage: str | None, name: str, owner: str, space: SearchSpace, budget: Budget, seed: int
    ) -> None:
        try:
            import optuna
        except ImportError as error:
            text = "A search needs optuna and cloudpickle. Install them: pip install tfcompress[search]."
            raise MissingPackageError(text) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna, self.space, self._budget, self._seed, self._owner = optuna, space, budget, seed, owner
        objectives = [optuna.study.StudyDirection.MINIMIZE] * (1 + len(budget.costs))
        try:
            self._study = optuna.create_study(
                storage=storage or _journal(folder), study_name=name, directions=objectives, load_if_exists=True
            )
        except Exception as error:
            # optuna hands on whatever the driver of the database raises
            text = f"The storage of the search cannot be used: {first_line(error)}. Check its address."
            raise SearchError(text) from error

    @property
    def trials(self) -> "list[optuna.trial.FrozenTrial]":
        """All trials, in the order in which they were asked for."""
        return self._study.get_trials(deepcopy=False)

    @property
    def trained(self) -> int:
        """How many trials were trained, well or not."""
        states = self._optuna.trial.TrialState
        return sum(trial.state in (states.COMPLETE, states.FAIL) for trial in self.trials)

    @property
    def wants_first(self) -> bool:
        """Whether too little was trained to learn from: sensitivities propose then."""
        return self.trained < _STARTUP

    def unfinished(self) -> list[tuple[int, Choice]]:
        """The trials that this folder asked for and was killed over."""
        running = self._optuna.trial.TrialState.RUNNING
        return [
            (trial.number, self.choice(trial))
            for trial in self.trials
            if trial.state == running and trial.user_attrs.get(_OWNER) == self._owner
        ]

    def tried(self) -> set[Choice]:
        """All choices that were asked for so far."""
        return {self.choice(trial) for trial in self.trials if len(trial.params) == len(fields(SearchSpace))}

    def choice(self, trial: "optuna.trial.FrozenTrial") -> Choice:
        """What a trial chose."""
        return self.space.choice(trial.params)

    def ask(self, choice: Choice | None = None) -> tuple[int, Choice]:
        """A new trial: of the choice given, or of one that the trials so far suggest."""
        if choice is not None:
            self._study.enqueue_trial(self.space.indices(choice))
        integers = self._optuna.distributions.IntDistribution
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self._optuna.exceptions.ExperimentalWarning)
            self._study.sampler = self._optuna.samplers.TPESampler(
                n_startup_trials=_STARTUP,
                n_ei_candidates=_CANDIDATES,
                multivariate=True,
                seed=self._seed + len(self.trials),
            )
            trial = self._study.ask(
                {item.name: integers(0, len(getattr(self.space, item.name)) - 1) for item in fields(self.space)}
            )
        trial.set_user_attr(_OWNER, self._owner)
        return trial.number, self.space.choice(trial.params)

    def refuse(self, number: int, why: str, excess: float | None = None) -> None:
        """Ends a trial that is not worth a training, or was one before; `excess` is how far beyond the budget it is."""
        trial = self._trial(number)
        trial.set_user_attr(_WHY, why)
        trial.set_user_attr(_EXCESS, excess)
        self._study.tell(number, state=self._optuna.trial.TrialState.PRUNED)

    def tell(self, outcome: Outcome) -> None:
        """Ends a trial that was trained."""
        trial = self._trial(outcome.number)
        trial.set_user_attr(_SECONDS, outcome.seconds)
        if outcome.figures is None:
            trial.set_user_attr(_WHY, outcome.why)
            self._study.tell(outcome.number, state=self._optuna.trial.TrialState.FAIL)
            return
        trial.set_user_attr(_FIGURES, outcome.figures)
        trial.set_constraint("budget", self._budget.excess(outcome.figures))
        self._study.tell(outcome.number, self._budget.objectives(outcome.figures))

    def results(self, place: Callable[[int], Path]) -> tuple[Trial, ...]:
        """All trials, each with its folder."""
        states = self._optuna.trial.TrialState
        return tuple(
            Trial(
                trial.number,
                self.choice(trial),
                place(trial.number),
                trial.user_attrs.get(_FIGURES),
                trial.user_attrs.get(_WHY, ""),
                trial.state in (states.COMPLETE, states.FAIL),
                trial.user_attrs.get(_SECONDS, 0.0),
                trial.user_attrs.get(_EXCESS),
            )
            for trial in self.trials
        )

    def _trial(self, number: int) -> Any:
        """The trial that can be written to, also one of a search before this one."""
        stored = next(trial for trial in self.trials if trial.number == number)
        return self._optuna.trial.Trial(self._study, stored._trial_id)


def _journal(folder: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    folder.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(folder / "journal.log")))
