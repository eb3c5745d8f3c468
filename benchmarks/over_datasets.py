"""How often the tests over data sets err, and the interval of a rank correlation holds: simulated studies."""

from collections.abc import Callable, Iterator
from functools import cache, partial

import numpy as np
from scipy import stats

from posrec.analysis.stats import intervals, permutation, rankings
from posrec.analysis.stats.stability import ALPHA
from posrec.analysis.tables import thresholds

DATASETS = (5, 6, 7, 8)
TOGETHER = (0.0, 0.5, 0.8, 0.95)
FAMILIES = ("none", "added", "relative")
ERRS = "false positives over data sets (n: data sets)"
RANK = "coverage of a rank correlation (n: data sets)"
Job = tuple[str, str, str, int, Callable[[], float]]


def partial_rejects(studies: int, datasets: int, together: float) -> float:
    """Share of studies in which the partial rank correlation says p <= 5 % although x and y only share `given`.

    together: correlation of each with it. A test that is refused counts as not significant.
    """
    generator = np.random.default_rng([datasets, int(100 * together)])
    given, first, second = generator.standard_normal((3, studies, datasets))
    own = np.sqrt(1 - together**2)
    first, second = together * given + own * first, together * given + own * second
    tests = [permutation.partial_spearman(x, y, z) for x, y, z in zip(first, second, given, strict=True)]
    return _share_below(tests)


def rank_rejects(studies: int, datasets: int) -> float:
    """The same for Spearman's rho of unrelated scores."""
    first, second = np.random.default_rng([datasets, 1]).standard_normal((2, studies, datasets))
    return _share_below([permutation.spearman(x, y) for x, y in zip(first, second, strict=True)])


def family_rejects(studies: int, datasets: int) -> float:
    """The same for scores between families that were drawn apart from them."""
    generator = np.random.default_rng([datasets, 2])
    scores, families = generator.standard_normal((studies, datasets)), generator.integers(0, 3, (studies, datasets))
    named = [[FAMILIES[number] for number in row] for row in families]
    return _share_below([permutation.between_groups(x, names) for x, names in zip(scores, named, strict=True)])


def _share_below(tests: list[permutation.Test | None]) -> float:
    return float(np.mean([test is not None and test.p <= ALPHA for test in tests]))


def threshold_rejects(studies: int, datasets: int) -> float:
    """The same for the search of a threshold among three encodings whose advantages follow nothing."""
    drawn = np.random.default_rng([datasets, 3]).standard_normal((studies, datasets, 3))
    return float(np.mean([thresholds.split_p(advantages)[0] <= ALPHA for advantages in drawn]))


def friedman_rejects(studies: int, datasets: int, encodings: int) -> float:
    """The same for Friedman's test of encodings that are alike."""
    return float(np.mean([ranking.p <= ALPHA for ranking in _rankings(studies, datasets, encodings)]))


def nemenyi_rejects(studies: int, datasets: int, encodings: int) -> float:
    """Share of such studies in which some two mean ranks differ by more than the critical difference."""
    found = _rankings(studies, datasets, encodings)
    return float(np.mean([np.ptp(ranking.mean_ranks) >= ranking.critical_difference for ranking in found]))


@cache
def _rankings(studies: int, datasets: int, encodings: int) -> list[rankings.Ranking]:
    drawn = np.random.default_rng([datasets, encodings, 4]).standard_normal((studies, datasets, encodings))
    return [ranking for ranking in map(rankings.friedman, drawn) if ranking is not None]


def covers_rank(studies: int, datasets: int, pearson: float) -> float:
    """Share of studies whose interval of Spearman's rho holds the true one, 6 / pi asin(r / 2); none is a miss."""
    generator = np.random.default_rng([datasets, int(100 * pearson)])
    first, second = generator.standard_normal((2, studies, datasets))
    second = pearson * first + np.sqrt(1 - pearson**2) * second
    true = 6 / np.pi * np.arcsin(pearson / 2)
    rhos = [float(stats.spearmanr(x, y).statistic) for x, y in zip(first, second, strict=True)]
    found = [intervals.rank_correlation_interval(rho, datasets, 4) for rho in rhos]
    return float(np.mean([x is not None and x[0] <= true <= x[1] for x in found]))


def jobs(studies: int, fewer: int) -> Iterator[Job]:
    """What is measured: thing, method, shape, number of data sets, and the function that measures it.

    fewer: studies of what takes long.
    """
    for together in TOGETHER:
        for n in DATASETS:
            shape = f"predictors correlated by {together:g}"
            yield ERRS, "partial rank correlation", shape, n, partial(partial_rejects, studies, n, together)
    for n in DATASETS:
        yield ERRS, "rank correlation", "unrelated", n, partial(rank_rejects, studies, n)
        yield ERRS, "family of the choice", "unrelated", n, partial(family_rejects, studies, n)
    for n in DATASETS[:2]:  # more orders than these take minutes
        yield ERRS, "threshold", "unrelated", n, partial(threshold_rejects, fewer, n)
    for k, most in ((3, 8), (9, 6)):
        for n in (n for n in (4, *DATASETS) if n <= most):
            yield ERRS, "Friedman", f"{k} encodings", n, partial(friedman_rejects, fewer, n, k)
            yield ERRS, "critical difference", f"{k} encodings", n, partial(nemenyi_rejects, fewer, n, k)
    for pearson in TOGETHER:
        for n in (*DATASETS, 10, 12):
            yield RANK, "Fisher's z", f"scores correlated by {pearson:g}", n, partial(covers_rank, studies, n, pearson)
