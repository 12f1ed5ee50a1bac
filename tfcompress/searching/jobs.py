"""What goes to a process that runs trials and what comes back, as JSON; needs no TensorFlow."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

OUTCOME = "outcome.json"


@dataclass(frozen=True)
class Job:
    """One trial's settings, as JSON values.

    Attributes:
        number: Of the trial.
        recipe: TOML text, empty for a trial that only converts.
        model: The file of the model before compression.
        mode: The mode of conversion.
        budget: The limits of costs, which say what is to be measured.
        seed: For everything random.
        data: The text that names data and settings.
    """

    number: int
    recipe: str
    model: str
    mode: str
    budget: dict[str, float]
    seed: int
    data: str

    @property
    def key(self) -> str:
        """Names what an outcome was made from; the folder the model lies in makes no difference."""
        content = asdict(self) | {"model": Path(self.model).name}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What became of a trial: its figures, or why there are none.

    Attributes:
        number: Of the trial.
        figures: Those of the budget, and the accuracy; None where the trial failed.
        why: What went wrong; empty where nothing did.
        seconds: How long it took.
    """

    number: int
    figures: dict[str, float] | None
    why: str = ""
    seconds: float = 0.0

    def to_json(self) -> str:
        """The outcome as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Outcome":
        """Reads an outcome back."""
        return cls(**json.loads(text))


def kept_outcome(job: Job, folder: Path) -> Outcome | None:
    """The outcome that a finished trial left in its folder, where it was made from the same; None otherwise."""
    try:
        content = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
        return Outcome(**content["outcome"]) if content["key"] == job.key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
