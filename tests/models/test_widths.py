"""The numbers of channels that a group may have."""

import keras
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcompress.models.channels import channel_groups
from tfcompress.models.widths import Widths, widths_of

L = keras.layers


@given(st.integers(1, 200), st.sampled_from((1, 2, 8, 16)), st.integers(0, 200), st.floats(0, 250))
def test_the_nearest_number_is_allowed(channels, step, least, count):
    widths = Widths(channels, step, min(least, channels))
    nearest = widths.nearest(count)
    assert nearest == channels or (nearest % step == 0 and widths.least <= nearest < channels)
    assert max(1, widths.least) <= widths.fewest <= nearest <= channels


@given(st.integers(1, 100), st.sampled_from((1, 8)), st.integers(0, 100))
def test_steps_lead_from_the_fewest_to_all(channels, step, least):
    widths = Widths(channels, step, min(least, channels))
    seen, count = [], widths.fewest
    while count is not None:
        seen.append(count)
        count = widths.after(count)
    assert seen == sorted(set(seen))
    assert seen[-1] == channels


def test_more_channels_never_become_fewer_by_rounding():
    widths = Widths(50, 8, 4)
    numbers = [widths.nearest(count / 4) for count in range(220)]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(("convolution_groups", "step"), [(1, 8), (2, 4), (8, 1), (16, 1)])
def test_where_one_channel_is_several_in_its_layer_fewer_make_a_step(convolution_groups, step):
    image = keras.Input((4, 4, 3))
    x = L.Conv2D(64, 1, groups=convolution_groups, name="grouped")(L.Conv2D(64, 1, name="before")(image))
    found = channel_groups(keras.Model(image, L.Conv2D(1, 1)(x)))
    group = next(group for group in found.groups if group.name == "grouped")
    assert widths_of(group, 8).step == step
    assert group.channels * group.entries == 64
