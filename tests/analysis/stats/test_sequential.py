"""Looks and their error, against the published bounds and small simulations."""

import numpy as np
import pytest
from scipy import stats

from posrec.analysis.stats import blocks, sequential
from posrec.analysis.stats.threeway import AHEAD, EQUIVALENT, OPEN


def test_bounds_are_the_published_ones() -> None:
    """Lan and DeMets, O'Brien-Fleming-like, two-sided 5 %, five equal looks (for instance gsDesign's manual)."""
    levels = sequential.nominal((10, 20, 30, 40, 50), 0.05)
    bounds = [stats.norm.isf(level / 2) for level in levels]
    assert bounds == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=0.001)


def test_one_look_spends_all_and_many_spend_no_more() -> None:
    assert sequential.nominal((20,), 0.05) == pytest.approx((0.05,))
    walks = np.random.default_rng(1).normal(size=(20_000, 25)).cumsum(axis=1)
    z = np.abs(walks[:, np.array(sequential.LOOKS) - 1]) / np.sqrt(sequential.LOOKS)
    bounds = stats.norm.isf(np.array(sequential.nominal(sequential.LOOKS, 0.05)) / 2)
    assert (z > bounds).any(axis=1).mean() == pytest.approx(0.05, abs=0.005)


@pytest.mark.parametrize("looks", [(), (8, 5), (5, 5), (1, 5)])
def test_looks_must_rise(looks: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="rising"):
        sequential.nominal(looks, 0.05)


def test_a_word_once_given_stays_and_says_when() -> None:
    generator = np.random.default_rng(2)
    scores = generator.normal(size=(25, 3))
    scores[:, 1] += 5
    scores[:, 2] = scores[:, 0] + 0.05 * generator.normal(size=25)
    found = sequential.follow([blocks.against(scores, 0)], np.array([1.0, 1.0]))
    assert [look.seeds for look in found] == list(sequential.LOOKS)
    assert found[-1].words == (AHEAD, EQUIVALENT)
    assert 5 < found[-1].decided_at[0] < 25
    assert found[0].words[0] == OPEN
    assert [look.spent for look in found] == sorted(look.spent for look in found)
    assert found[-1].spent == pytest.approx(0.05)


def test_looks_beyond_the_seeds_at_hand_are_left_out() -> None:
    found = sequential.follow([np.random.default_rng(3).normal(size=(13, 2))], np.zeros(2))
    assert [look.seeds for look in found] == [5, 8, 12]


@pytest.mark.parametrize("shape", ["normal", "exponential"])
def test_errs_rarely_over_all_looks(shape: str) -> None:
    generator = np.random.default_rng(4)
    draw = generator.standard_normal if shape == "normal" else generator.standard_exponential
    wrong = 0
    for _ in range(25):
        words = sequential.follow([blocks.against(draw((25, 5)), 0)], np.zeros(4))[-1].words
        wrong += any(word != OPEN for word in words)
    assert wrong <= 4


def test_seeds_are_saved_where_effects_are_large() -> None:
    found, seeds, fixed = sequential.over_looks(2.0, 8, studies=300)
    assert found >= fixed - 0.02
    assert seeds < 15
