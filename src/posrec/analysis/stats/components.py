"""Where a spread comes from: the variance that one random stream makes, as a share of the whole.

A study that holds some streams fixed (`training.held_streams`) lets the others vary alone (Bouthillier et al., MLSys
2021).
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from posrec.analysis.stats.stability import LEVEL, Interval, Values


@dataclass(frozen=True)
class Share:
    """Variance of some streams as a share of the variance of all, with its exact interval for normal scores.

    Where runs collapse that interval holds in 54 to 82 % of studies (docs/measured/statistics-checked.md).
    """

    share: float
    interval: Interval


def variance_share(part: Values, whole: Values, level: float = LEVEL) -> Share | None:
    """Variance of (n,) scores in which some streams vary, over that of (m,) scores in which all do.

    The interval is that of a ratio of two normal variances (F). None below two scores in either, or where the whole
    doesn't vary. The shares of single streams need not add up to 1: streams interact, and each is an estimate.

    >>> found = variance_share([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    >>> found.share, [round(bound, 3) for bound in found.interval]
    (0.25, [0.006, 9.75])
    """
    if min(len(part), len(whole)) < 2 or np.ptp(whole) == 0:
        return None
    ratio = float(np.var(part, ddof=1) / np.var(whole, ddof=1))
    quantiles = stats.f.ppf([(1 + level) / 2, (1 - level) / 2], len(part) - 1, len(whole) - 1)
    return Share(ratio, (ratio / float(quantiles[0]), ratio / float(quantiles[1])))
