"""What a search found: its trials, the front among those that meet the budget, and how close the others came."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tfcompress.pareto import front
from tfcompress.searching.budget import Budget
from tfcompress.searching.space import Choice
from tfcompress.table import aligned, cell


@dataclass(frozen=True)
class Trial:
    """One choice and what became of it.

    Attributes:
        number: In the order of asking.
        choice: What was chosen.
        directory: With the recipe, the file and its card, where it was trained.
        figures: Those of the budget, and the accuracy; None where it was not trained or failed.
        why: Why it was not trained, or what went wrong.
        trained: Whether its training began.
        seconds: How long it took.
        excess: How far beyond the budget it was known to be without training, as a share of a limit; else None.
    """

    number: int
    choice: Choice
    directory: Path
    figures: dict[str, float] | None
    why: str
    trained: bool
    seconds: float
    excess: float | None = None


@dataclass(frozen=True)
class SearchResult:
    """The trials of a search; prints itself as a table of the front.

    Attributes:
        directory: Of the search; `tfc.report` shows it.
        budget: What was to be met.
        trials: All of them, in order.
    """

    directory: Path
    budget: Budget
    trials: tuple[Trial, ...]

    @cached_property
    def front(self) -> tuple[Trial, ...]:
        """The trials within the budget that no other one dominates, the most accurate first."""
        within = [trial for trial in self._finished if not self.budget.excess(trial.figures or {})]
        best = [within[i] for i in front([self.budget.objectives(trial.figures or {}) for trial in within])]
        return tuple(sorted(best, key=lambda trial: self.budget.objectives(trial.figures or {})))

    @property
    def nearest(self) -> Trial | None:
        """The trial that is least beyond the budget; one within it counts too. None where no trial was finished."""
        return min(self._finished, key=lambda trial: self.budget.excess(trial.figures or {}), default=None)

    @property
    def shortfall(self) -> str:
        """How close the search came, where nothing met the budget; empty where something did."""
        if self.front:
            return ""
        if self.nearest is None:
            failed = [trial.why for trial in self.trials if trial.trained]
            refused = [(trial.excess, trial.number) for trial in self.trials if trial.excess is not None]
            nearest = [self.trials[number].why for _, number in sorted(refused)[:1]]
            why = f" The nearest was: {nearest[0]}." if nearest else f" The last one: {failed[-1]}" if failed else ""
            return f"No recipe met the budget, and no trial was finished.{why}"
        missed = ", ".join(self.budget.misses(self.nearest.figures or {}))
        return f"No recipe met the budget. The nearest is trial {self.nearest.number}: {missed}."

    @property
    def _finished(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.figures is not None]

    def __str__(self) -> str:
        trained = sum(trial.trained for trial in self.trials)
        failed = [trial for trial in self.trials if trial.trained and not trial.figures]
        refused = len(self.trials) - trained
        counts = f"{trained} trials trained, {len(failed)} of them failed; {refused} were refused without training"
        lines = [counts, *(f"trial {trial.number} failed: {trial.why}" for trial in failed)]
        if self.shortfall:
            return "\n".join([*lines, self.shortfall])
        names = list(self.budget.costs)
        rows = [("trial", "accuracy", *names, "channels", "rank", "sparsity", "clusters", "trained ranges")]
        rows += [self._row(trial, names) for trial in self.front]
        return "\n".join([*lines, "", aligned(rows)])

    def _row(self, trial: Trial, names: list[str]) -> tuple[str, ...]:
        figures, choice = trial.figures or {}, trial.choice
        costs = (cell(figures[name], ",.6g") for name in names)
        settings = (f"{choice.channels:g}", f"{choice.rank:g}", f"{choice.sparsity:g}", str(choice.clusters or "-"))
        return (
            str(trial.number),
            f"{figures['accuracy']:.4f}",
            *costs,
            *settings,
            "yes" if choice.trained_ranges else "no",
        )
