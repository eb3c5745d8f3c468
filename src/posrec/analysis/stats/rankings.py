"""Many encodings over many data sets: Friedman's test and the critical difference (Demsar, JMLR 2006)."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from posrec.analysis.stats import permutation
from posrec.analysis.stats.stability import ALPHA

DECIMALS = 12  # scores that differ by rounding alone are ties
EXACT_UP_TO = 20_000  # permutations of the encodings that are all counted
DRAWS = 9_999  # random ones beyond that, beside the observed one
SEED = 20240521


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of k encodings over N data sets (1 = best), Friedman's p, and the critical difference of ranks."""

    mean_ranks: np.ndarray
    datasets: int
    p: float
    critical_difference: float


def critical_difference(encodings: int, datasets: int, alpha: float = ALPHA) -> float:
    """Nemenyi's critical difference: mean ranks closer than this cannot be distinguished (Demsar 2006, section 3.2.2).

    >>> round(critical_difference(9, 8), 2), round(critical_difference(9, 4), 2)
    (4.25, 6.01)
    """
    q = stats.studentized_range.ppf(1 - alpha, encodings, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(encodings * (encodings + 1) / (6 * datasets)))


def friedman(scores: np.ndarray, higher_is_better: bool = True) -> Ranking | None:
    """Friedman's test of (N, k) scores, data sets by encodings, ties by mean ranks.

    p is that of permuting the encodings within each data set: chi-square, its usual approximation, errs in 8 % of
    studies with three encodings on four data sets, this in 4 (docs/measured/statistics-checked.md). None below three
    encodings or two data sets, or where every data set ties all encodings. NaN is refused: a data set that lacks an
    encoding can't be ranked (ValueError). Three data sets in full agreement, as 1 of 36 orders are:

    >>> result = friedman(np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]))
    >>> result.mean_ranks.tolist(), round(result.p, 4)
    ([1.0, 2.0, 3.0], 0.0278)
    """
    if np.isnan(scores).any():
        raise ValueError("Friedman's test needs every encoding on every data set; leave incomplete data sets out")
    n, k = scores.shape
    rounded = np.round(-scores if higher_is_better else scores, DECIMALS)
    if k < 3 or n < 2 or np.all(np.ptp(rounded, axis=1) == 0):
        return None
    ranks = stats.rankdata(rounded, axis=1)
    return Ranking(ranks.mean(0), n, _permuted_p(ranks), critical_difference(k, n))


def _permuted_p(ranks: np.ndarray) -> float:
    """Share of the orders of (N, k) ranks within data sets whose sums of ranks are as far apart as the given ones."""
    n, k = ranks.shape
    if math.factorial(k) ** (n - 1) <= EXACT_UP_TO:
        orders = permutation.orders(k)
        sums = ranks[:1]  # relabelling the encodings changes nothing, so the first data set keeps its order
        for row in ranks[1:]:
            sums = (sums[:, None] + row[orders]).reshape(-1, k)
    else:
        drawn = np.random.default_rng(SEED).permuted(np.broadcast_to(ranks, (DRAWS, n, k)), axis=2)
        sums = np.vstack([ranks.sum(0), drawn.sum(1)])
    squares = (sums**2).sum(1)
    return float(np.mean(squares >= squares[0] - permutation.ROUNDING))


def cliques(mean_ranks: np.ndarray, difference: float) -> list[list[int]]:
    """Largest groups of encodings whose mean ranks (k,) differ by less than `difference`: the diagram's bars.

    Each is a list of indices in the order of the ranks; groups of one are left out.

    >>> cliques(np.array([1.0, 1.5, 3.0, 3.2]), 1.0)
    [[0, 1], [2, 3]]
    """
    order = np.argsort(mean_ranks, kind="stable")
    sorted_ranks = mean_ranks[order]
    groups: list[list[int]] = []
    reached = 0
    for start in range(len(order)):
        end = int(np.searchsorted(sorted_ranks, sorted_ranks[start] + difference, side="left"))
        if end - start > 1 and end > reached:
            groups.append([int(index) for index in order[start:end]])
            reached = end
    return groups
