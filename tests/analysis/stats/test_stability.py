"""Spread and level over seeds, against numbers worked out by hand and against scipy."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from posrec.analysis.stats import (
    intervals,
    multiplicity,
    paired,
    permutation,
    rankings,
    resampling,
    spread_tests,
    stability,
)
from posrec.analysis.tables import reading, reanalysis, scores, thresholds
from posrec.analysis.topics import wording


@pytest.mark.parametrize(
    "module",
    [
        *(stability, permutation, wording, scores, reading, paired, rankings, resampling, spread_tests),
        *(intervals, multiplicity, reanalysis, thresholds),
    ],
)
def test_examples_in_the_docstrings(module) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    ("n", "low", "high"),
    [(3, 0.52, 6.28), (5, 0.60, 2.87), (6, 0.62, 2.45), (10, 0.69, 1.83), (20, 0.76, 1.46), (30, 0.80, 1.34)],
)
def test_factors_of_the_exact_interval(n: int, low: float, high: float) -> None:
    found = stability.deviation_factors(n)
    # The published multiples are cut to two digits.
    assert found == pytest.approx((low, high), abs=0.006)


def test_exact_interval_covers_normal_deviations() -> None:
    generator = np.random.default_rng(1)
    intervals = [stability.deviation_interval(sample) for sample in generator.normal(size=(2000, 5))]
    share = np.mean([low <= 1 <= high for low, high in intervals])
    assert 0.935 < share < 0.965


def test_mean_interval_agrees_with_scipy() -> None:
    values = [0.11, 0.14, 0.12, 0.19]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert stability.mean_interval(values) == pytest.approx((expected.low, expected.high))


def test_wilson_by_hand() -> None:
    # z = 1.96, p = 0.5, n = 4: centre 0.5, half width z / (1 + z^2 / n) * sqrt(p q / n + z^2 / 4 n^2)
    z = 1.959963985
    half = z / (1 + z * z / 4) * (0.25 / 4 + z * z / 64) ** 0.5
    assert stability.wilson_interval(2, 4) == pytest.approx((0.5 - half, 0.5 + half))
    assert stability.wilson_interval(0, 0) is None
    assert stability.wilson_interval(0, 3)[0] == 0


def test_robust_spreads_by_hand() -> None:
    values = [1.0, 2.0, 4.0, 9.0]  # median 3, distances 2 1 1 6; quartiles 1.75 and 5.25
    assert stability.median_absolute_deviation(values) == 1.5
    assert stability.interquartile_range(values) == 3.5


def test_one_score_has_no_spread() -> None:
    single = [0.3]
    for function in (
        stability.standard_deviation,
        stability.deviation_interval,
        stability.coefficient_of_variation,
        stability.median_absolute_deviation,
        stability.interquartile_range,
        stability.mean_interval,
    ):
        assert function(single) is None
        assert function([]) is None


def test_equal_scores_have_spread_zero() -> None:
    assert stability.standard_deviation([0.5, 0.5, 0.5]) == 0
    assert stability.deviation_interval([0.5, 0.5, 0.5]) == (0, 0)
    assert stability.coefficient_of_variation([0.0, 0.0]) is None


@given(score=st.floats(-1e3, 1e3), n=st.integers(2, 12))
def test_equal_scores_of_any_value_have_no_spread_and_are_left_out_of_logarithms(score: float, n: int) -> None:
    """Among them 0.8132702392002724, whose mean of three is rounded: its deviation was 1.4e-16."""
    equal, others = [score] * n, [1.0, 2.0, 4.0]
    for values in (equal, [0.8132702392002724] * 3, np.multiply(100, equal)):
        assert stability.standard_deviation(values) == 0
        assert stability.deviation_interval(values) == (0, 0)
        assert scores.log_ratio(stability.standard_deviation(values), stability.standard_deviation(others)) is None
        assert spread_tests.variance_share(values, others).share == 0
        assert spread_tests.variance_share(others, values) is None


def test_notes_say_what_seeds_cannot_do() -> None:
    assert stability.seeds_note(3).startswith("Three seeds cannot decide stability")
    assert "0.52 to 6.28" in stability.seeds_note(3)
    assert "cannot decide" not in stability.seeds_note(20)
    assert "no spread" in stability.seeds_note(1)
