"""Ranking metrics from two counts per user: g candidates scored above the positive, t scored equal to it.

Ties are broken at random, so a metric is its expectation over the t + 1 ranks g + 1 .. g + t + 1 of the positive.
"""

import numpy as np

METRICS = ("Hit@10", "NDCG@10", "MRR")


def hit(greater: np.ndarray, tied: np.ndarray, k: int = 10) -> np.ndarray:
    """Expected Hit@k of each user: clip((k - g) / (t + 1), 0, 1).

    >>> hit(np.array([0, 9, 10, 5]), np.array([0, 1, 0, 9])).tolist()
    [1.0, 0.5, 0.0, 0.5]
    """
    result: np.ndarray = np.clip((k - greater) / (tied + 1), 0, 1)
    return result


def _mean_over_places(gain: np.ndarray, greater: np.ndarray, tied: np.ndarray) -> np.ndarray:
    """Mean of gain[rank] over ranks g + 1 .. g + t + 1; gain[0] belongs to rank 1."""
    total = np.concatenate([[0.0], np.cumsum(gain)])
    result: np.ndarray = (total[greater + tied + 1] - total[greater]) / (tied + 1)
    # cumulative sums lose digits where there is a single place, and that is the usual case
    result = np.where(tied == 0, gain[greater], result)
    return result


def ndcg(greater: np.ndarray, tied: np.ndarray, k: int = 10) -> np.ndarray:
    """Expected NDCG@k of each user with one relevant item: 1 / log2(rank + 1) for rank <= k."""
    ranks = np.arange(1, int((greater + tied).max(initial=0)) + 2)
    return _mean_over_places(np.where(ranks <= k, 1 / np.log2(ranks + 1), 0.0), greater, tied)


def reciprocal_rank(greater: np.ndarray, tied: np.ndarray) -> np.ndarray:
    """Expected reciprocal rank of each user."""
    ranks = np.arange(1, int((greater + tied).max(initial=0)) + 2)
    return _mean_over_places(1 / ranks, greater, tied)


def mean_metrics(greater: np.ndarray, tied: np.ndarray) -> dict[str, float]:
    """Means over users, as fractions."""
    values = (hit(greater, tied), ndcg(greater, tied), reciprocal_rank(greater, tied))
    return {name: float(value.mean()) for name, value in zip(METRICS, values, strict=True)}
