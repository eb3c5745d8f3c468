"""Users crossed with seeds, interactions, data sets, choices and reach, against cases by hand and simulations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from posrec.analysis.stats import choice, crossed, interactions, meta, reach, sequential


def test_components_by_hand() -> None:
    found = crossed.components(np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]))  # additive: nothing is left
    assert found is not None
    assert (found.seeds, found.users, found.rest) == pytest.approx((2**0.5, 1.0, 0.0), abs=1e-9)
    assert crossed.components(np.ones((1, 9))) is None


def test_components_find_both_noises() -> None:
    generator = np.random.default_rng(1)
    values = generator.normal(size=(30, 1)) + 2 * generator.normal(size=(1, 400)) + generator.normal(size=(30, 400))
    found = crossed.components(values)
    assert found is not None
    assert (found.users, found.rest) == pytest.approx((2.0, 1.0), rel=0.15)
    assert found.seeds == pytest.approx(1.0, rel=0.4)


def test_the_crossed_interval_holds_where_users_differ() -> None:
    generator = np.random.default_rng(2)
    held = 0
    for _ in range(20):
        values = 0.2 * generator.normal(size=(6, 1)) + 2 * generator.normal(size=(1, 60))
        found = crossed.lead(values + 2 * generator.normal(size=(6, 60)))
        assert found is not None
        held += found.low <= 0 <= found.high
    assert held >= 17


def test_no_spread_no_width() -> None:
    found = crossed.lead(np.full((4, 5), 0.5))
    assert found is not None
    assert (found.mean, found.low, found.high) == (0.5, 0.5, 0.5)


def test_an_interaction_is_a_difference_of_leads() -> None:
    generator = np.random.default_rng(3)
    off = generator.normal(size=(10, 3))
    on = off + 0.1 * generator.normal(size=(10, 3)) + [0.0, 2.0, 0.0]
    contrasts = interactions.contrast(off, on, 0)
    found = interactions.interactions([contrasts], 0.5, draws=999)
    assert found.estimate == pytest.approx(contrasts.mean(axis=0))
    assert found.changes == ("raises", "leaves")
    assert found.p[0] <= 0.01
    with pytest.raises(ValueError, match="same seeds"):
        interactions.contrast(off, on[:5], 0)


def test_equal_errors_give_the_plain_mean() -> None:
    effects = np.array([1.0, 2.0, 4.0, 5.0])
    found = meta.pooled(effects, np.full(4, 0.01), list("abcd"))
    assert found.mean == pytest.approx(3.0)
    assert found.tau == pytest.approx(effects.std(ddof=1), rel=1e-3)
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 3, 3.0, stats.sem(effects)), rel=1e-3)
    assert found.new_low < found.low < found.high < found.new_high


def test_subsets_of_one_source_count_once() -> None:
    alone = meta.pooled(np.array([1.0, 2.0, 4.0]), np.full(3, 0.5), ["a", "b", "c"])
    doubled = meta.pooled(np.array([1.0, 1.0, 1.0, 2.0, 4.0]), np.full(5, 0.5), ["a", "a", "a", "b", "c"])
    assert doubled == alone
    assert alone.sources == 3
    assert np.isnan(meta.pooled(np.array([1.0, 2.0]), np.ones(2), ["a", "b"]).low)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 500), st.floats(-5, 5))
def test_pooling_moves_with_the_effects(seed: int, shift: float) -> None:
    generator = np.random.default_rng(seed)
    effects, errors = generator.normal(size=5), generator.uniform(0.1, 1, 5)
    plain, moved = meta.pooled(effects, errors, list("abcde")), meta.pooled(effects + shift, errors, list("abcde"))
    assert moved.mean == pytest.approx(plain.mean + shift, abs=1e-5)
    assert moved.tau == pytest.approx(plain.tau, abs=1e-5)


def test_draws_have_the_spread_of_a_t_interval() -> None:
    scores = np.random.default_rng(4).normal(size=(12, 2))
    drawn = choice.mean_draws(scores, 20_000)
    assert drawn.mean(axis=0) == pytest.approx(scores.mean(axis=0), abs=0.01)
    assert drawn.std(axis=0) == pytest.approx(stats.sem(scores) * (11 / 9) ** 0.5, rel=0.05)


def test_the_choice_over_sources() -> None:
    generator = np.random.default_rng(5)
    several = [choice.mean_draws(generator.normal([0.0, 0.0, 3.0], size=(10, 3)), 500) for _ in range(5)]
    overall, new = choice.over_sources(several)
    found = choice.choose(overall, 0.5)
    assert found.best.sum() == pytest.approx(1.0)
    assert found.best[2] > 0.95
    assert found.loss[2] < found.loss[0]
    assert new.std(axis=0).min() > overall.std(axis=0).min()
    with pytest.raises(ValueError, match="three sources"):
        choice.over_sources(several[:2])
    with pytest.raises(ValueError, match="three seeds"):
        choice.mean_draws(np.ones((2, 3)))


def test_reach() -> None:
    assert reach.smallest_p(5) == 0.0625
    assert reach.smallest_p(10) == 2**-9
    assert reach.level_power(2, 1.0, 1.0) == 0.0
    seeds = reach.level_seeds(0.01, 0.01, 8)
    assert seeds is not None
    assert reach.level_power(seeds, 0.01, 0.01, 8) >= 0.8 > reach.level_power(seeds - 1, 0.01, 0.01, 8)
    assert reach.level_seeds(1.0, 0.0) == 3
    assert reach.equivalence_power(30, 1.0, 1.0) > 0.95
    needed = reach.spread_seeds(2.25, 1.5)
    assert needed is not None
    assert 40 < needed < 120
    assert sequential.alone(0.05, 1) == pytest.approx(0.05)
