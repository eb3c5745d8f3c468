"""The spread of two encodings (or of two evaluations of the same trainings) whose runs are paired by seed.

Seeds that share what moves the scores tell two spreads apart that unpaired tests can't: with a correlation of 0.9 the
interval of the ratio is less than half as wide.
"""

from functools import cache

import numpy as np
from scipy import stats

from posrec.analysis.stats import blocks
from posrec.analysis.stats.spreads import DRAWS, FEWEST, SEED, Exchanges, Ratio, distances, from_sums


def pitman_morgan(first: np.ndarray, second: np.ndarray, alpha: float = 0.05) -> Ratio | None:
    """Ratio of the standard deviations of (n,) paired scores, exact for pairs that are normal (Pitman 1939, Morgan).

    Sums and differences of the pairs don't correlate where the spreads are equal. None below three pairs, or where
    one doesn't vary. p: two-sided.

    >>> found = pitman_morgan(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.1, 3.9, 6.2, 7.8]))
    >>> round(found.ratio, 3), found.low < 0.51 < found.high
    (0.514, True)
    """
    one, two = _both(first, second)
    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(two) == 0:
        return None
    ratio = float(np.var(one, ddof=1) / np.var(two, ddof=1))
    unexplained = max(1 - float(np.corrcoef(one, two)[0, 1]) ** 2, 0.0)
    df = len(one) - 2
    low, high = _morgan(ratio, unexplained * float(stats.t.isf(alpha / 2, df)) ** 2 / df)
    t = (ratio - 1) * np.sqrt(df / max(4 * ratio * unexplained, 1e-300))
    return Ratio(ratio**0.5, low**0.5, high**0.5, float(2 * stats.t.sf(abs(t), df)))


def _morgan(ratio: float, share: float) -> tuple[float, float]:
    """Bounds of a ratio of variances; share: (1 - r^2) t^2 / df."""
    centre = 1 + 2 * share
    width = 2 * np.sqrt(share * (1 + share))
    return float(ratio * (centre - width)), float(ratio * (centre + width))


def paired(first: np.ndarray, second: np.ndarray, draws: int = DRAWS) -> Exchanges | None:
    """Ratio of the spreads (mean distances to the median) of (n,) paired scores; pairs with a NaN are left out.

    The permutation form of Pitman's and Morgan's test: the two distances of a pair may change places. It needs no
    normal scores. None below FEWEST pairs, or where one doesn't vary.
    """
    one, two = _both(first, second)
    if len(one) < FEWEST or np.ptp(one) == 0 or np.ptp(two) == 0:
        return None
    a, b = distances(one), distances(two)
    chosen = _choices(len(a), draws)
    return from_sums(a, b, chosen @ a, chosen @ b)


def paired_ratio(first: np.ndarray, second: np.ndarray, alpha: float = 0.05) -> Ratio | None:
    """`paired` at one level."""
    found = paired(first, second)
    return None if found is None else found.at(alpha)


def _both(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(first) & np.isfinite(second)
    return first[known], second[known]


@cache
def _choices(n: int, draws: int) -> np.ndarray:
    """(patterns, n) of 0 and 1, the pairs that change places: all but none where these are few, else random ones."""
    if 2**n - 1 <= draws:
        return (1 - blocks.signs(n + 1, draws + 1, np.random.default_rng(SEED))[1:, 1:]) / 2
    return np.random.default_rng(SEED).integers(0, 2, (draws, n)).astype(float)
