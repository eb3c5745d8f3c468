"""The one rule for every comparison of two cells: ahead, behind, equivalent or open; and the same for their spreads.

Levels: one interval of the mean difference over paired seeds, simultaneous for a stated family, against the margin
(`stats.threeway`). Spreads: the interval of their ratio, simultaneous by Sidak, against the margin's ratio. Both are
those of healthy runs; then the rates of failed and collapsed runs, and runs still rising, may withhold the word.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from posrec.analysis.stats import gaussian, maxt, outcomes, paired_spread, sequential, simultaneous, spreads
from posrec.analysis.stats.threeway import AHEAD, BEHIND, EQUIVALENT, OPEN, Margin, Word, ratio_verdict, verdict
from posrec.analysis.tables.load import PRIMARY
from posrec.analysis.tables.scores import POINTS
from posrec.study.settings.study import StudySettings

ALPHA = 0.05
STEADINESS: dict[Word, str] = {AHEAD: "less steady", BEHIND: "steadier", EQUIVALENT: "alike", OPEN: OPEN}
Looks = tuple[int, ...]


@dataclass(frozen=True)
class Health:
    """Runs of a cell: planned, failed, collapsed to chance; healthy ones still rising when their training ended, or of
    which that isn't known (unsure).
    """

    planned: int
    failed: int
    collapsed: int
    rising: int
    unsure: int = 0

    @property
    def bad(self) -> int:
        """Runs without a usable model: an outcome, not a gap."""
        return self.failed + self.collapsed

    @property
    def healthy(self) -> int:
        """Runs that finished above chance."""
        return self.planned - self.bad


@dataclass(frozen=True)
class Side:
    """A cell in a comparison. scores: healthy runs in points, by seed; trained: run id of each, by seed."""

    name: str
    scores: "pd.Series[float]"
    trained: "pd.Series[str]"
    health: Health


@dataclass(frozen=True)
class Duel:
    """Two cells compared. block: comparisons of one block share their seeds; margin: of the level, in points.

    contrast: the sides are differences themselves (leads), which runs still rising may move either way.
    """

    block: tuple[str, ...]
    first: Side
    second: Side
    margin: float
    contrast: bool = False

    @cached_property
    def same_trainings(self) -> bool:
        """Whether the two score the same trainings."""
        one, two = self.first.trained.to_dict(), self.second.trained.to_dict()
        common = one.keys() & two.keys()
        return bool(common) and all(one[seed] == two[seed] for seed in common)


@dataclass(frozen=True)
class Found:
    """What a comparison says: the word, why a clearer one was withheld, and the figures behind it.

    Levels in points, their bounds simultaneous; spreads as a ratio, their bounds of this comparison alone, while the
    word is read from simultaneous ones. NaN where the design allows no interval. p: adjusted over the family.
    comparisons: of the family. decided_at: seeds of the look at which a study with looks decided it, 0 if open.
    """

    word: Word
    why: str
    estimate: float
    low: float
    high: float
    p: float
    smallest_p: float
    pairs: int
    comparisons: int
    decided_at: int = 0


@dataclass(frozen=True)
class Design:
    """What was stated beforehand: the margin, and the looks (numbers of seeds) of a study that adds seeds.

    draws: random patterns behind intervals and p; fewer serve where many studies are simulated.
    """

    margin: Margin
    looks: Looks = ()
    draws: int = maxt.DRAWS


def design(settings: StudySettings) -> Design:
    """The design of a study."""
    stated = settings.report.margin
    return Design(Margin(stated.relative, stated.floor / POINTS, stated.ratio, stated.rate), settings.looks)


def health(runs: pd.DataFrame) -> Health:
    """The outcomes of a cell's runs. Older run files don't say whether they were rising: those runs are unsure."""
    failed = runs["status"] != "finished"
    collapsed = ~failed & runs["collapsed"].astype(bool)
    healthy = ~failed & ~collapsed
    said = runs["still_rising"] if "still_rising" in runs else pd.Series(None, runs.index, dtype=object)
    rising, unsure = said.eq(True) & healthy, said.isna() & healthy
    return Health(len(runs), *(int(each.sum()) for each in (failed, collapsed, rising, unsure)))


def side(runs: pd.DataFrame, column: str = PRIMARY, name: str = "") -> Side:
    """A cell from its runs; column: the metric."""
    healthy = (runs["status"] == "finished") & ~runs["collapsed"].astype(bool)
    seeds = pd.Index(runs["seed"][healthy])
    scores = pd.Series(POINTS * runs[column][healthy].to_numpy(float), seeds)
    trained = pd.Series(runs["run_id"][healthy].astype(str).to_numpy(), seeds)
    return Side(name or str(runs["encoding"].iloc[0]), scores, trained, health(runs))


def margin_of(reference: Side, margin: Margin) -> float:
    """The margin of a level in points, from the healthy runs of the reference (`none`)."""
    mean = float(reference.scores.mean()) if len(reference.scores) else 0.0
    return POINTS * margin.level(mean / POINTS)


def lead(own: Side, none: Side, name: str = "") -> Side:
    """The lead over `none` by seed; a seed is bad (or rising) where either run is, at most."""
    one, two = own.health, none.health
    together = Health(
        min(one.planned, two.planned),
        min(one.failed + two.failed, one.planned),
        min(one.collapsed + two.collapsed, one.planned - min(one.failed + two.failed, one.planned)),
        min(one.rising + two.rising, one.planned),
        min(one.unsure + two.unsure, one.planned),
    )
    return Side(name or own.name, (own.scores - none.scores).dropna(), own.trained, together)


def levels(duels: Sequence[Duel], of: Design) -> list[Found]:
    """The rule for levels, over one family: in the order of the duels."""
    if not duels:
        return []
    places, arrays = _arrays(duels)
    margins = np.array([duels[place].margin for place in places])
    shown, decided = _intervals(arrays, margins, of)
    tested = maxt.step_down(arrays, of.draws)
    p = np.full(len(places), np.nan) if of.looks else tested.p
    each = sequential.alone(ALPHA, len(duels))
    found: dict[int, Found] = {}
    for index, place in enumerate(places):
        word, seeds = decided[index] if of.looks else (verdict(shown.low[index], shown.high[index], margins[index]), 0)
        interval = float(shown.estimate[index]), float(shown.low[index]), float(shown.high[index])
        tests = float(p[index]), float(tested.smallest_p[index])
        raw = Found(word, "", *interval, *tests, int(shown.seeds[index]), len(duels), seeds)
        found[place] = _withheld(raw, duels[place], of.margin, each, spread=False)
    return [found[place] for place in range(len(duels))]


def _arrays(duels: Sequence[Duel]) -> tuple[list[int], list[np.ndarray]]:
    """Places of the duels by block, and the (S, m) differences of each block, NaN where a run isn't healthy."""
    blocks: dict[tuple[str, ...], list[int]] = {}
    for place, duel in enumerate(duels):
        blocks.setdefault(duel.block, []).append(place)
    arrays = []
    for places in blocks.values():
        columns = [duels[place].first.scores - duels[place].second.scores for place in places]
        arrays.append(pd.concat(columns, axis=1).sort_index().to_numpy(float))
    return [place for places in blocks.values() for place in places], [_some_rows(array) for array in arrays]


def _some_rows(array: np.ndarray) -> np.ndarray:
    return array if len(array) else np.full((1, array.shape[1]), np.nan)


def _intervals(
    arrays: Sequence[np.ndarray], margins: np.ndarray, of: Design
) -> tuple[simultaneous.Intervals, list[tuple[Word, int]]]:
    """Simultaneous intervals; in a study with looks the repeated ones of the latest, and what each look decided."""
    if not of.looks:
        return simultaneous.intervals(arrays, ALPHA, min(of.draws, gaussian.DRAWS)), []
    followed = sequential.follow(arrays, margins, of.looks)
    level = followed[-1].nominal if followed else sequential.nominal(of.looks, ALPHA, len(margins))[0]
    shown = simultaneous.intervals_at(arrays, float(stats.norm.isf(level / 2)))
    if not followed:
        return shown, [(OPEN, 0)] * len(margins)
    return shown, list(zip(followed[-1].words, followed[-1].decided_at, strict=True))


def spread_ratios(duels: Sequence[Duel], of: Design) -> list[Found]:
    """The rule for spreads, over one family. "ahead" is the larger spread: the first is less steady.

    Paired where both sides score the same trainings (`stats.paired_spread`), else by permutations. A single comparison
    is judged like one of two: of a lognormal and a normal encoding it would be wrong in up to 7 %.
    """
    family = max(2, len(duels))
    each, alone = sequential.alone(ALPHA, family), ALPHA
    if of.looks:
        seeds = max((duel.first.health.planned for duel in duels), default=0)
        look = max(0, sum(number <= seeds for number in of.looks) - 1)
        each, alone = (sequential.nominal(of.looks, ALPHA, many)[look] for many in (family, 1))
    return [_spread(duel, of, each, alone, len(duels)) for duel in duels]


def _spread(duel: Duel, of: Design, each: float, alone: float, family: int) -> Found:
    """The word by the family's level, and the interval of this comparison alone: few seeds have no other."""
    common = duel.first.scores.index.intersection(duel.second.scores.index)
    pairs = len(common) if duel.same_trainings else min(len(duel.first.scores), len(duel.second.scores))
    exchanges = _exchanges(duel, common, of.draws)
    if duel.same_trainings and duel.first.scores.sort_index().equals(duel.second.scores.sort_index()):
        return Found(
            EQUIVALENT, "", 1.0, 1.0, 1.0, 1.0, float("nan"), pairs, family
        )  # an evaluation that changes nothing
    if exchanges is None:
        nan = float("nan")
        return Found(OPEN, _no_interval(pairs), _plain_ratio(duel), nan, nan, nan, nan, pairs, family)
    ratio, shown = (exchanges.at(level) for level in (each, alone))
    adjusted = float(-np.expm1(family * np.log1p(-min(ratio.p, 1 - 1e-12))))
    word = ratio_verdict(ratio.low, ratio.high, of.margin.ratio)
    found = Found(word, "", ratio.ratio, shown.low, shown.high, adjusted, float("nan"), pairs, family)
    return _withheld(found, duel, of.margin, each, spread=True)


def _exchanges(duel: Duel, common: "pd.Index[Any]", draws: int) -> spreads.Exchanges | None:
    first, second = duel.first.scores, duel.second.scores
    if duel.same_trainings:
        return paired_spread.paired(first.loc[common].to_numpy(), second.loc[common].to_numpy(), draws)
    return spreads.unpaired(first.to_numpy(), second.to_numpy(), draws)


def _plain_ratio(duel: Duel) -> float:
    one, two = (spreads.spread(each.scores.to_numpy()) for each in (duel.first, duel.second))
    return one / two if one > 0 and two > 0 else float("nan")


def _no_interval(pairs: int) -> str:
    return f"no interval is valid at n = {pairs}" if pairs < spreads.FEWEST else "the scores don't vary"


def _withheld(found: Found, duel: Duel, margin: Margin, each: float, spread: bool) -> Found:
    """The word that the rates of bad runs, and runs still rising, leave.

    Of levels, rates alone decide where one encoding loses more of its runs by more than the margin of rates.
    """
    one, two = duel.first.health, duel.second.health
    rates = outcomes.compare(outcomes.rate(one.bad, one.planned), outcomes.rate(two.bad, two.planned), margin.rate)
    known = duel.same_trainings and one.bad == two.bad  # two evaluations of the same runs
    word, why = outcomes.guard(found.word, [] if known else [rates], margin.rate, spread)
    if word != OPEN:
        word, why = _converged(word, duel, margin.rate, spread)
    if word == OPEN and not spread and (by_rates := _by_rates(one, two, margin.rate, each)) != OPEN:
        word, why = by_rates, f"{_lost(duel.first)}, {_lost(duel.second)}"
    if word == OPEN and not why and one.bad + two.bad:
        why = f"{_lost(duel.first)}, {_lost(duel.second)}"
    return replace(found, word=word, why=why)


def _by_rates(one: Health, two: Health, tolerance: float, each: float) -> Word:
    """The three-way rule for rates of bad runs, with the family's interval; it never says "equivalent"."""
    first, second = outcomes.rate(one.bad, one.planned, 1 - each), outcomes.rate(two.bad, two.planned, 1 - each)
    found = outcomes.compare(first, second, tolerance)
    word = verdict(-found.high, -found.low, tolerance)  # fewer bad runs are better
    return word if word in (AHEAD, BEHIND) else OPEN


def _lost(side: Side) -> str:
    return f"{side.health.bad} of {side.health.planned} seeds of {side.name} are useless"


def _converged(word: Word, duel: Duel, limit: float, spread: bool) -> tuple[Word, str]:
    """Withhold a word that runs still rising could undo; it stands where more training could only confirm it.

    The best epoch of a training is scored, so that a longer one scores higher or the same. Hence a winner may still
    rise: it would win by more. The one that is behind may not, since it might catch up; nor may either of two that are
    called equivalent, either of two spreads, or any run behind a change of leads. Two evaluations of the same trainings
    are about these very models, trained to the end or not. Which of a cell's runs still rise isn't a sample: they are
    the runs that are compared, so their share is held against the limit as it is, and a run that doesn't say whether
    it was rising counts as one that was. limit: the largest such share of a cell's healthy runs.
    """
    sides = [duel.first, duel.second]
    if not spread and not duel.contrast and word in (AHEAD, BEHIND):
        sides = [duel.second if word == AHEAD else duel.first]
    for one in sides if not duel.same_trainings else []:
        found = one.health
        if found.rising + found.unsure > limit * found.healthy:
            said = "not known to have stopped rising" if found.unsure else "still rising"
            return OPEN, f"{found.rising + found.unsure} of {found.healthy} runs of {one.name} are {said}"
    return word, ""


def spread_columns(found: Found) -> dict[str, Any]:
    """What a table says of a comparison of spreads."""
    return {
        "spread_ratio": found.estimate,
        "spread_ratio_low": found.low,
        "spread_ratio_high": found.high if found.high < float("inf") else None,
        "spread": STEADINESS[found.word],
        "spread_why": found.why,
        "spread_p": found.p,
    }
