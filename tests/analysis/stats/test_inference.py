"""Tests and intervals of spread and level, against numbers worked out by hand, scipy and plain loops."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from posrec.analysis.stats import intervals, multiplicity, paired, rankings, resampling, spread_tests

SCORES = st.lists(st.floats(0, 1, allow_nan=False).map(lambda x: round(x, 3)), min_size=3, max_size=6)


def test_log_ratio_test_counts_all_splits() -> None:
    first, second = np.array([0.0, 1.0, 3.0]), np.array([5.0, 15.0, 11.0])
    pooled = np.concatenate([first - 1, second - 11])
    seen = np.log(first.std(ddof=1) / second.std(ddof=1))
    extreme = 0
    for chosen in itertools.combinations(range(6), 3):
        rest = [i for i in range(6) if i not in chosen]
        ratio = np.log(pooled[list(chosen)].std(ddof=1) / pooled[rest].std(ddof=1))
        extreme += abs(ratio) >= abs(seen) - 1e-12
    found = spread_tests.log_ratio_test(first, second)
    assert found is not None
    assert found.log_ratio == pytest.approx(seen)
    assert found.p == pytest.approx(extreme / 20)
    assert found.exact


@given(SCORES, SCORES, st.floats(-5, 5))
def test_levels_do_not_move_the_spread_test(first: list[float], second: list[float], shift: float) -> None:
    plain = spread_tests.log_ratio_test(first, second)
    moved = spread_tests.log_ratio_test([value + round(shift, 2) for value in first], second)
    assert (plain is None) == (moved is None)
    if plain is not None and moved is not None:
        assert moved.log_ratio == pytest.approx(plain.log_ratio, abs=1e-6)


@given(SCORES, SCORES)
def test_swapping_the_cells_turns_the_sign_alone(first: list[float], second: list[float]) -> None:
    there, back = spread_tests.log_ratio_test(first, second), spread_tests.log_ratio_test(second, first)
    if there is not None and back is not None:
        assert back.log_ratio == pytest.approx(-there.log_ratio)
        assert back.p == pytest.approx(there.p, abs=1e-9)


@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0, 1.0, 1.0]])
def test_no_test_where_nothing_varies(values: list[float]) -> None:
    assert spread_tests.log_ratio_test(values, [1.0, 2.0, 4.0]) is None
    assert resampling.bca_deviation_interval(values) is None
    assert resampling.bca_log_ratio_interval(values, [1.0, 2.0, 4.0]) is None


def test_log_ratio_test_errs_rarely_whatever_the_levels() -> None:
    generator = np.random.default_rng(3)
    for level in (0.0, 3.0):
        tests = [
            spread_tests.log_ratio_test(generator.normal(size=6), level + generator.normal(size=6)) for _ in range(400)
        ]
        assert np.mean([test is not None and test.p <= 0.05 for test in tests]) < 0.065


@pytest.mark.parametrize(("n", "ratio", "expected"), [(6, 2, 0.15), (10, 2, 0.31), (20, 2, 0.70), (30, 1.5, 0.47)])
def test_power_agrees_with_the_known_one(n: int, ratio: float, expected: float) -> None:
    assert spread_tests.power(n, ratio) == pytest.approx(expected, abs=0.03)


def test_power_agrees_with_scipys_levene() -> None:
    generator = np.random.default_rng(spread_tests.SEED)
    first, second = generator.standard_normal((2000, 8)), 2 * generator.standard_normal((2000, 8))
    seen = [spread_tests.brown_forsythe(a, b) for a, b in zip(first, second, strict=True)]
    assert spread_tests.power(8, 2.0) == np.mean([p is not None and p <= 0.05 for p in seen])


def test_a_difference_too_small_needs_more_seeds_than_anyone_has() -> None:
    assert spread_tests.seeds_needed(1.01) is None


def test_gap_p_is_uniform_for_normal_scores() -> None:
    samples = np.random.default_rng(4).normal(5, 2, (500, 10))
    assert np.mean([spread_tests.gap_p(sample) <= 0.05 for sample in samples]) == pytest.approx(0.05, abs=0.025)


def test_bca_of_the_ratio_agrees_with_scipy() -> None:
    first, second = [0.1, 0.4, 0.2, 0.9, 0.5], [0.3, 0.31, 0.35, 0.29, 0.4]

    def statistic(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.log(a.std(axis=axis, ddof=1)) - np.log(b.std(axis=axis, ddof=1))

    low, high = resampling.bca_log_ratio_interval(first, second) or (0, 0)
    with np.errstate(all="ignore"):
        expected = stats.bootstrap(
            (first, second), statistic, vectorized=True, n_resamples=4999, rng=np.random.default_rng(1)
        )
    assert low < np.log(np.std(first, ddof=1) / np.std(second, ddof=1)) < high
    assert low == pytest.approx(expected.confidence_interval.low, abs=0.25)


def test_two_levels_are_wider_than_users_alone() -> None:
    """Four seeds far apart, a thousand equal users in each: pooled over users, the mean would look certain."""
    differences = np.repeat([[0.0], [1.0], [2.0], [3.0]], 1000, axis=1)
    low, high = resampling.two_level_interval(differences) or (0, 0)
    assert (low, high) == (0.5, 2.5)
    assert resampling.two_level_interval(differences[:1]) is None


def test_sign_flips_against_a_plain_loop() -> None:
    values = np.array([0.3, -0.1, 0.2, 0.4])
    patterns = [np.dot(signs, values) for signs in itertools.product((1, -1), repeat=4)]
    assert paired.sign_flip_p(values) == np.mean(np.abs(patterns) >= abs(values.sum()) - 1e-12)
    assert paired.sign_flip_p([]) is None
    assert paired.signed_rank_p([0.0, 0.0]) is None


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20))
def test_sign_flip_p_is_a_p(values: list[float]) -> None:
    p = paired.sign_flip_p(values)
    assert p is not None
    assert paired.smallest_sign_flip_p(len(values)) <= p <= 1


def test_friedman_against_a_table_worked_out_by_hand() -> None:
    """Ranks (1, 2, 3), (1, 3, 2), (2, 1, 3), (1, 2, 3): chi2 = 12 / (4 * 12) * (25 + 64 + 121) - 48 = 4.5.

    Friedman's own table (1937) has p = .125 for it.
    """
    scores = np.array([[9.0, 8, 7], [9, 7, 8], [8, 9, 7], [9, 8, 7]])
    found = rankings.friedman(scores)
    assert found is not None
    assert found.mean_ranks.tolist() == [1.25, 2.0, 2.75]
    assert found.p == pytest.approx(0.125)
    worse = rankings.friedman(scores, higher_is_better=False)
    assert worse is not None
    assert worse.mean_ranks.tolist() == [2.75, 2.0, 1.25]


def test_friedman_on_many_data_sets_agrees_with_scipy() -> None:
    scores = np.random.default_rng(7).standard_normal((12, 5)) + np.array([0, 0.3, 0, 0.3, 0.6])
    found, again = rankings.friedman(scores), rankings.friedman(scores)
    assert found is not None
    assert again is not None
    assert found.p == again.p == pytest.approx(stats.friedmanchisquare(*scores.T).pvalue, abs=0.02)


def test_friedman_refuses_gaps_and_ties_of_all() -> None:
    with pytest.raises(ValueError, match="every encoding on every data set"):
        rankings.friedman(np.array([[1.0, np.nan, 2.0], [1, 2, 3]]))
    assert rankings.friedman(np.ones((4, 3))) is None


def test_cliques_overlap_but_none_holds_another() -> None:
    assert rankings.cliques(np.array([3.0, 1.0, 2.0]), 1.5) == [[1, 2], [2, 0]]
    assert rankings.cliques(np.array([1.0, 3.0]), 1.0) == []


def test_variance_share_covers_the_true_one() -> None:
    generator = np.random.default_rng(5)
    found = [
        spread_tests.variance_share(part, whole)
        for part, whole in zip(generator.normal(size=(1000, 10)), 2 * generator.normal(size=(1000, 10)), strict=True)
    ]
    assert np.mean([s is not None and s.interval[0] <= 0.25 <= s.interval[1] for s in found]) > 0.93
    assert spread_tests.variance_share([1.0, 2.0], [3.0, 3.0]) is None


@settings(max_examples=15)  # statsmodels collects garbage at each call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p: list[float]) -> None:
    assert multiplicity.holm(np.array(p)) == pytest.approx(multipletests(p, method="holm")[1])


@pytest.mark.parametrize("n", [2, 3, 5])
def test_no_interval_of_a_ratio_below_six_seeds(n: int) -> None:
    few, many = np.arange(n, dtype=float), np.arange(20.0) ** 2
    reason = f"no interval is valid at n = {n}"
    assert intervals.ratio_interval(few, many, False) == intervals.ratio_interval(many, few, False) == (None, reason)


def test_no_interval_of_a_ratio_below_twenty_seeds_where_runs_collapse() -> None:
    first, second = np.random.default_rng(6).standard_normal((2, 20))
    reason = "no interval is valid at n = 19 where runs collapse"
    assert intervals.ratio_interval(first[:19], second, True) == (None, reason)
    assert intervals.ratio_interval(first, second, True)[0] is not None
    assert intervals.ratio_interval(first[:19], second, False)[0] is not None


def test_an_interval_of_a_ratio_is_that_of_its_logarithm() -> None:
    first, second = np.random.default_rng(4).standard_normal((2, 6)) * [[3.0], [1.0]]
    found, name = intervals.ratio_interval(first, second, False)
    assert name == "BCa"
    assert np.log(found) == pytest.approx(resampling.bca_log_ratio_interval(first, second))


def test_no_interval_of_a_ratio_that_equal_scores_bound() -> None:
    nearly_equal, others = [1.0, 1.0, 1.0, 1.0, 1.0, 1.1], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert resampling.bca_log_ratio_interval(nearly_equal, others)[0] < np.log(1e-6)
    reason = "no interval is valid at n = 6 with so many equal scores"
    assert intervals.ratio_interval(nearly_equal, others, False) == (None, reason)


def test_shares_where_runs_collapse_have_the_interval_of_the_squared_ratio() -> None:
    part, whole = np.random.default_rng(8).standard_normal((2, 20)) * [[1.0], [2.0]]
    exact, name = intervals.share_interval(part, whole, collapsed=False)
    assert name == "exact"
    ratio, bootstrapped = intervals.ratio_interval(part, whole, True)
    assert intervals.share_interval(part, whole, collapsed=True) == ((ratio[0] ** 2, ratio[1] ** 2), bootstrapped)
    assert exact != (ratio[0] ** 2, ratio[1] ** 2)
    assert intervals.share_interval([1.0, 2.0], [3.0, 3.0], collapsed=False) == (None, "the whole has no spread")


@pytest.mark.parametrize("n", [1, 5, 9])
def test_no_interval_of_a_lead_over_users_below_ten_seeds(n: int) -> None:
    assert intervals.lead_interval(np.zeros((n, 4))) == (None, f"no interval is valid at n = {n}")
    assert intervals.lead_interval(np.zeros((10, 4))) == ((0.0, 0.0), "two-level bootstrap")
