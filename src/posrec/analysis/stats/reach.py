"""What a design can decide before it is run: the smallest p, the power for twice the margin, and the seeds it takes."""

import math
from functools import cache

from scipy import stats

from posrec.analysis.stats.maxt import DRAWS
from posrec.analysis.stats.sequential import alone
from posrec.analysis.stats.spreads import CALIBRATED, FEWEST

POWER = 0.8
MOST_SEEDS = 1_000
WIDER = 1.08  # than that limit: what permutations lose, measured at 6 to 30 seeds (docs/measured/rules-coverage.csv)
LOG_SPREAD = math.pi / 2 - 1  # n times the variance of the log of a normal's mean distance to the median


def smallest_p(seeds: int, draws: int = DRAWS) -> float:
    """The smallest adjusted p of max-T over sign flips, whatever the number of comparisons and data sets.

    seeds: of the comparison. Flips of other data sets leave a comparison as it is, so more data sets help nothing.

    >>> smallest_p(5), smallest_p(6), smallest_p(20)
    (0.0625, 0.03125, 0.0001)
    """
    return max(2.0 ** (1 - seeds), 1 / (draws + 1))


def level_power(seeds: int, margin: float, deviation: float, comparisons: int = 1, times: float = 2.0) -> float:
    """Power to say "ahead" of a true difference of `times` the margin, from normal paired differences.

    margin, deviation: of the paired differences, in one unit; comparisons: of the family, independent at worst.

    >>> round(level_power(10, 1.0, 1.0), 3), round(level_power(10, 1.0, 1.0, 63), 3)
    (0.803, 0.141)
    """
    if seeds < 3:
        return 0.0
    df = seeds - 1
    quantile = stats.t.isf(alone(0.05, comparisons) / 2, df)
    return float(stats.nct.sf(quantile, df, (times - 1) * margin / deviation * seeds**0.5)) if deviation else 1.0


def equivalence_power(seeds: int, margin: float, deviation: float, comparisons: int = 1) -> float:
    """Power to say "equivalent" of a true difference of 0 (two one-sided tests), a lower bound by Bonferroni."""
    if seeds < 3:
        return 0.0
    df = seeds - 1
    quantile = stats.t.isf(alone(0.05, comparisons) / 2, df)
    one_sided = stats.nct.sf(quantile, df, margin / deviation * seeds**0.5) if deviation else 1.0
    return max(0.0, 2 * float(one_sided) - 1)


@cache
def spread_power(seeds: int, ratio: float, margin: float, comparisons: int = 1) -> float:
    """Power to say that a spread is beyond the margin (a ratio), where it is `ratio` times another; unpaired, normal.

    By the normal limit of the log ratio of mean distances, with t's quantile on 2 (seeds - 1) degrees of freedom.

    >>> 0.2 < spread_power(20, 2.25, 1.5) < 0.6
    True
    """
    if seeds < FEWEST:
        return 0.0
    error = WIDER * math.sqrt(2 * LOG_SPREAD / (seeds - 2))
    quantile = stats.t.isf(alone(0.05 * CALIBRATED, comparisons) / 2, 2 * (seeds - 1))
    return float(stats.t.sf(quantile - math.log(ratio / margin) / error, 2 * (seeds - 1)))


def level_seeds(margin: float, deviation: float, comparisons: int = 1, times: float = 2.0) -> int | None:
    """Seeds with which `level_power` reaches POWER; None above MOST_SEEDS.

    >>> level_seeds(1.0, 1.0), level_seeds(1.0, 1.0, 63)
    (10, 24)
    """
    tried = ((n, level_power(n, margin, deviation, comparisons, times)) for n in range(3, MOST_SEEDS))
    return next((n for n, power in tried if power >= POWER), None)


def spread_seeds(ratio: float, margin: float, comparisons: int = 1) -> int | None:
    """Seeds with which `spread_power` reaches POWER; None above MOST_SEEDS."""
    tried = ((n, spread_power(n, ratio, margin, comparisons)) for n in range(FEWEST, MOST_SEEDS))
    return next((n for n, power in tried if power >= POWER), None)
