"""Which of two predictors goes with an outcome: a contrast of two partial rank correlations.

That one test is below 5 % and the other isn't says nothing of their difference (Gelman and Stern 2006); the contrast
does. Where both predictors matter equally, their ranks may change places in each data set.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from posrec.analysis.stats import blocks

DRAWS = 9_999
SEED = 20240609
SMALLEST = 6  # data sets: five can't have a p below 5 %
ROUNDING = 1e-9


@dataclass(frozen=True)
class Contrast:
    """first, second: mean squared partial rank correlation of the outcomes with each predictor, given the other.

    p: two-sided, of no difference; smallest_p: the smallest that so many data sets allow.
    """

    first: float
    second: float
    p: float
    smallest_p: float

    @property
    def difference(self) -> float:
        """How much more the first explains."""
        return self.first - self.second


def contrast(first: np.ndarray, second: np.ndarray, outcomes: np.ndarray) -> Contrast | None:
    """The contrast of two predictors (n,) over n independent data sets, for (n, k) outcomes with one answer.

    Tested by exchanging the ranks of the two within data sets, all 2^(n - 1) ways or random ones. None below SMALLEST
    data sets, or where a predictor doesn't vary or both have one order.

    >>> x = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    >>> z = np.array([4.0, 1.0, 6.0, 2.0, 7.0, 3.0, 5.0])
    >>> found = contrast(x, z, x[:, None])
    >>> round(found.first, 2), found.smallest_p
    (1.0, 0.015625)
    """
    if len(first) < SMALLEST or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    one, two = stats.rankdata(first), stats.rankdata(second)
    together = np.corrcoef(one, two)[0, 1]
    if abs(together) > 1 - ROUNDING:
        return None
    ranks = stats.rankdata(outcomes, axis=0)
    with_one, with_two = (_unit(values[None]) @ _unit(ranks.T).T for values in (one, two))
    held = ((with_one - together * with_two) * (with_two - together * with_one)).sum()
    two = two if held >= 0 else len(two) + 1 - two  # given the other, both go the same way with the outcomes
    kept = blocks.signs(len(one), DRAWS, np.random.default_rng(SEED)) > 0
    shares = _shares(np.where(kept, one, two), np.where(kept, two, one), ranks)
    differences = shares[0] - shares[1]
    p = float(np.mean(np.abs(differences) >= abs(differences[0]) - ROUNDING))
    return Contrast(float(shares[0][0]), float(shares[1][0]), p, 1 / len(kept))


def _shares(one: np.ndarray, two: np.ndarray, outcomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(patterns,) mean squared partial correlations of (n, k) outcomes with (patterns, n) predictors, each given the
    other."""
    x, z, y = _unit(one), _unit(two), _unit(outcomes.T)
    with_x, with_z, both = x @ y.T, z @ y.T, (x * z).sum(axis=1, keepdims=True)
    first = (with_x - both * with_z) ** 2 / np.maximum((1 - both**2) * (1 - with_z**2), ROUNDING)
    second = (with_z - both * with_x) ** 2 / np.maximum((1 - both**2) * (1 - with_x**2), ROUNDING)
    return np.minimum(first, 1).mean(axis=1), np.minimum(second, 1).mean(axis=1)


def _unit(rows: np.ndarray) -> np.ndarray:
    centred = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    return np.asarray(centred / np.where(lengths > 0, lengths, 1.0))
