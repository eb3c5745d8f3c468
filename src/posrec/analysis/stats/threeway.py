"""One rule for every comparison of levels and of spreads: an interval against a margin gives one of four words.

"ahead" and "behind" are minimum-effect tests, "equivalent" is two one-sided tests (TOST). All are read from one 95 %
interval, so that each word is wrong in at most 2.5 % of studies where the interval holds what it promises, and over a
family in at most 5 % where the intervals are simultaneous.
"""

import math
from dataclasses import dataclass
from typing import Literal

Word = Literal["ahead", "behind", "equivalent", "open"]

AHEAD: Word = "ahead"
BEHIND: Word = "behind"
EQUIVALENT: Word = "equivalent"
OPEN: Word = "open"


@dataclass(frozen=True)
class Margin:
    """The smallest differences that matter, stated before the runs.

    relative: share of the mean of `none`; floor: smallest margin of a level, in the metric's unit (a fraction);
    ratio: of two spreads, above 1; rate: largest difference of rates of failure or collapse that doesn't matter.
    """

    relative: float = 0.02
    floor: float = 0.001
    ratio: float = 1.5
    rate: float = 0.15

    def __post_init__(self) -> None:
        if self.relative < 0 or self.floor < 0 or self.ratio <= 1 or not 0 < self.rate < 1:
            raise ValueError(f"a margin needs relative >= 0, floor >= 0, ratio > 1 and 0 < rate < 1: {self}")

    def level(self, mean: float) -> float:
        """The margin of a level, in the metric's unit, where `none` has this mean.

        >>> Margin().level(0.2), Margin().level(0.01)
        (0.004, 0.001)
        """
        return max(self.relative * abs(mean), self.floor)

    @property
    def log_ratio(self) -> float:
        """The margin of a log ratio of spreads."""
        return math.log(self.ratio)


def verdict(low: float, high: float, margin: float) -> Word:
    """The word for a difference (first minus second, or a log ratio) with this interval.

    ahead: the whole interval is above +margin; behind: below -margin; equivalent: strictly between the two; open:
    everything else, an interval that doesn't exist (NaN) among them. low, high and margin have one unit.

    >>> verdict(1.2, 3.0, 1.0), verdict(0.2, 3.0, 1.0), verdict(-0.5, 0.9, 1.0), verdict(-38.0, -10.0, 1.0)
    ('ahead', 'open', 'equivalent', 'behind')
    """
    if margin < 0:
        raise ValueError(f"a margin is 0 or more, not {margin}")
    if low > margin:
        return AHEAD
    if high < -margin:
        return BEHIND
    return EQUIVALENT if -margin < low <= high < margin else OPEN


def ratio_verdict(low: float, high: float, ratio: float) -> Word:
    """The word for a ratio of spreads with this interval, against a margin of `ratio` (> 1).

    "ahead" means the larger spread, so the caller says "less steady"; "behind" means steadier.

    >>> ratio_verdict(1.6, 4.0, 1.5), ratio_verdict(0.2, 0.6, 1.5), ratio_verdict(0.7, 1.4, 1.5)
    ('ahead', 'behind', 'equivalent')
    """
    return verdict(_log(low), _log(high), _log(ratio))


def side(low: float, high: float) -> Literal["above", "below", ""]:
    """On which side of no difference the whole interval is; it qualifies "open", by how much isn't known.

    >>> side(0.2, 3.0), side(-1.0, 2.0)
    ('above', '')
    """
    return "above" if low > 0 else "below" if high < 0 else ""


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf if value == 0 else math.nan
