"""Bootstrap intervals: of a spread, of the ratio of two spreads, and of a mean difference with users inside seeds.

They need no normal scores, but seeds enough: docs/measured/statistics-checked.md has the coverage that was measured.
Every generator is seeded, so that the same scores give the same interval.
"""

from collections.abc import Callable

import numpy as np
from scipy import stats

from posrec.analysis.stats.stability import LEVEL, Interval, Values

RESAMPLES = 4_999
SEED = 20240518
USER_RESAMPLES = 999  # each draws as many users as there are, for every seed
SMALLEST = 3  # two scores have three resamples


def bca_deviation_interval(values: Values, level: float = LEVEL) -> Interval | None:
    """BCa bootstrap interval of the standard deviation of (n,) scores (Efron 1987); None where it doesn't exist.

    It doesn't below three scores, nor where all are equal.

    >>> [round(bound, 2) for bound in bca_deviation_interval([1.0, 2.0, 3.0, 4.0, 9.0])]
    [0.89, 4.38]
    """
    sample = np.asarray(values, float)
    if len(sample) < SMALLEST or np.ptp(sample) == 0:
        return None
    return _bca((sample,), _deviation, level)


def bca_log_ratio_interval(first: Values, second: Values, level: float = LEVEL) -> Interval | None:
    """BCa bootstrap interval of ln(sd of first / sd of second), both resampled apart; None as above for either."""
    samples = np.asarray(first, float), np.asarray(second, float)
    if any(len(sample) < SMALLEST or np.ptp(sample) == 0 for sample in samples):
        return None
    return _bca(samples, _log_ratio, level)


def _bca(samples: tuple[np.ndarray, ...], statistic: Callable[..., np.ndarray], level: float) -> Interval | None:
    with np.errstate(all="ignore"):
        result = stats.bootstrap(
            samples,
            statistic,
            n_resamples=RESAMPLES,
            vectorized=True,
            confidence_level=level,
            method="BCa",
            rng=np.random.default_rng(SEED),
        )
    interval = float(result.confidence_interval.low), float(result.confidence_interval.high)
    return interval if np.isfinite(interval).all() else None


def _deviation(values: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.std(values, axis=axis, ddof=1)


def _log_ratio(first: np.ndarray, second: np.ndarray, axis: int = -1) -> np.ndarray:
    # A resample of one score repeated has no spread; a tiny one in its place keeps its order among the others.
    floor = 1e-12
    return np.log(np.maximum(_deviation(first, axis), floor)) - np.log(np.maximum(_deviation(second, axis), floor))


def two_level_interval(differences: np.ndarray, level: float = LEVEL) -> Interval | None:
    """Percentile interval of a mean difference: seeds are resampled, and inside each drawn seed its users.

    differences: (n, U), one row per seed, one column per test user: its metric with an encoding minus that without
    it. Seeds are the unit for a claim about training: users alone, pooled over seeds, would make everything
    significant. None below two seeds.

    >>> two_level_interval(np.full((3, 4), 0.5))
    (0.5, 0.5)
    """
    seeds, users = differences.shape
    if seeds < 2:
        return None
    generator = np.random.default_rng(SEED)
    means = np.empty(USER_RESAMPLES)
    for number in range(USER_RESAMPLES):
        drawn = generator.integers(0, seeds, (seeds, 1))
        columns = generator.integers(0, users, (seeds, users))
        means[number] = differences[drawn, columns].mean()
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
