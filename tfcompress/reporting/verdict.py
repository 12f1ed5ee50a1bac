"""What was gained and what was not, in words: the first thing that a report says."""

from tfcompress.reporting.comparing import (
    Pair,
    baseline_file,
    chosen_file,
    download_key,
    excess,
    found_by_search,
    headline,
    pairs_of_steps,
    pairs_of_zeros,
)
from tfcompress.reporting.figures import latency_devices
from tfcompress.reporting.runs import Run, Stage

_SMALLEST_CHANGE = 0.005
_DOWNLOAD_NAMES = {"packed_bytes": "tfz", "zlib_bytes": "zip", "size_bytes": "file"}
_MOST_SENTENCES = 8


def verdict(run: Run, against: str | None = None) -> list[str]:
    """One sentence on the run as a whole, then one for each step, or for the zeros of a file.

    Of a search: whether its budget was met, and what the best file gained.

    Args:
        run: What to judge.
        against: The file that the others are held against; see `comparing.baseline_file`.
    """
    pair = headline(run, against)
    if pair is None:
        return [*_budget(run), _alone(chosen_file(run) or run.stages[-1], run, against)]
    sentences = [*_budget(run), f"{pair.after.name} against {pair.before.name}: {', '.join(_clauses(pair))}."]
    if run.limits:  # its trials are candidates, not steps of one gain
        return sentences
    for one in pairs_of_zeros(run):
        zeros = f"{100 * one.after.figures['sparsity'].value:.0f} % zeros"
        sentences.append(f"{zeros} ({one.after.name} against {one.before.name}): {', '.join(_clauses(one))}.")
    sentences += [f"Step {one.after.name}: {', '.join(_step_clauses(one))}." for one in pairs_of_steps(run)]
    if len(sentences) > _MOST_SENTENCES:
        left = len(sentences) - _MOST_SENTENCES
        sentences = [*sentences[:_MOST_SENTENCES], f"{left} more comparisons are in the tables."]
    return sentences


def size_change(before: float, after: float) -> str:
    """How much less or more bytes are.

    Example:
        >>> size_change(1000, 630), size_change(1000, 1000), size_change(100, 144)
        ('37 % smaller', '0 % smaller', '44 % larger')
    """
    if before <= 0:
        return "0 % smaller" if after <= 0 else "larger"
    share = after / before - 1
    if abs(share) < _SMALLEST_CHANGE:
        return "0 % smaller"
    form = ".1f" if share < -0.99 else ".0f"
    return f"{-100 * share:{form}} % smaller" if share < 0 else f"{100 * share:.0f} % larger"


def speed_change(before: float, after: float) -> str:
    """How much less or more time is taken.

    Example:
        >>> speed_change(2.0, 1.0), speed_change(1.0, 1.001), speed_change(1.0, 1.2)
        ('2.00 times as fast', '0 % faster', 'takes 1.20 times as long')
    """
    if before <= 0 or after <= 0 or abs(before / after - 1) < _SMALLEST_CHANGE:
        return "0 % faster"
    return f"{before / after:.2f} times as fast" if after < before else f"takes {after / before:.2f} times as long"


def points(before: float, after: float) -> str:
    """The change of an accuracy, in points.

    Example:
        >>> points(0.9922, 0.9918)
        'accuracy -0.04 points (0.9922 to 0.9918)'
    """
    difference = round(100 * (after - before), 2) + 0.0  # no minus before a zero
    return f"accuracy {difference:+.2f} points ({before:.4f} to {after:.4f})"


def _clauses(pair: Pair) -> list[str]:
    """Download, disk, time and accuracy of two files; what was not measured is said too."""
    key = download_key([pair.before, pair.after])
    before, after = pair.before.figures, pair.after.figures
    name, sizes = _DOWNLOAD_NAMES[key], (before[key].value, after[key].value)
    found = [f"{size_change(*sizes)} download ({name} of {sizes[0]:,} to {sizes[1]:,} bytes)"]
    if key != "size_bytes":
        found.append(f"{size_change(before['size_bytes'].value, after['size_bytes'].value)} on disk")
    if _macs_left(pair) != 1:
        left = _macs_left(pair)
        found.append(f"{100 * abs(1 - left):.0f} % {'fewer' if left < 1 else 'more'} MACs")
    return [*found, *_speeds(pair), _accuracy(pair)]


def _macs_left(pair: Pair) -> float:
    """The share of the MACs that is left; 1 where they are about the same, or unknown."""
    before, after = (stage.figures.get("macs") for stage in (pair.before, pair.after))
    if before is None or after is None or before.value <= 0:
        return 1.0
    share = after.value / before.value
    return 1.0 if abs(share - 1) < _SMALLEST_CHANGE else share


def _step_clauses(pair: Pair) -> list[str]:
    """What a step did to a Keras model."""
    before, after = pair.before.figures, pair.after.figures
    found = []
    if "sparsity" in after:
        found.append(f"{100 * after['sparsity'].value:.0f} % zeros")
    values, previous = after.get("distinct_values"), before.get("distinct_values")
    if values and (previous is None or values.value < previous.value):
        found.append(f"at most {values.value:,} distinct values in a kernel")
    for key, name in (("parameters", "parameters"), ("macs", "MACs")):
        if key in before and key in after:
            change = size_change(before[key].value, after[key].value)
            found.append(f"{name} {'as before' if change.startswith('0 ') else change}")
    if "zlib_bytes" in before and "zlib_bytes" in after:
        found.append(f"zip {size_change(before['zlib_bytes'].value, after['zlib_bytes'].value)}")
    return [*found, _accuracy(pair)]


def _speeds(pair: Pair) -> list[str]:
    """The change on each device that both were measured on."""
    before, after = pair.before.figures, pair.after.figures
    devices = [device for device in latency_devices([before]) if f"latency_ms on {device}" in after]
    if not devices:
        return ["latency not compared: no device has both"]
    return [_speed(pair, device) for device in devices]


def _speed(pair: Pair, device: str) -> str:
    figures = [stage.figures[f"latency_ms on {device}"] for stage in (pair.before, pair.after)]
    kind = figures[0].kind if figures[0].kind == figures[1].kind else " and ".join(figure.kind for figure in figures)
    times = [figure.value for figure in figures]
    shown = f"{kind}, {times[0]:.4g} to {times[1]:.4g} ms"
    in_vain = ", though it has fewer MACs" if _macs_left(pair) < 1 else ""
    spread = max(_spread(stage, device) for stage in (pair.before, pair.after))
    if spread and abs(times[1] / times[0] - 1) <= spread:
        return f"no faster on {device} ({shown}, a change within the spread of single runs){in_vain}"
    faster = times[1] < times[0] * (1 - _SMALLEST_CHANGE)
    return f"{speed_change(times[0], times[1])} on {device} ({shown}){'' if faster else in_vain}"


def _spread(stage: Stage, device: str) -> float:
    """How far the 90th percentile of single runs lies above their median, as a share of it."""
    for measurement in stage.card.measurements:
        latency = measurement.get("latency_ms") or {}
        if measurement.get("device") == device and latency.get("median", 0) > 0:
            return float(latency.get("p90", latency["median"]) / latency["median"] - 1)
    return 0.0


def _accuracy(pair: Pair) -> str:
    before, after = (stage.figures.get("accuracy") for stage in (pair.before, pair.after))
    if after is None:
        return "accuracy not measured"
    return points(before.value, after.value) if before else f"accuracy {after.value:.4f}, not measured before"


def _budget(run: Run) -> list[str]:
    """Whether a search met its budget, and where it did not, how close it came; nothing for other runs."""
    if not run.limits:
        return []
    wanted = [f"{key} at most {limit:,.6g}" for key, limit in run.limits.items() if key != "accuracy"]
    wanted += [f"accuracy at least {run.limits['accuracy']:g}"] if run.limits["accuracy"] else []
    budget, found, best = f"The budget ({', '.join(wanted)})", found_by_search(run), chosen_file(run)
    within = sum(not excess(stage, run.limits) for stage in found)
    if not found or best is None:
        return [f"{budget} is met by no file: none has all of these figures."]
    of_all = f"of {len(found)} file{'s' if len(found) > 1 else ''}"
    if within:
        return [f"{budget} is met by {within} {of_all}; the most accurate is {best.name}."]
    missed = ", ".join(_missed(best, run.limits))
    return [f"{budget} is met by none {of_all}; the nearest is {best.name}: {missed}."]


def _missed(stage: Stage, limits: dict[str, float]) -> list[str]:
    """What of a file is beyond its limit."""
    costs = {key: (stage.figures[key].value, limit) for key, limit in limits.items() if key != "accuracy"}
    found = [f"{key} {value:,.6g} of at most {limit:,.6g}" for key, (value, limit) in costs.items() if value > limit]
    accuracy = stage.figures["accuracy"].value
    return [*found, *([f"accuracy {accuracy:.4f}"] if accuracy < limits["accuracy"] else [])]


def _alone(stage: Stage, run: Run, against: str | None) -> str:
    """A file without a baseline is held against nothing but the float32 size of its parameters."""
    figures, card = stage.figures, stage.card
    key = download_key([stage])
    found = [f"{figures[key].value:,} bytes to download ({_DOWNLOAD_NAMES[key]})"]
    if card.compression_rate:
        found.append(f"compression rate {card.compression_rate:.2f} against float32 parameters")
    found.append(f"accuracy {figures['accuracy'].value:.4f}" if "accuracy" in figures else "accuracy not measured")
    why = "there is nothing else here to hold it against"
    if baseline_file(run, against) is stage and len(run.files) > 1:
        why = "no other file here is a smaller download, and the others are held against it"
    elif len(run.files) > 1:
        why = "no float32 file is here to hold it against (--against names another)"
    return f"{stage.name}: {', '.join(found)}; {why}."
