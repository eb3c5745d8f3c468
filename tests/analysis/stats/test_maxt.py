"""Max-T and simultaneous intervals, against counted flips, scipy's t, and small simulations."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from posrec.analysis.stats import blocks, gaussian, maxt, simultaneous


def test_contrasts_by_hand() -> None:
    scores = np.array([[1.0, 3.0, 7.0], [2.0, 2.0, 5.0]])
    assert blocks.against(scores, 1).tolist() == [[-2.0, 4.0], [0.0, 3.0]]
    assert blocks.pair_differences(scores).tolist() == [[-2.0, -6.0, -4.0], [0.0, -3.0, -3.0]]
    assert blocks.pairs(3) == [(0, 1), (0, 2), (1, 2)]


def test_signs_are_all_counted_once() -> None:
    patterns = blocks.signs(4, 99, np.random.default_rng(0))
    assert len({tuple(row) for row in patterns}) == 8
    assert patterns[0].tolist() == [1.0] * 4
    assert (patterns[:, 0] == 1).all()


def test_flips_agree_with_counting_t_statistics() -> None:
    generator = np.random.default_rng(1)
    differences = generator.normal([1.5, 0.0, 0.0], size=(6, 3))
    seen = []
    for signs in itertools.product((1, -1), repeat=6):
        t = stats.ttest_1samp(np.array(signs)[:, None] * differences, 0.0).statistic
        seen.append(np.abs(t))
    observed = seen[0]
    order = np.argsort(-observed)
    counted = [
        np.mean([row[order[place:]].max() >= observed[order[place]] - 1e-9 for row in seen]) for place in range(3)
    ]
    parts = list(blocks.flipped([differences], 999, 1))
    found, patterns = maxt._adjusted(parts[0][0], parts)
    assert patterns == 32
    # a floor is added to tiny variances; here it moves no order
    assert found[order] == pytest.approx(np.maximum.accumulate(counted), abs=1 / 32)


def test_z_has_the_tail_of_t() -> None:
    for df in (2, 5, 20):  # two degrees of freedom: three seeds
        t = np.array([0.5, 2.0, 5.0, 15.0])
        z = blocks.wallace(t**2 / (t**2 + df), df)
        assert stats.norm.isf(stats.t.sf(t, df)) == pytest.approx(z, rel=0.04)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0.001, 1000))
def test_p_keeps_when_all_are_turned_or_scaled(seed: int, scale: float) -> None:
    differences = np.random.default_rng(seed).normal(size=(6, 3)) + 0.7
    plain = maxt.step_down([differences], 99)
    assert maxt.step_down([-differences * scale], 99).p == pytest.approx(plain.p)
    assert (np.diff(plain.p[np.argsort(-plain.z)]) >= 0).all()


def test_failed_runs_leave_gaps_not_errors() -> None:
    differences = np.random.default_rng(3).normal(size=(8, 3)) + 2
    differences[:5, 1] = np.nan
    differences[:6, 2] = np.nan
    found = maxt.step_down([differences, differences[:, :1]], 999)
    assert np.isfinite(found.p).tolist() == [True, True, False, True]
    assert found.smallest_p.tolist() == [2**-7, 2**-2, 2**-1, 2**-7]
    assert (found.p >= found.smallest_p / 2)[[0, 1, 3]].all()  # flips are drawn, not counted
    shown = simultaneous.intervals([differences])
    assert np.isfinite(shown.low).tolist() == [True, True, False]
    assert shown.seeds.tolist() == [8, 3, 2]


def test_differences_that_never_vary_give_numbers() -> None:
    found = maxt.step_down([np.column_stack([np.ones(6), np.zeros(6), np.arange(6.0) - 2.5])], 99)
    assert found.p[1] == 1.0
    assert found.p[0] >= 1 / 32
    shown = simultaneous.intervals([np.ones((6, 1))])
    assert (shown.low[0], shown.high[0]) == (1.0, 1.0)


def test_a_single_interval_is_students_where_differences_are_symmetric() -> None:
    values = np.array([-2.0, -1.0, 0.0, 1.0, 2.0]) + 3
    shown = simultaneous.intervals([values[:, None]])
    expected = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    assert (shown.low[0], shown.high[0]) == pytest.approx(expected, rel=1e-6)


def test_the_quantile_lies_between_one_and_independent_ones() -> None:
    shared = np.random.default_rng(4).normal(size=(12, 1))
    together = [shared + 0.1 * np.random.default_rng(5).normal(size=(12, 5))]
    apart = [np.random.default_rng(6).normal(size=(12, 5))]
    one, all_five = stats.norm.isf(0.025), stats.norm.isf((1 - 0.95 ** (1 / 5)) / 2)
    assert one < gaussian.critical(together, 0.05, 1999, 1) < gaussian.critical(apart, 0.05, 1999, 1) <= all_five


def _studies(count: int, effect: float, shape: str) -> tuple[float, float]:
    generator = np.random.default_rng(7)
    found = []
    for _ in range(count):
        scores = generator.normal(size=(3, 10, 10))
        scores = np.exp(scores) / 2.16 if shape == "lognormal" else scores
        scores[0, :, 1] += effect
        p = maxt.step_down([blocks.against(block, 0) for block in scores], 499).p
        found.append((p[0] <= 0.05, (p[1:] <= 0.05).any()))
    first, others = np.mean(found, axis=0)
    return float(first), float(others)


@pytest.mark.parametrize("shape", ["normal", "lognormal"])
def test_finds_three_sd_and_little_else(shape: str) -> None:
    found, others = _studies(15, 3.0, shape)
    assert found >= 0.7
    assert others <= 0.2


def test_labels_say_whether_any_encoding_differs() -> None:
    scores = np.random.default_rng(11).normal(size=(8, 4))
    assert maxt.alike_p([scores], 199) > 0.02
    scores[:, 2] += 4
    assert maxt.alike_p([scores], 199) <= 0.01
