"""Outcomes that aren't scores: runs that failed, collapsed (to chance or to popularity), or were still rising.

A failed run is an outcome, not a gap. Rates come with Wilson's interval, two rates with Newcombe's interval of their
difference and an exact test. Level and spread are then those of the healthy runs, and `guard` withholds a verdict that
the rates contradict or that they are too uncertain for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from scipy import stats

from posrec.analysis.stats.threeway import AHEAD, BEHIND, EQUIVALENT, OPEN, Word

Rates = Literal["differ", "alike", "unknown"]
DRAWS = 9_999
SEED = 20240604


@dataclass(frozen=True)
class Rate:
    """`count` of n runs; low and high: Wilson's interval of the share."""

    count: int
    n: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The observed share; NaN without runs."""
        return self.count / self.n if self.n else float("nan")

    @property
    def words(self) -> str:
        """The count in words.

        >>> rate(2, 10).words
        '2 of 10 seeds'
        """
        return f"{self.count} of {self.n} seed{'s' if self.n != 1 else ''}"


@cache
def rate(count: int, n: int, level: float = 0.95) -> Rate:
    """A rate with Wilson's interval; without runs it's anything from 0 to 1.

    >>> found = rate(1, 10)
    >>> round(found.low, 3), round(found.high, 3)
    (0.018, 0.404)
    """
    if n == 0:
        return Rate(0, 0, 0.0, 1.0)
    interval = stats.binomtest(count, n).proportion_ci(confidence_level=level, method="wilson")
    return Rate(count, n, float(interval.low), float(interval.high))


@dataclass(frozen=True)
class RateDifference:
    """Share of the first minus share of the second, Newcombe's (1998) interval, Fisher's exact p, and the word."""

    difference: float
    low: float
    high: float
    p: float
    word: Rates


def compare(first: Rate, second: Rate, tolerance: float) -> RateDifference:
    """Two rates: they differ (Fisher, 5 %), are alike (interval within -tolerance .. tolerance), or it's unknown.

    tolerance: the largest difference of rates that doesn't matter, a share. Without one bad run in either, 22 runs
    each are alike within 0.15, 35 within 0.10.

    >>> compare(rate(0, 10), rate(0, 10), 0.15).word, compare(rate(0, 22), rate(0, 22), 0.15).word
    ('unknown', 'alike')
    """
    if min(first.n, second.n) == 0:
        return RateDifference(float("nan"), -1.0, 1.0, 1.0, "unknown")
    difference = first.share - second.share
    low = difference - np.hypot(first.share - first.low, second.high - second.share)
    high = difference + np.hypot(first.high - first.share, second.share - second.low)
    table = [[first.count, first.n - first.count], [second.count, second.n - second.count]]
    p = float(stats.fisher_exact(table).pvalue)
    alike = -tolerance < low and high < tolerance
    return RateDifference(difference, float(low), float(high), p, "differ" if p <= 0.05 else _known(alike))


def _known(alike: bool) -> Rates:
    return "alike" if alike else "unknown"


def paired_p(first: np.ndarray, second: np.ndarray) -> float:
    """Exact two-sided p that two rates are equal, runs paired by seed (McNemar): the block is the seed.

    first, second: (S,) of bool.

    >>> paired_p(np.array([True] * 6), np.array([False] * 6))
    0.03125
    """
    only = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    return float(stats.binomtest(only[0], sum(only)).pvalue) if sum(only) else 1.0


def all_alike_p(bad: np.ndarray, draws: int = DRAWS, seed: int = SEED) -> float:
    """p that E encodings have one rate: labels permuted within seeds (Cochran's Q as its statistic).

    bad: (S, E) of bool, seeds by encodings.
    """
    values = np.asarray(bad, float)
    generator = np.random.default_rng(seed)
    observed = values.sum(axis=0).var()
    drawn = [generator.permuted(values, axis=1).sum(axis=0).var() for _ in range(draws)]
    return float((1 + np.sum(np.array(drawn) >= observed - 1e-12)) / (draws + 1))


def worst_seed(healthy: np.ndarray, bad: int, share: float = 0.1) -> float | None:
    """The score that `share` of all runs don't reach: the seed you might get. None where that run is a bad one.

    healthy: (n,) scores of healthy runs; bad: how many runs failed or collapsed, all counted as lower.

    >>> worst_seed(np.arange(1.0, 11.0), 0), worst_seed(np.arange(1.0, 9.0), 2), worst_seed(np.arange(1.0, 10.0), 1)
    (1.0, None, None)
    """
    ordered = np.sort(np.append(np.full(bad, -np.inf), healthy))
    if not len(ordered):
        return None
    found = float(np.quantile(ordered, share, method="inverted_cdf")) if bad < len(ordered) else -np.inf
    return found if np.isfinite(found) else None


def guard(word: Word, rates: Sequence[RateDifference], tolerance: float, spread: bool = False) -> tuple[Word, str]:
    """The word that remains once the rates of bad runs are looked at, and why another was withheld ("").

    rates: differences of rates, first minus second, one for each outcome (failed, collapsed, ...). "equivalent" needs
    all of them alike. A better encoding ("ahead" in level; the steadier one of two spreads) must not have more bad
    runs; a steadier one needs to be known not to, up to the tolerance. With spread=True, ahead is the wider.
    """
    if word == EQUIVALENT and any(found.word != "alike" for found in rates):
        differ = any(found.word == "differ" for found in rates)
        return OPEN, "rates of bad runs differ" if differ else "rates of bad runs are unknown"
    if word in (AHEAD, BEHIND) and rates:
        first = (word == AHEAD) != spread  # whether the first is the one that is called better
        more = max(found.high if first else -found.low for found in rates)
        worse = any(found.word == "differ" and (found.difference > 0) == first for found in rates)
        if worse or (spread and more >= tolerance):
            return OPEN, "the better one has more bad runs" if worse else "rates of bad runs are unknown"
    return word, ""
