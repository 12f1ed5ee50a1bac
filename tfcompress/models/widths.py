"""Which numbers of channels a group may have: whole steps that suit a CPU's vectors, above a floor."""

from dataclasses import dataclass
from math import ceil, gcd

from tfcompress.models.channels import ChannelGroup


@dataclass(frozen=True)
class Widths:
    """The numbers of channels that a group may have: multiples of `step` from `least` on, and all of them.

    A group with fewer channels than a step stays whole: nothing is gained by filling a vector less.

    Args:
        channels: How many it has.
        step: What the number must be a multiple of, from 1.
        least: The fewest that must stay.

    Example:
        >>> widths = Widths(channels=50, step=8, least=5)
        >>> widths.fewest, [widths.nearest(count) for count in (0, 19, 21, 49, 50)]
        (8, [8, 16, 24, 48, 50])
        >>> widths.after(8), widths.after(48), widths.after(50)
        (16, 50, None)
    """

    channels: int
    step: int = 1
    least: int = 1

    @property
    def fewest(self) -> int:
        """The smallest number."""
        return min(self.channels, self.step * ceil(max(1, self.least) / self.step))

    def nearest(self, count: float) -> int:
        """The number nearest to `count`."""
        if count >= self.channels:
            return self.channels
        return max(self.fewest, min(self.channels - self.channels % self.step, self.step * round(count / self.step)))

    def after(self, count: int) -> int | None:
        """The next larger number, or None after the last."""
        if count >= self.channels:
            return None
        return min(self.channels, (count // self.step + 1) * self.step)


def widths_of(group: ChannelGroup, round_to: int = 8, floor: float = 0.0) -> Widths:
    """The numbers of channels that a group may have.

    Args:
        group: The group.
        round_to: What the width of its layers must be a multiple of, from 1. Where one channel of the group is several
            in its layer, as in a convolution with groups, fewer channels make a step.
        floor: The share of the channels that must stay, in [0, 1].
    """
    return Widths(group.channels, round_to // gcd(round_to, group.entries), ceil(floor * group.channels - 1e-9))
