"""Spreads: ratios and their intervals, against counted permutations, Morgan's formula and simulations."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from posrec.analysis.stats import paired_spread, spreads

SCORES = st.lists(st.integers(0, 1000).map(lambda x: x / 1000), min_size=6, max_size=8, unique=True)


def test_paired_p_counts_all_exchanges() -> None:
    first, second = np.array([0.0, 5.0, 9.0, 1.0, 7.0, 3.0]), np.array([1.0, 2.0, 2.5, 1.2, 2.2, 1.9])
    a, b = spreads.distances(first), spreads.distances(second)
    ratios = []
    for chosen in itertools.product((False, True), repeat=6):
        swap = np.array(chosen)
        ratios.append(np.where(swap, b, a).mean() / np.where(swap, a, b).mean())
    above = np.mean(np.array(ratios) >= ratios[0] - 1e-12)
    found = paired_spread.paired_ratio(first, second)
    assert found is not None
    assert found.ratio == pytest.approx(ratios[0])
    assert found.p == pytest.approx(2 * above)


@settings(deadline=None, max_examples=30)
@given(SCORES, SCORES, st.floats(0.1, 10), st.floats(-3, 3))
def test_ratios_scale_and_ignore_levels(one: list[float], two: list[float], scale: float, shift: float) -> None:
    first, second = np.array(one), np.array(two)
    plain, moved = spreads.unpaired_ratio(first, second), spreads.unpaired_ratio(scale * first + shift, second)
    assert plain is not None
    assert moved is not None
    assert moved.ratio == pytest.approx(scale * plain.ratio, rel=1e-6)
    assert moved.low == pytest.approx(scale * plain.low, rel=1e-6)
    assert moved.high == pytest.approx(scale * plain.high, rel=1e-6)
    assert plain.low <= plain.ratio <= plain.high


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(8, 12))
def test_turning_a_pair_turns_its_interval(seed: int, n: int) -> None:
    first, second = np.random.default_rng(seed).normal(size=(2, n))
    there, back = paired_spread.paired_ratio(first, second), paired_spread.paired_ratio(second, first)
    assert there is not None
    assert back is not None
    assert (back.low, back.high) == pytest.approx((1 / there.high, 1 / there.low), rel=1e-6)


@pytest.mark.parametrize("values", [[1.0] * 8, [1.0, 2.0, 3.0], [1.0, 2.0, 3.0, np.nan, np.nan, np.nan]])
def test_no_interval_where_nothing_varies_or_runs_are_few(values: list[float]) -> None:
    assert spreads.unpaired_ratio(np.array(values), np.arange(8.0)) is None


def test_pitman_morgan_is_a_test_of_a_correlation() -> None:
    generator = np.random.default_rng(1)
    both = generator.normal(size=12)
    first, second = both + generator.normal(size=12), both + 2 * generator.normal(size=12)
    found = paired_spread.pitman_morgan(first, second)
    assert found is not None
    assert found.p == pytest.approx(stats.pearsonr(first + second, first - second).pvalue, rel=1e-6)
    edge = stats.pearsonr(first + second * found.low, first - second * found.low).pvalue
    assert edge == pytest.approx(0.05, abs=1e-6)


def test_pairing_narrows_the_interval() -> None:
    generator = np.random.default_rng(2)
    both = 3 * generator.normal(size=20)
    first, second = both + generator.normal(size=20), both + generator.normal(size=20)
    paired, apart = paired_spread.paired_ratio(first, second), spreads.unpaired_ratio(first, second)
    assert paired is not None
    assert apart is not None
    assert np.log(paired.high / paired.low) < 0.6 * np.log(apart.high / apart.low)


def test_intervals_hold_for_skewed_scores() -> None:
    generator = np.random.default_rng(3)
    found = [spreads.unpaired_ratio(*generator.exponential(size=(2, 10))) for _ in range(60)]
    assert np.mean([one is not None and one.low <= 1 <= one.high for one in found]) >= 0.9
