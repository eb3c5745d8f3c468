"""Is one encoding better than another? Differences of level, paired by seed.

A seed gives every encoding the same initial trunk and the same order of the data, so that differences within a seed
are compared. The seed is the unit.
"""

import itertools
from functools import cache

import numpy as np
from scipy import stats

from posrec.analysis.stats.stability import Values

EXACT_UP_TO = 14  # 2^14 = 16,384 patterns of signs
DRAWS = 9_999
SEED = 20240520
ROUNDING = 1e-12


def signed_rank_p(differences: Values) -> float | None:
    """Two-sided p of Wilcoxon's signed ranks of (n,) differences; None where no difference is other than zero.

    Five seeds can't go below 1 / 16:

    >>> signed_rank_p([1.0, 2.0, 3.0, 4.0, 5.0])
    0.0625
    """
    values = np.asarray(differences, float)
    return float(stats.wilcoxon(values, method="auto").pvalue) if np.any(values != 0) else None


def sign_flip_p(differences: Values) -> float | None:
    """Two-sided permutation p of the mean of (n,) differences: under the null each sign is arbitrary.

    All 2^n patterns are counted up to n = 14, else random ones with a fixed seed. None without differences.

    >>> sign_flip_p([1.0, 2.0, 3.0])
    0.25
    """
    values = np.asarray(differences, float)
    n = len(values)
    if n == 0:
        return None
    means = np.abs(_signs(n) @ values) / n
    return float(np.mean(means >= abs(values.mean()) - ROUNDING))


@cache
def _signs(n: int) -> np.ndarray:
    """(patterns, n) of 1 and -1, the first all 1."""
    if n <= EXACT_UP_TO:
        return np.array(list(itertools.product((1.0, -1.0), repeat=n)))
    drawn = np.random.default_rng(SEED).choice((1.0, -1.0), (DRAWS, n))
    return np.vstack([np.ones(n), drawn])


def smallest_sign_flip_p(n: int) -> float:
    """The smallest p that n differences can reach: no significance at 5 % below six seeds.

    >>> smallest_sign_flip_p(5), smallest_sign_flip_p(6)
    (0.0625, 0.03125)
    """
    return 2.0 ** (1 - n) if n <= EXACT_UP_TO else 1 / (DRAWS + 1)


def probability_of_improvement(first: Values, second: Values) -> float | None:
    """How often a run of the first (n,) beats one of the second (m,); a tie counts one half (rliable, NeurIPS 2021).

    >>> probability_of_improvement([1, 2, 3], [0, 2])
    0.75
    """
    if not len(first) or not len(second):
        return None
    difference = np.subtract.outer(np.asarray(first, float), np.asarray(second, float))
    return float(np.mean((difference > 0) + (difference == 0) / 2))


def interquartile_mean(values: Values) -> float | None:
    """Mean of the middle half of (n,) scores: 25 % are cut off at either end (rliable, NeurIPS 2021).

    >>> interquartile_mean([0.0, 1.0, 2.0, 100.0])
    1.5
    """
    return float(stats.trim_mean(values, 0.25)) if len(values) else None
