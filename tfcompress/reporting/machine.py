"""A report as JSON, for programs: the same figures, with their kinds and rates as numbers."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tfcompress.reporting.comparing import before_of
from tfcompress.reporting.conditions import conditions, notes
from tfcompress.reporting.figures import columns, rate
from tfcompress.reporting.runs import Run, Stage
from tfcompress.reporting.verdict import verdict


def to_json(runs: Sequence[Run], against: str | None = None) -> str:
    """The report as JSON text.

    Each run has `name`, `verdict`, `stages`, `recipes`, `sensitivity`, `conditions` and `notes`; each stage its `name`,
    `model`, `ships`, `against` and `figures`, which have `value`, `kind`, and beside a baseline `rate` (before / after)
    or, for the accuracy, `difference`.
    """
    return json.dumps({"runs": [_run(run, against) for run in runs]}, indent=2, allow_nan=False)


def _run(run: Run, against: str | None) -> dict[str, Any]:
    return {
        "name": run.name,
        "verdict": verdict(run, against),
        "stages": [_stage(stage, before_of(run, stage, against)) for stage in run.stages],
        "recipes": run.recipes,
        "sensitivity": [asdict(curve) for curve in run.curves],
        "conditions": conditions(run),
        "notes": notes(run),
    }


def _stage(stage: Stage, before: Stage | None) -> dict[str, Any]:
    figures: dict[str, dict[str, Any]] = {}
    for column in columns([stage.figures]):
        figure = stage.figures[column.key]
        figures[column.key] = asdict(figure)
        previous = before.figures.get(column.key) if before else None
        if previous is None:
            continue
        if column.key == "accuracy":
            figures[column.key]["difference"] = figure.value - previous.value
        elif (factor := rate(column, previous.value, figure.value)) is not None:
            figures[column.key]["rate"] = factor
    return {
        "name": stage.name,
        "model": stage.card.model,
        "ships": stage.ships,
        "against": before.name if before else None,
        "figures": figures,
    }
