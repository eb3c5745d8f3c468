"""The one rule for two cells: words by hand, what withholds them, and how often rates of bad runs decide wrongly."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from posrec.analysis.stats import sequential
from posrec.analysis.stats.threeway import Margin
from posrec.analysis.tables import duels
from posrec.analysis.tables.duels import Design, Duel, Found, Health, Side

DESIGN = Design(Margin())


def _side(name: str, scores: list[float], bad: int = 0, rising: int = 0, trained: str = "") -> Side:
    """A cell of len(scores) healthy runs with seeds 0, 1, ... and `bad` failed ones after them."""
    series = pd.Series(scores, range(len(scores)), dtype=float)
    runs = pd.Series([f"{trained or name}-{seed}" for seed in series.index], series.index)
    return Side(name, series, runs, Health(len(scores) + bad, bad, 0, rising))


def _level(first: Side, second: Side, margin: float = 0.5) -> Found:
    return duels.levels([Duel(("data",), first, second, margin)], DESIGN)[0]


def _spread(first: Side, second: Side) -> Found:
    return duels.spread_ratios([Duel(("data",), first, second, 0.5)], DESIGN)[0]


NONE = [10.0, 10.1, 9.9, 10.2, 9.8] * 6


def test_a_single_comparison_is_students_t() -> None:
    """Differences 1, 2, 3: mean 2, t(.975, 2) = 4.303 times 1 / sqrt(3); symmetric, so without an allowance."""
    found = _level(_side("rope", [2.0, 3.0, 4.0]), _side("none", [1.0, 1.0, 1.0]), margin=0.4)
    assert (found.low, found.high) == pytest.approx((2 - 2.484, 2 + 2.484), abs=1e-3)
    assert (found.word, found.pairs, found.smallest_p) == ("open", 3, 0.25)
    assert _level(_side("rope", [12.0, 13.0, 14.0]), _side("none", [1.0] * 3)).word == "ahead"
    assert _level(_side("none", [1.0] * 3), _side("rope", [12.0, 13.0, 14.0])).word == "behind"


def test_equivalence_needs_rates_that_are_known_to_be_alike() -> None:
    thirty, ten = _side("rope", [value + 0.1 for value in NONE]), _side("rope", NONE[:10])
    assert _level(thirty, _side("none", NONE)).word == "equivalent"
    few = _level(ten, _side("none", [value + 0.1 for value in NONE[:10]]))
    assert (few.word, few.why) == ("open", "rates of bad runs are unknown")
    lost = _level(_side("rope", NONE[:20], bad=10), _side("none", NONE))
    assert (lost.word, lost.why) == ("behind", "10 of 30 seeds of rope are useless, 0 of 30 seeds of none are useless")


def test_the_one_that_loses_more_runs_isnt_ahead() -> None:
    better = [value + 5 for value in NONE[:22]]
    found = _level(_side("rope", better, bad=8), _side("none", NONE))
    assert (found.word, found.why) == ("open", "the better one has more bad runs")
    assert _level(_side("rope", [value - 5 for value in NONE[:22]], bad=8), _side("none", NONE)).word == "behind"


def test_runs_still_rising_withhold_what_they_could_change() -> None:
    """A loser that still rises might catch up; a winner that does would win by more."""
    ahead = [value + 5 for value in NONE]
    assert _level(_side("rope", ahead, rising=20), _side("none", NONE)).word == "ahead"
    assert _level(_side("none", NONE), _side("rope", ahead, rising=20)).word == "behind"
    found = _level(_side("rope", ahead), _side("none", NONE, rising=20))
    assert (found.word, found.why) == ("open", "20 of 30 runs of none are still rising")
    assert _level(_side("rope", ahead), _side("none", NONE, rising=4)).word == "ahead"  # at most 15 %
    for one, other in ((20, 0), (0, 20), (20, 20)):  # equal rates of runs still rising don't make two equivalent
        assert _level(_side("rope", NONE, rising=one), _side("none", NONE, rising=other)).word == "open"
    assert _level(_side("rope", NONE, rising=4), _side("none", NONE)).word == "equivalent"


def test_runs_that_dont_say_whether_they_were_rising_count_as_rising() -> None:
    ahead = [value + 5 for value in NONE]
    none = _side("none", NONE)
    unsure = replace(none, health=replace(none.health, rising=2, unsure=10))
    found = _level(_side("rope", ahead), unsure)
    assert (found.word, found.why) == ("open", "12 of 30 runs of none are not known to have stopped rising")
    assert _level(unsure, _side("rope", [value - 5 for value in NONE])).word == "ahead"
    runs = pd.DataFrame({"status": ["finished", "failed", "finished"], "collapsed": [False, False, True]})
    assert duels.health(runs) == Health(3, 1, 1, 0, unsure=1)
    assert duels.health(runs.assign(still_rising=[True, None, True])) == Health(3, 1, 1, 1)


def test_a_change_of_leads_needs_both_trained_to_the_end() -> None:
    """A lead is itself a difference: what rises in it may be `none`."""
    first, second = _side("on", [value + 5 for value in NONE], rising=20), _side("off", NONE)
    found = duels.levels([Duel(("data",), first, second, 0.5, contrast=True)], DESIGN)[0]
    assert (found.word, found.why) == ("open", "20 of 30 runs of on are still rising")


def test_evaluations_of_the_same_trainings_are_about_these_models() -> None:
    on, off = (_side(n, [v + d for v in NONE], rising=30, trained="same") for n, d in (("on", 5), ("off", 0)))
    assert _level(on, off).word == "ahead"


def test_spreads_of_the_healthy_core() -> None:
    wide = [10 + 8 * (value - 10) for value in NONE]
    found = _spread(_side("rope", wide), _side("none", NONE))
    assert (found.word, found.estimate) == ("ahead", pytest.approx(8))
    assert duels.STEADINESS[found.word] == "less steady"
    lost = _spread(_side("none", NONE[:20], bad=10), _side("rope", wide))
    assert (lost.word, lost.why) == ("open", "the better one has more bad runs")
    assert _spread(_side("rope", NONE[:5]), _side("none", NONE)).why == "no interval is valid at n = 5"
    rising = _spread(_side("none", NONE, rising=9), _side("rope", wide))
    assert (rising.word, rising.why) == ("open", "9 of 30 runs of none are still rising")


def test_two_evaluations_of_the_same_trainings_are_paired() -> None:
    """Ten trainings that two evaluations score almost alike: paired, the ratio is known far better."""
    generator = np.random.default_rng(2)
    shared = generator.normal(10, 1, 10)
    one, two = list(shared + generator.normal(0, 0.02, 10)), list(shared)
    paired = _spread(_side("on", one, trained="same"), _side("off", two, trained="same"))
    apart = _spread(_side("on", one), _side("off", two))
    assert paired.high / paired.low < 0.5 * apart.high / apart.low
    assert _spread(_side("on", two, trained="same"), _side("off", two, trained="same")).word == "equivalent"


@pytest.mark.parametrize("n", [5, 10, 20, 30])
@pytest.mark.parametrize("comparisons", [1, 8, 63])
def test_rates_alone_are_seldom_wrong(n: int, comparisons: int) -> None:
    """Rates that differ by just the margin, exactly: "behind" is said in at most 5 % of families."""
    each = sequential.alone(0.05, comparisons)
    for one, two in ((0.15, 0.0), (0.2, 0.05), (0.5, 0.35), (0.99, 0.84)):
        chances = np.outer(stats.binom.pmf(range(n + 1), n, one), stats.binom.pmf(range(n + 1), n, two))
        words = [
            [duels._by_rates(Health(n, a, 0, 0), Health(n, b, 0, 0), 0.15, each) for b in range(n + 1)]
            for a in range(n + 1)
        ]
        wrong = float(chances[np.array(words) == "behind"].sum())
        assert 1 - (1 - wrong) ** comparisons <= 0.05
