"""Which interval of a spread, of two spreads, or of a lead over users is shown: one with measured coverage, or none.

Measured in docs/measured/statistics-checked.md: the exact interval has its coverage for normal scores and two modes,
but only 61 to 85 % where runs collapse; there BCa reaches 90 % from 20 seeds on, and nothing does below. Of a ratio of
spreads BCa holds 90 % at every n where no run collapses, but at few seeds only because its bounds reach 0 and infinity:
with three seeds each ninth resample is one score repeated. Where runs collapse it misses 90 % at ten seeds. The exact
interval of a share of variance (F) holds for normal scores alone. Users resampled inside seeds give 80 to 86 % below
ten seeds: so few resampled seeds differ less than seeds do.
"""

import numpy as np
from scipy import stats

from posrec.analysis.stats import resampling, spread_tests, stability
from posrec.analysis.stats.stability import Interval, Values

BCA_FROM = 20  # seeds
RATIO_FROM = 6  # seeds per cell: with fewer, resamples of equal scores bound the ratio; BCA_FROM where runs collapse
USERS_FROM = 10  # seeds whose users are resampled
DATASETS_FROM = 8  # data sets: with fewer, strong correlations have no interval too often
ROUNDING = 1e-9
BOUNDLESS = 1e6  # a bound of a ratio beyond it comes from resamples of equal scores
EXACT, BCA, TWO_LEVEL = "exact", "BCa", "two-level bootstrap"


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


def too_few_for_ratio(n: int, collapsed: bool = False) -> str:
    """Says that n seeds give no interval of a ratio of spreads; empty where they are enough.

    >>> too_few_for_ratio(3), too_few_for_ratio(6), too_few_for_ratio(6, collapsed=True)
    ('no interval is valid at n = 3', '', 'no interval is valid at n = 6 where runs collapse')
    """
    if n < RATIO_FROM:
        return f"no interval is valid at n = {n}"
    return f"no interval is valid at n = {n} where runs collapse" if collapsed and n < BCA_FROM else ""


def ratio_interval(first: Values, second: Values, collapsed: bool) -> tuple[Interval | None, str]:
    """The interval of sd(first) / sd(second), (n,) and (m,) scores, and its name, or why there is none.

    collapsed: whether some runs of either, but not all, are at chance level.

    >>> ratio_interval([2.0, 4.0, 6.0], [1.0, 2.0, 3.0], False)
    (None, 'no interval is valid at n = 3')
    """
    n = min(len(first), len(second))
    if few := too_few_for_ratio(n, collapsed):
        return None, few
    found = resampling.bca_log_ratio_interval(first, second)
    if found is None or max(-found[0], found[1]) > np.log(BOUNDLESS):
        return None, f"no interval is valid at n = {n} with so many equal scores"
    return (float(np.exp(found[0])), float(np.exp(found[1]))), BCA


def share_interval(part: Values, whole: Values, collapsed: bool) -> tuple[Interval | None, str]:
    """The interval of var(part) / var(whole), (n,) and (m,) scores that vary, and its name, or why there is none.

    collapsed: whether some runs of either, but not all, are at chance level. The share is then that of the squared
    ratio of the two spreads.

    >>> share_interval([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], True)
    (None, 'no interval is valid at n = 3')
    """
    if not collapsed:
        share = spread_tests.variance_share(part, whole)
        return (None, "the whole has no spread") if share is None else (share.interval, EXACT)
    interval, name = ratio_interval(part, whole, collapsed)
    return (None if interval is None else (interval[0] ** 2, interval[1] ** 2)), name


def lead_interval(differences: np.ndarray) -> tuple[Interval | None, str]:
    """The two-level interval of a mean difference, (n, U) over seeds and their users, and its name, or why not.

    >>> lead_interval(np.zeros((5, 100)))
    (None, 'no interval is valid at n = 5')
    """
    n = len(differences)
    if n < USERS_FROM:
        return None, f"no interval is valid at n = {n}"
    return resampling.two_level_interval(differences), TWO_LEVEL


def rank_correlation_interval(rho: float, n: int, smallest: int = DATASETS_FROM) -> Interval | None:
    """95 % interval of Spearman's rho over n data sets: Fisher's z, with the error of Bonett and Wright (2000).

    That error is sqrt((1 + rho^2 / 2) / (n - 3)). None where the ranks agree wholly, since z is infinite there, nor
    below `smallest` data sets, where that is common. With eight, a correlation of 0.95 is covered in 88 % of studies
    (docs/measured/statistics-checked.md); about half of the others have no interval.

    >>> [round(bound, 2) for bound in rank_correlation_interval(0.5, 8)]
    [-0.36, 0.9]
    """
    if n < smallest or abs(rho) > 1 - ROUNDING:
        return None
    half = stats.norm.ppf((1 + stability.LEVEL) / 2) * np.sqrt((1 + rho**2 / 2) / (n - 3))
    low, high = np.tanh(np.arctanh(rho) + np.array([-half, half]))
    return float(low), float(high)
