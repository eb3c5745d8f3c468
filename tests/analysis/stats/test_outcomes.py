"""Rates of bad runs: intervals, tests and the guard, against statsmodels, scipy and cases by hand."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from posrec.analysis.stats.outcomes import all_alike_p, compare, guard, paired_p, rate, worst_seed
from posrec.analysis.stats.threeway import AHEAD, BEHIND, EQUIVALENT, OPEN


@pytest.mark.parametrize(("one", "n", "two", "m"), [(0, 10, 3, 12), (5, 20, 1, 20), (0, 30, 0, 30)])
def test_rates_agree_with_statsmodels(one: int, n: int, two: int, m: int) -> None:
    first = rate(one, n)
    assert (first.low, first.high) == pytest.approx(proportion_confint(one, n, method="wilson"), abs=1e-9)
    found = compare(first, rate(two, m), 0.1)
    expected = confint_proportions_2indep(one, n, two, m, method="newcomb", compare="diff")
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)
    assert found.p == pytest.approx(stats.fisher_exact([[one, n - one], [two, m - two]]).pvalue)


def test_words_of_rates() -> None:
    assert compare(rate(14, 20), rate(0, 20), 0.15).word == "differ"
    assert compare(rate(0, 35), rate(0, 35), 0.10).word == "alike"
    assert compare(rate(0, 6), rate(0, 6), 0.15).word == "unknown"
    assert compare(rate(0, 0), rate(0, 6), 0.15).word == "unknown"


def test_alike_is_wrong_in_few_studies() -> None:
    """One never collapses, the other in 15 %: how often thirty runs each are called alike within 15 %."""
    said = [compare(rate(0, 30), rate(count, 30), 0.15).word == "alike" for count in range(6)]
    assert stats.binom.pmf(range(6), 30, 0.15)[said].sum() <= 0.05
    assert said[0]


def test_paired_rates_block_by_seed() -> None:
    first = np.array([True, True, True, False, True])
    assert paired_p(first, first) == 1.0
    assert paired_p(first, ~first) == pytest.approx(stats.binomtest(4, 5).pvalue)
    bad = np.zeros((12, 4), bool)
    assert all_alike_p(bad, 99) == 1.0
    bad[:8, 0] = True
    assert all_alike_p(bad, 999) < 0.01


ALIKE, UNKNOWN = compare(rate(0, 40), rate(0, 40), 0.15), compare(rate(0, 10), rate(0, 10), 0.15)
MORE, FEWER = compare(rate(14, 20), rate(0, 20), 0.15), compare(rate(0, 20), rate(14, 20), 0.15)


@pytest.mark.parametrize(
    ("word", "found", "spread", "kept"),
    [
        (EQUIVALENT, ALIKE, False, True),
        (EQUIVALENT, UNKNOWN, False, False),
        (EQUIVALENT, MORE, True, False),
        (BEHIND, UNKNOWN, True, False),  # steadier, of ten runs
        (BEHIND, MORE, True, False),  # six tight survivors of twenty
        (BEHIND, FEWER, True, True),  # steadier, and fewer bad runs
        (AHEAD, FEWER, True, False),  # wider, but the steadier one has more bad runs
        (AHEAD, MORE, False, False),
        (AHEAD, UNKNOWN, False, True),
        (BEHIND, MORE, False, True),
    ],
)
def test_the_guard(word: str, found: object, spread: bool, kept: bool) -> None:
    stands, why = guard(word, [ALIKE, found], 0.15, spread)  # type: ignore[arg-type, list-item]
    assert stands == (word if kept else OPEN)
    assert bool(why) != kept


def test_the_seed_you_might_get() -> None:
    assert worst_seed(np.arange(20.0), 0) == 1.0
    assert worst_seed(np.arange(18.0), 2) is None
    assert worst_seed(np.array([]), 0) is None
    assert rate(1, 1).words == "1 of 1 seed"
