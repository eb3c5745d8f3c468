"""Do two encodings differ in spread? Tests between the scores of two cells, and what they can see at n seeds.

Levels differ between encodings, so the permutation test centres each cell on its median first. How often each test
errs, by n and by the shape of the scores, was measured: docs/measured/statistics-checked.md.
"""

import itertools
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import stats

from posrec.analysis.stats.stability import ALPHA, LEVEL, Interval, Values, variance

EXACT_UP_TO = 20_000  # splits into two groups that are all counted
DRAWS = 9_999  # random splits beyond that, beside the observed one
SEED = 20240519
ROUNDING = 1e-12
SMALLEST = 3  # scores per cell
STUDIES = 2_000  # simulated studies behind a power
MOST_SEEDS = 1_000  # where the search for enough seeds ends


@dataclass(frozen=True)
class SpreadTest:
    """A test of two spreads: the log ratio of the standard deviations, and its two-sided p."""

    log_ratio: float
    p: float
    exact: bool


def brown_forsythe(first: Values, second: Values) -> float | None:
    """Two-sided p of Brown and Forsythe (1974): do the distances to the median differ in mean?

    first: (n,), second: (m,) scores. None below three scores per cell, or where neither varies.

    >>> round(brown_forsythe([1, 2, 3, 4, 5], [10, 20, 30, 40, 50]), 4)
    0.0208
    """
    if min(len(first), len(second)) < SMALLEST or np.ptp(first) == np.ptp(second) == 0:
        return None
    return float(stats.levene(first, second, center="median").pvalue)


def log_ratio_test(first: Values, second: Values) -> SpreadTest | None:
    """Permutation test of ln(sd of first / sd of second), each cell centred on its own median.

    The centred scores are reassigned to the two cells: in all ways where these are few, else at random with a fixed
    seed. None below three scores per cell, or where one of the cells doesn't vary.

    >>> result = log_ratio_test([1, 2, 3, 4, 5], [10, 20, 30, 40, 50])
    >>> round(result.log_ratio, 3), round(result.p, 4), result.exact
    (-2.303, 0.0476, True)
    """
    if min(len(first), len(second)) < SMALLEST or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    centred = [np.asarray(values, float) - np.median(values) for values in (first, second)]
    pooled = np.concatenate(centred)
    chosen, exact = _splits(len(first), len(second))
    ratios = split_log_ratios(pooled, chosen)
    p = float(np.mean(np.abs(ratios) >= abs(ratios[0]) - ROUNDING))
    return SpreadTest(float(ratios[0]), p, exact)


def split_log_ratios(pooled: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """ln of the ratio of standard deviations for each split. pooled: (n,); chosen: (splits, n) 1 = first cell."""
    first, second = (_variances(pooled, member) for member in (chosen, 1 - chosen))
    tiny = np.finfo(float).tiny  # a group of equal scores: as extreme as can be
    return (np.log(np.maximum(first, tiny)) - np.log(np.maximum(second, tiny))) / 2


def _variances(pooled: np.ndarray, member: np.ndarray) -> np.ndarray:
    count = member[0].sum()
    mean = member @ pooled / count
    return np.maximum((member @ pooled**2 - count * mean**2) / (count - 1), 0)


@cache
def _splits(n: int, m: int) -> tuple[np.ndarray, bool]:
    """(splits, n + m) of 0 and 1 with n ones each, the first as given; and whether these are all splits."""
    if math.comb(n + m, n) <= EXACT_UP_TO:
        places = np.array(list(itertools.combinations(range(n + m), n)))
        chosen = np.zeros((len(places), n + m))
        np.put_along_axis(chosen, places, 1, axis=1)
        return chosen, True
    given = np.repeat([1.0, 0.0], [n, m])
    drawn = np.random.default_rng(SEED).permuted(np.tile(given, (DRAWS, 1)), axis=1)
    return np.vstack([given, drawn]), False


@cache
def power(n: int, ratio: float, alpha: float = ALPHA) -> float:
    """Share of simulated studies in which Brown-Forsythe finds that two normal spreads differ by `ratio`, n seeds each.

    >>> power(20, 1.0) < 0.06 < 0.6 < power(20, 2.0)
    True
    """
    generator = np.random.default_rng(SEED)
    samples = generator.standard_normal((STUDIES, n)), ratio * generator.standard_normal((STUDIES, n))
    distances = [np.abs(sample - np.median(sample, axis=1, keepdims=True)) for sample in samples]
    return float(np.mean(stats.f_oneway(*distances, axis=1).pvalue <= alpha))


@cache
def seeds_needed(ratio: float, wanted: float = 0.8) -> int | None:
    """Seeds per cell with which Brown-Forsythe detects a ratio of spreads with power `wanted`.

    None above MOST_SEEDS. The power is simulated, so the answer may be off by a seed or two.

    >>> 20 < seeds_needed(2.0) < 30
    True
    """
    low, high = SMALLEST, SMALLEST * 2
    while power(high, ratio) < wanted:
        low, high = high, high * 2
        if high > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, ratio) >= wanted else (middle, high)
    return high


def gap_p(values: Values) -> float | None:
    """p of the largest weighted gap between neighbouring scores, against normal scores (Wainer and Schacht 1978).

    A small p says that the (n,) scores fall into groups. With few seeds only groups far apart are seen; a large p
    doesn't say that there is one mode. None below four scores or where all are equal.

    >>> gap_p([0.0, 0.1, 0.2, 5.0, 5.1, 5.2]) < 0.05 < gap_p([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    True
    """
    if len(values) < 4 or np.ptp(values) == 0:
        return None
    seen = _largest_gap(np.asarray(values, float)[None])[0]
    drawn = _null_gaps(len(values))
    return float((1 + np.sum(drawn >= seen - ROUNDING)) / (1 + len(drawn)))


@cache
def _null_gaps(n: int) -> np.ndarray:
    return _largest_gap(np.random.default_rng(SEED).standard_normal((DRAWS, n)))


def _largest_gap(values: np.ndarray) -> np.ndarray:
    """Largest gap of (k, n) scores in standard deviations, times sqrt(i (n - i)) with i scores below it. (k,)."""
    n = values.shape[1]
    below = np.arange(1, n)
    gaps = np.diff(np.sort(values, axis=1), axis=1) * np.sqrt(below * (n - below))
    return gaps.max(axis=1) / values.std(axis=1, ddof=1)


@dataclass(frozen=True)
class Share:
    """Variance of some streams as a share of the variance of all, with its exact interval for normal scores.

    Where runs collapse that interval holds in 54 to 82 % of studies (docs/measured/statistics-checked.md).
    """

    share: float
    interval: Interval


def variance_share(part: Values, whole: Values, level: float = LEVEL) -> Share | None:
    """Variance of (n,) scores in which some streams vary, over that of (m,) scores in which all do.

    A study that holds some streams fixed (`training.held_streams`) lets the others vary alone (Bouthillier et al.,
    MLSys 2021). The interval is that of a ratio of two normal variances (F). None below two scores in either, or where
    the whole doesn't vary. Shares of single streams need not add up to 1: streams interact, and each is an estimate.

    >>> found = variance_share([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    >>> found.share, [round(bound, 3) for bound in found.interval]
    (0.25, [0.006, 9.75])
    """
    of_part, of_whole = variance(part), variance(whole)
    if of_part is None or not of_whole:
        return None
    ratio = of_part / of_whole
    quantiles = stats.f.ppf([(1 + level) / 2, (1 - level) / 2], len(part) - 1, len(whole) - 1)
    return Share(ratio, (ratio / float(quantiles[0]), ratio / float(quantiles[1])))
