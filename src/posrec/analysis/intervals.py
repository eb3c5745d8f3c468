"""Which interval of a spread may be shown: the one whose coverage was measured to reach 90 %, or none.

Measured in docs/statistics-checked.md: the exact interval holds what it promises for normal scores and for two modes,
but only 61 to 85 % where runs collapse; there BCa reaches 90 % from 20 seeds on, and nothing does below.
"""

import numpy as np

from posrec.analysis import resampling, stability
from posrec.analysis.stability import Interval, Values

BCA_FROM = 20  # seeds
EXACT, BCA = "exact", "BCa"


def spread_interval(values: Values, collapsed: int) -> tuple[Interval | None, str]:
    """The interval of the standard deviation of (n,) scores, and its name, or why there is none.

    collapsed: how many of the n runs are at chance level. All or none of them: one shape, and the exact interval.

    >>> spread_interval([2.0, 4.0, 6.0], 0)[1], spread_interval([0.0, 4.0, 6.0], 1)
    ('exact', (None, 'no interval is valid at n = 3 where runs collapse'))
    """
    n = len(values)
    if n < 2:
        return None, "a spread needs two runs"
    if np.ptp(values) == 0:
        return None, "all scores are equal"
    if collapsed in (0, n):
        return stability.deviation_interval(values), EXACT
    interval = resampling.bca_deviation_interval(values) if n >= BCA_FROM else None
    return (interval, BCA) if interval else (None, f"no interval is valid at n = {n} where runs collapse")
