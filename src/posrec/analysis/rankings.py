"""Many encodings over many data sets: Friedman's test and the critical difference (Demsar, JMLR 2006)."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

ALPHA = 0.05
DECIMALS = 12  # scores that differ by rounding alone are ties


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of k encodings over N data sets (1 = best), Friedman's p, and the critical difference of ranks."""

    mean_ranks: np.ndarray
    datasets: int
    p: float
    critical_difference: float


def critical_difference(encodings: int, datasets: int, alpha: float = ALPHA) -> float:
    """Nemenyi's critical difference: mean ranks closer than this aren't told apart (Demsar 2006, section 3.2.2).

    >>> round(critical_difference(9, 8), 2), round(critical_difference(9, 4), 2)
    (4.25, 6.01)
    """
    q = stats.studentized_range.ppf(1 - alpha, encodings, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(encodings * (encodings + 1) / (6 * datasets)))


def friedman(scores: np.ndarray, higher_is_better: bool = True) -> Ranking | None:
    """Friedman's test of (N, k) scores, data sets by encodings, ties by mean ranks.

    None below three encodings or two data sets, or where every data set ties all encodings. NaN is refused: a data set
    that lacks an encoding can't be ranked (ValueError).

    >>> result = friedman(np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]))
    >>> result.mean_ranks.tolist(), round(result.p, 4)
    ([1.0, 2.0, 3.0], 0.0498)
    """
    if np.isnan(scores).any():
        raise ValueError("Friedman's test needs every encoding on every data set; leave incomplete data sets out")
    n, k = scores.shape
    rounded = np.round(-scores if higher_is_better else scores, DECIMALS)
    if k < 3 or n < 2 or np.all(np.ptp(rounded, axis=1) == 0):
        return None
    ranks = stats.rankdata(rounded, axis=1)
    p = float(stats.friedmanchisquare(*rounded.T).pvalue)
    return Ranking(ranks.mean(0), n, p, critical_difference(k, n))


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
