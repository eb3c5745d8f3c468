"""Spread and level of one cell over its seeds: pure functions on arrays.

The seed is the unit of everything here. Intervals are exact for normal scores; where seeds collapse or fall into two
modes no interval is valid at small n, and the report says so.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

LEVEL = 0.95
ALPHA = 0.05
FEW_SEEDS = 10  # below this an interval of a standard deviation spans more than a factor of 2.6: nothing is decided
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

Values = Sequence[float] | np.ndarray
Interval = tuple[float, float]


def standard_deviation(values: Values) -> float | None:
    """Sample standard deviation (n - 1) of (n,) scores; None below two scores.

    >>> standard_deviation([2.0, 4.0, 6.0])
    2.0
    """
    found = variance(values)
    return None if found is None else found**0.5


def variance(values: Values) -> float | None:
    """Sample variance (n - 1) of (n,) scores, exactly 0 where all are equal; None below two scores.

    Without the shift by the first score, the mean of equal scores may be rounded, and their variance is not 0.

    >>> variance([0.8132702392002724] * 3), variance([2.0, 4.0, 6.0])
    (0.0, 4.0)
    """
    shifted = np.asarray(values, float)
    return float(np.var(shifted - shifted[0], ddof=1)) if len(shifted) > 1 else None


def deviation_factors(n: int, level: float = LEVEL) -> Interval:
    """Exact interval of a normal standard deviation as multiples of the sample's, from n >= 2 scores.

    >>> [round(factor, 2) for factor in deviation_factors(3)]
    [0.52, 6.28]
    """
    tails = stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], n - 1)
    low, high = np.sqrt((n - 1) / tails)
    return float(low), float(high)


def deviation_interval(values: Values, level: float = LEVEL) -> Interval | None:
    """Exact chi-square interval of the standard deviation, in the scores' unit; None below two scores.

    >>> [round(bound, 2) for bound in deviation_interval([2.0, 4.0, 6.0])]
    [1.04, 12.57]
    """
    deviation = standard_deviation(values)
    if deviation is None:
        return None
    low, high = deviation_factors(len(values), level)
    return low * deviation, high * deviation


def coefficient_of_variation(values: Values) -> float | None:
    """Standard deviation over mean; None below two scores or at mean 0.

    >>> coefficient_of_variation([2.0, 4.0, 6.0])
    0.5
    """
    deviation = standard_deviation(values)
    mean = float(np.mean(values)) if len(values) else 0.0
    return None if deviation is None or mean == 0 else deviation / mean


def median_absolute_deviation(values: Values) -> float | None:
    """Median distance to the median, not rescaled to a normal's deviation; None below two scores.

    >>> median_absolute_deviation([1.0, 2.0, 4.0])
    1.0
    """
    return float(stats.median_abs_deviation(values)) if len(values) > 1 else None


def interquartile_range(values: Values) -> float | None:
    """Distance between the quartiles (linear interpolation); None below two scores.

    >>> interquartile_range([0.0, 1.0, 2.0, 3.0, 4.0])
    2.0
    """
    return float(stats.iqr(values)) if len(values) > 1 else None


def mean_interval(values: Values, level: float = LEVEL) -> Interval | None:
    """Student's t interval of the mean; None below two scores.

    >>> [round(bound, 3) for bound in mean_interval([2.0, 4.0, 6.0])]
    [-0.968, 8.968]
    """
    deviation = standard_deviation(values)
    if deviation is None:
        return None
    mean = float(np.mean(values))
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * deviation / len(values) ** 0.5
    return mean - half, mean + half


def wilson_interval(successes: int, n: int, level: float = LEVEL) -> Interval | None:
    """Wilson's interval of a share, for the collapse rate; None without runs.

    >>> [round(bound, 3) for bound in wilson_interval(1, 10)]
    [0.018, 0.404]
    """
    if n == 0:
        return None
    interval = stats.binomtest(successes, n).proportion_ci(confidence_level=level, method="wilson")
    return float(interval.low), float(interval.high)


def count_word(n: int) -> str:
    """A count in words up to twelve.

    >>> count_word(3), count_word(20)
    ('three', '20')
    """
    return WORDS[n] if n < len(WORDS) else str(n)


def seeds_note(n: int) -> str:
    """What n seeds can show about a spread.

    >>> seeds_note(3)[:67]
    'Three seeds cannot decide stability: the true standard deviation is'
    """
    if n < 2:
        return (
            f"{count_word(n).capitalize()} finished seed{'s' if n != 1 else ''} of a cell: there is no spread to show."
        )
    low, high = deviation_factors(n)
    range_ = f"the true standard deviation is from {low:.2f} to {high:.2f} times the one seen (95 %, normal scores)"
    word = count_word(n).capitalize()
    if n < FEW_SEEDS:
        return f"{word} seeds cannot decide stability: {range_}."
    return f"{word} seeds see large differences of spread only: {range_}."
