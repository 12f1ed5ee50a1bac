import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcompress.reporting.axes import Axis, axis_for


@given(st.lists(st.floats(-1e12, 1e12).map(lambda x: float(f"{x:.6g}")), min_size=1, max_size=20))
def test_every_value_lies_on_its_axis_in_order(values: list[float]) -> None:
    axis = axis_for(values, 0, 1000)
    places = [axis.at(value) for value in sorted(values)]
    assert all(0 <= place <= 1000 for place in places)
    assert places == sorted(places)


@given(st.floats(1e-6, 1e9), st.floats(1.001, 1e9))
def test_a_few_round_ticks_lie_on_the_axis(low: float, factor: float) -> None:
    axis = axis_for([low, low * factor], 0, 1000)
    assert 1 <= len(axis.ticks()) <= 8
    assert all(-1 <= axis.at(tick) <= 1001 for tick in axis.ticks())


def test_an_axis_from_a_to_a_thousand_a_is_logarithmic() -> None:
    axis = axis_for([1.0, 1000.0], 0, 100)
    assert axis.logarithmic
    assert axis.ticks() == [1.0, 10.0, 100.0, 1000.0]
    assert axis.at(10.0) - axis.at(1.0) == pytest.approx(axis.at(100.0) - axis.at(10.0), abs=0.011)


def test_an_axis_may_go_up() -> None:
    assert Axis(0, 10, 200, 100, logarithmic=False).at(2.5) == 175
