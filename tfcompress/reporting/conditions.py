"""Under which conditions a run's figures hold: versions, seeds, devices, notes."""

from typing import Any

from tfcompress.reporting.runs import Run


def conditions(run: Run) -> list[str]:
    """Sentences on what made the cards of a run and how they were measured; each is said once."""
    lines = [*_versions(run), *_seeds(run)]
    for stage in run.stages:
        lines += [_conversion(stage.card.conversion)] if stage.card.conversion else []
        lines += map(_measurement, stage.card.measurements)
    return list(dict.fromkeys(lines))


def notes(run: Run) -> list[str]:
    """What the cards note, each with the stages it is noted of, and what could not be read."""
    by_note: dict[str, list[str]] = {}
    for stage in run.stages:
        for note in stage.card.notes:
            by_note.setdefault(note.rstrip("."), []).append(stage.name)
    return [*(f"{', '.join(names)}: {note}." for note, names in by_note.items()), *run.problems]


def _versions(run: Run) -> list[str]:
    found: dict[str, set[str]] = {}
    for stage in run.stages:
        for package, version in stage.card.versions.items():
            found.setdefault(package, set()).add(version)
    named = ", ".join(f"{package} {' and '.join(sorted(numbers))}" for package, numbers in sorted(found.items()))
    return [f"Made with {named}."] if named else []


def _seeds(run: Run) -> list[str]:
    seeds = sorted({str(stage.state["seed"]) for stage in run.stages if "seed" in stage.state})
    return [f"Seed: {', '.join(seeds)}."] if seeds else []


def _conversion(made: dict[str, Any]) -> str:
    samples = made.get("representative_samples")
    takes_ranges = made.get("mode") in ("int8", "int16x8")
    ranges = f", ranges from {samples} representative samples" if samples and takes_ranges else ""
    return f"{made.get('mode', '?')} files: {made.get('arithmetic', 'arithmetic not known')}{ranges}."


def _measurement(measurement: dict[str, Any]) -> str:
    """How a latency was measured; a median without it says little."""
    device, kind = measurement.get("device", "?"), measurement.get("kind", "?")
    threads = f"threads: {measurement.get('threads', '?')}"
    if "runs" in measurement:
        how = f"{measurement['runs']} runs after {measurement.get('warmup', '?')} to warm up"
        return f"Latency on {device} ({measurement.get('cpu', 'unknown processor')}): {kind}, {how}, {threads}."
    clock = f" at {measurement['clock_mhz']} MHz" if "clock_mhz" in measurement else ""
    return f"Latency on {device}{clock}: {kind}, not measured on a phone, {threads}."
