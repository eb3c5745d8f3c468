"""Permutation tests on ranks, exact where all orders can be counted."""

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import stats

EXACT_UP_TO = 8  # 8! = 40,320 orders
DRAWS = 19_999  # random orders beyond that, beside the observed one
SEED = 20240517  # of those random orders
ROUNDING = 1e-9  # of a statistic
SEPARABLE = 0.7  # rank correlation of two predictors above which one isn't cleared of the other
DECIMALS = 12  # of a value to rank


@dataclass(frozen=True)
class Test:
    """A permutation test: its statistic, two-sided p, and the smallest p that any outcome could have had."""

    statistic: float
    p: float
    smallest_p: float
    exact: bool
    orders: int


@cache
def orders(n: int) -> np.ndarray:
    """(n!, n) all orders of n things for n <= 8, else (DRAWS + 1, n) random ones; the first is the given order."""
    if n <= EXACT_UP_TO:
        return np.array(list(itertools.permutations(range(n))))
    generator = np.random.default_rng(SEED)
    drawn = generator.permuted(np.tile(np.arange(n), (DRAWS, 1)), axis=1)
    return np.vstack([np.arange(n), drawn])


def ranks(values: np.ndarray) -> np.ndarray:
    """(n,) mean ranks; values that differ by rounding alone are ties.

    >>> ranks(np.array([0.3, 0.1 + 0.2, 0.1])).tolist()
    [2.5, 2.5, 1.0]
    """
    return np.asarray(stats.rankdata(np.round(values, DECIMALS)))


def spearman(x: np.ndarray, y: np.ndarray) -> Test | None:
    """Spearman's rho of (n,) pairs with a two-sided permutation p (ties by mean ranks).

    None below three pairs or where x or y is constant. Four pairs in perfect order:

    >>> result = spearman(np.array([1, 2, 3, 4]), np.array([10, 20, 30, 40]))
    >>> round(result.statistic, 6), round(result.p, 4)
    (1.0, 0.0833)
    """
    first, second = ranks(x), ranks(y)
    if len(x) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    first, second = first - first.mean(), second - second.mean()
    rho = second[orders(len(x))] @ first / np.sqrt((first**2).sum() * (second**2).sum())
    return _test(np.clip(rho, -1, 1), np.abs(rho))


def partial_spearman(x: np.ndarray, y: np.ndarray, given: np.ndarray) -> Test | None:
    """Spearman's partial rho of (n,) x and y, given a third, with a two-sided permutation p.

    Ranks of x and y are cleared of the ranks of `given` by least squares; x is permuted before it is cleared (Draper
    and Stoneman 1966), which is exact where x doesn't go with `given`. Permuted residuals err up to three times too
    often at so few data sets. None below four values, where nothing is left to correlate, or where x and `given` go
    together by more than SEPARABLE: then this test errs too often as well (docs/measured/statistics-checked.md).

    >>> result = partial_spearman(np.arange(5), np.array([2, 1, 4, 3, 5]), np.array([2, 1, 4, 5, 3]))
    >>> round(result.statistic, 3), round(result.p, 3)
    (0.688, 0.317)
    """
    if len(x) < 4 or np.ptp(x) == 0 or np.ptp(given) == 0:
        return None
    first, second, third = (ranks(values) - (len(x) + 1) / 2 for values in (x, y, given))
    together = abs(first @ third) / np.sqrt((first @ first) * (third @ third))
    second = second - third * (second @ third) / (third @ third)
    if together > SEPARABLE or second @ second < ROUNDING:
        return None
    permuted = first[orders(len(x))]
    permuted = permuted - np.outer(permuted @ third, third) / (third @ third)
    lengths = np.sqrt((permuted**2).sum(1) * (second @ second))
    rho = np.divide(permuted @ second, lengths, out=np.zeros(len(lengths)), where=lengths > ROUNDING)
    return _test(np.clip(rho, -1, 1), np.abs(rho))


def between_groups(x: np.ndarray, groups: list[str]) -> Test | None:
    """Does x (n,) differ between groups? Statistic: between-group sum of squares of the ranks of x.

    It orders outcomes as Kruskal-Wallis' H does. None below three values, for one group, or where x is constant.

    >>> result = between_groups(np.array([1, 2, 3, 4]), ["a", "a", "b", "b"])
    >>> result.statistic, round(result.p, 4)
    (4.0, 0.3333)
    """
    names = sorted(set(groups))
    ranked = ranks(x)
    if len(x) < 3 or len(names) < 2 or np.ptp(ranked) == 0:
        return None
    member = np.array([[group == name for name in names] for group in groups], float)  # (n, groups)
    sums = ranked[orders(len(x))] @ member
    squares = (sums**2 / member.sum(0)).sum(1) - len(x) * ranked.mean() ** 2
    return _test(squares, squares)


def _test(statistic: np.ndarray, extremeness: np.ndarray) -> Test:
    exact = len(statistic) != DRAWS + 1
    p = float(np.mean(extremeness >= extremeness[0] - ROUNDING))
    smallest = float(np.mean(extremeness >= extremeness.max() - ROUNDING)) if exact else 1 / len(statistic)
    return Test(float(statistic[0]), p, smallest, exact, len(statistic))
