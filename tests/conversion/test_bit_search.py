"""The search over precisions, on costs that are known beforehand."""

import itertools

import pytest

from tfcompress.conversion.bit_search import Point, Precisions, chosen, pareto, search
from tfcompress.errors import ConversionError

# Bytes and noise of each layer in each precision: noise adds up, so the best order is by noise for a byte.
_COSTS = {
    "cheap": {"int8": (100, 0.0), "int4": (50, 0.001)},
    "dear": {"int8": (40, 0.0), "int4": (20, 0.1)},
    "middle": {"int8": (200, 0.0), "int4": (100, 0.02)},
    "fixed": {"int8": (10, 0.0)},
}
_OPTIONS = {name: tuple(costs) for name, costs in _COSTS.items()}


def _measure(precisions: Precisions) -> Point:
    costs = [_COSTS[name][precision] for name, precision in precisions.items()]
    return Point(sum(cost[0] for cost in costs), 1e-4 + sum(cost[1] for cost in costs), dict(precisions))


def test_the_cheapest_bytes_go_first() -> None:
    points = search(_OPTIONS, _measure)
    assert [point.bytes for point in points] == [350, 300, 250, 200, 180]
    narrowed = [{name for name, precision in point.precisions.items() if precision == "int4"} for point in points]
    assert narrowed == [set(), {"cheap"}, {"middle"}, {"cheap", "middle"}, {"cheap", "middle", "dear"}]


def test_additive_costs_lead_to_the_front_of_all_files() -> None:
    every = [_measure(dict(zip(_OPTIONS, choice, strict=True))) for choice in itertools.product(*_OPTIONS.values())]
    best = {point.bytes: point.noise for point in pareto(every)}
    for point in search(_OPTIONS, _measure):
        assert best[point.bytes] == point.noise


def test_fewer_bytes_are_more_noise() -> None:
    points = search(_OPTIONS, _measure)
    assert [point.bytes for point in points] == sorted({point.bytes for point in points}, reverse=True)
    assert [point.snr_db for point in points] == sorted({point.snr_db for point in points}, reverse=True)


def test_a_layer_may_skip_a_precision_that_saves_nothing() -> None:
    costs = {"float32": (400, 0.0), "int16": (100, 0.001), "int8": (100, 0.01), "int4": (50, 0.02)}

    def measure(precisions: Precisions) -> Point:
        size, noise = costs[precisions["x"]]
        return Point(size, noise, dict(precisions))

    points = search({"x": tuple(costs)}, measure)
    assert [point.precisions["x"] for point in points] == ["float32", "int16", "int4"]


def test_a_file_of_one_precision_needs_no_search() -> None:
    (point,) = search({"a": ("int8",), "b": ("int4",)}, lambda found: Point(10, 0.5, dict(found)))
    assert point.precisions == {"a": "int8", "b": "int4"}


def test_a_budget_of_bytes_gives_the_cleanest_file_within_it() -> None:
    points = search(_OPTIONS, _measure)
    assert chosen(points, 299, None).bytes == 250
    assert chosen(points, None, None).bytes == 350


def test_a_budget_of_error_gives_the_smallest_file_that_keeps_it() -> None:
    points = search(_OPTIONS, _measure)
    assert chosen(points, None, points[1].snr_db).bytes == 300
    assert chosen(points, 320, points[3].snr_db).bytes == 200


@pytest.mark.parametrize(
    ("max_bytes", "min_snr_db", "message"),
    [
        (179, None, "at most 179 bytes; the smallest has 180"),
        (None, 90.0, r"outputs of 90 dB; the best have 40\.0 dB"),
        (200, 30.0, r"within 200 bytes; the best have 16\.8 dB"),
    ],
)
def test_a_budget_that_nothing_keeps_is_refused(max_bytes: int | None, min_snr_db: float | None, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        chosen(search(_OPTIONS, _measure), max_bytes, min_snr_db)
