"""The contrast of two predictors: a case by hand, its error where both matter equally, and what it finds."""

import numpy as np
import pytest
from scipy import stats

from posrec.analysis.stats.predictors import contrast


def _partial(x: np.ndarray, y: np.ndarray, given: np.ndarray) -> float:
    """Squared partial rank correlation from residuals of ranks."""
    x, y, given = (stats.rankdata(values) - (len(values) + 1) / 2 for values in (x, y, given))
    left = [values - given * (values @ given) / (given @ given) for values in (x, y)]
    return float(np.corrcoef(*left)[0, 1] ** 2)


def test_shares_are_squared_partial_rank_correlations() -> None:
    generator = np.random.default_rng(3)
    x, z, y = generator.standard_normal((3, 9))
    found = contrast(x, z, y[:, None])
    assert found is not None
    assert (found.first, found.second) == pytest.approx((_partial(x, y, z), _partial(z, y, x)))
    assert found.smallest_p == 2.0**-8


def test_too_few_data_sets_or_one_order_give_none() -> None:
    x = np.arange(7.0)
    assert contrast(x[:5], x[:5] ** 2 % 3, x[:5, None]) is None
    assert contrast(x, 2 * x, x[:, None]) is None
    assert contrast(x, np.zeros(7), x[:, None]) is None


@pytest.mark.parametrize(("first", "second"), [(0.0, 0.0), (1.0, 1.0), (1.0, -1.0), (3.0, 3.0)])
def test_equal_predictors_are_seldom_distinguished(first: float, second: float) -> None:
    """100 studies of nine data sets and four encodings: at most 10 (5 % and two standard errors) are wrong."""
    generator = np.random.default_rng([9, int(10 * abs(second)), int(second < 0)])
    wrong = 0
    for _ in range(100):
        x, z = generator.standard_normal((2, 9))
        outcomes = (first * x + second * z)[:, None] + generator.standard_normal((9, 4))
        found = contrast(x, z, outcomes)
        wrong += found is not None and found.p <= 0.05
    assert wrong <= 10


def test_the_predictor_that_matters_is_found() -> None:
    generator = np.random.default_rng(11)
    found = []
    for _ in range(40):
        x, z = generator.standard_normal((2, 12))
        result = contrast(x, z, (2 * x)[:, None] + generator.standard_normal((12, 4)))
        found.append(result is not None and result.p <= 0.05 and result.difference > 0)
    assert np.mean(found) > 0.7
