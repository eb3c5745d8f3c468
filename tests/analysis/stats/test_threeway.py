"""The three-way rule, against a table worked out by hand and its properties."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posrec.analysis.stats.threeway import AHEAD, BEHIND, EQUIVALENT, OPEN, Margin, ratio_verdict, side, verdict

TABLE = [
    (1.1, 2.0, AHEAD),
    (1.0, 2.0, OPEN),  # touching the margin isn't beyond it
    (0.1, 2.0, OPEN),
    (-0.9, 0.9, EQUIVALENT),
    (0.1, 0.9, EQUIVALENT),  # better than none, by less than what matters
    (-1.0, 0.5, OPEN),
    (-2.0, 2.0, OPEN),
    (-2.0, -1.1, BEHIND),
    (-38.0, -10.0, BEHIND),
    (math.nan, math.nan, OPEN),
    (-math.inf, math.inf, OPEN),
]


@pytest.mark.parametrize(("low", "high", "word"), TABLE)
def test_words_of_intervals(low: float, high: float, word: str) -> None:
    assert verdict(low, high, 1.0) == word


BOUND = st.floats(-10, 10)


@given(BOUND, BOUND, st.floats(0, 5))
def test_turning_the_comparison_turns_the_word(one: float, two: float, margin: float) -> None:
    low, high = sorted((one, two))
    turned = {AHEAD: BEHIND, BEHIND: AHEAD}
    word = verdict(low, high, margin)
    assert verdict(-high, -low, margin) == turned.get(word, word)


@given(BOUND, BOUND, st.floats(0, 5), st.floats(0, 5))
def test_a_wider_interval_never_decides_more(one: float, two: float, more: float, margin: float) -> None:
    low, high = sorted((one, two))
    assert verdict(low - more, high + more, margin) in (OPEN, verdict(low, high, margin))


def test_ratios_are_judged_on_the_log_scale() -> None:
    assert ratio_verdict(1 / 1.4, 1.4, 1.5) == EQUIVALENT
    assert ratio_verdict(0.0, 0.6, 1.5) == BEHIND
    assert ratio_verdict(1.6, math.inf, 1.5) == AHEAD
    assert ratio_verdict(1.35, 1.45, 1.5) == EQUIVALENT
    assert ratio_verdict(0.0, math.inf, 1.5) == OPEN


def test_margins() -> None:
    assert Margin().level(0.5) == pytest.approx(0.01)
    assert Margin(relative=0.02, floor=0.001).level(0.0) == 0.001
    assert Margin(ratio=2.0).log_ratio == pytest.approx(math.log(2))
    assert side(-2.0, -0.1) == "below"
    with pytest.raises(ValueError, match="ratio > 1"):
        Margin(ratio=1.0)
    with pytest.raises(ValueError, match="0 or more"):
        verdict(0.0, 1.0, -0.1)
